"""realize: the nodes that make a tensor of an exported graph, added where they are missing."""

from typing import TYPE_CHECKING

import numpy as np

from escalate.capture.movement import Plane, movements
from escalate.capture.stages import Affine, Clip, Stage, as_map
from escalate.capture.tensor import Tensor, plane
from escalate.errors import CaptureError

if TYPE_CHECKING:
    from escalate.capture.draft import Draft


def realize(draft: "Draft", tensor: Tensor, path: str) -> str:
    """The name of a node that makes the tensor as (C, H, W).

    Functions of its numbers come first, then what brings them to other places.  A node that was
    made before is taken again.

    Parameters
    ----------
    draft : Draft
    tensor : Tensor of one to three axes for each image
    path : of the module that reads it, after which nodes are named where it has no path itself

    Raises
    ------
    CaptureError
        If it has other axes, or its numbers follow no pattern.
    """
    wanted = plane(tensor.shape)
    if wanted is None:
        raise CaptureError(f"a tensor of shape {('N', *tensor.shape)}, wanted (N, C, H, W)")
    name, path = tensor.node, tensor.path or path
    for stage in tensor.stages:
        name = _behind(draft, name, stage, path)
    before = draft.nodes[name].shape
    if tensor.view is None and wanted == before:
        return name
    key = (name, wanted, None if tensor.view is None else tensor.view.tobytes())
    if key not in draft.made:
        draft.made[key] = _moved(draft, name, tensor, wanted, path)
    return draft.made[key]


def _moved(draft: "Draft", name: str, tensor: Tensor, wanted: Plane, path: str) -> str:
    moves = movements(tensor.at.reshape(wanted), draft.nodes[name].shape)
    if moves is None:
        raise CaptureError("numbers are rearranged without a pattern of nested loops")
    for move in moves:
        name = draft.add(path, move.op, (name,), move.shape, move.attributes)
    return name


def _behind(draft: "Draft", name: str, stage: Stage, path: str) -> str:
    """The node behind one function of a number."""
    if (name, stage) not in draft.made:
        draft.made[name, stage] = _function(draft, name, stage, path)
    return draft.made[name, stage]


def _function(draft: "Draft", name: str, stage: Stage, path: str) -> str:
    shape = draft.nodes[name].shape
    if isinstance(stage, Clip):
        made = draft.add(path, "relu", (name,), shape)
        draft.fuse(made, stage.maximum)
        return made
    if isinstance(stage, Affine):
        constants = tuple(np.broadcast_to(each, shape[:1]) for each in (stage.scale, stage.shift))
        return draft.add(path, "affine", (name,), shape, None, constants)
    table = as_map(stage)
    return draft.add(path, "table", (name,), shape, {"formula": table.formula}, table.constants)


def by_channel(draft: "Draft", tensor: Tensor, values: np.ndarray) -> np.ndarray | None:
    """Numbers that stand beside a tensor's, as one for each channel of its node.

    Parameters
    ----------
    draft : Draft
    tensor : Tensor
    values : any shape that can be broadcast to the tensor's

    Returns
    -------
    float64 of shape () where all are one number, of shape (C,), or None where channels of the
    node do not each have one number
    """
    if values.size == 1:
        return values.reshape(())
    if values.ndim == len(tensor.shape) + 1 and len(values) == 1:
        values = values[0]  # the axis of images
    channels, *plane_shape = draft.nodes[tensor.node].shape
    try:
        spread = np.broadcast_to(values, tensor.shape)
    except ValueError:
        return None
    owners = tensor.at // int(np.prod(plane_shape))
    found = np.zeros(channels)
    found[owners.ravel()] = spread.ravel()
    return found if np.array_equal(found[owners], spread) else None
