"""rearrange in exported graphs: whatever brings numbers to other places and computes nothing.

The exported operator itself is run on the places of the numbers; where they then lie is what the
tensor stands for.  Which of our operators make it is settled when something reads it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, shape_of
from escalate.capture.onnx_operator import Onnx, Value, axes_of
from escalate.capture.tensor import Tensor

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

RESHAPES = ("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "_unsafe_view")
MOVES = (
    *("chunk", "expand", "flip", "movedim", "narrow", "numpy_T", "permute", "repeat", "select"),
    *("slice", "split", "split_with_sizes", "swapaxes", "t", "transpose", "unbind", "mT", "roll"),
    *("channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "repeat_interleave", "index_select"),
    *("native_channel_shuffle", "upsample_nearest2d", "unsafe_split", "unsafe_chunk", "swapdims"),
    *("tensor_split", "expand_as", "view_as", "reshape_as", "tile", "hsplit", "vsplit", "rot90"),
)


def _reshaped(call: Call) -> Read:
    tensor = _operand(call)
    shape = shape_of(call.node)
    if tensor.view is not None or not shape or shape[0] != shape_of(_source(call))[0]:
        return _moved(call)
    return Tensor(tensor.node, shape[1:], tensor.stages)


def _source(call: Call) -> fx.Node:
    return next(iter(call.node.all_input_nodes))


def _operand(call: Call) -> Tensor:
    """The tensor that moves, the operator's first operand."""
    found = call.tensor(call.node.args[0])
    if found is None:
        call.fail("its operand is no tensor computed from the network's input")
    return found


def _moved(call: Call) -> Read:
    tensor = _operand(call)
    images = shape_of(_source(call))[0]
    whole = int(np.prod(call.draft.nodes[tensor.node].shape))

    def stand_in(node: fx.Node) -> Any:
        """The places; of another tensor, as in expand_as, only the shape matters."""
        other = call.tensor(node)
        return call.constants[node] if other is None else other.places(images, whole)

    arguments, keywords = fx.node.map_arg((call.node.args, call.node.kwargs), stand_in)
    try:
        found = call.node.target(*arguments, **keywords)  # type: ignore[operator]
    except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError) as error:
        call.fail((str(error).splitlines() or ["no message"])[0])
    if isinstance(found, torch.Tensor):
        return _seen(call, tensor, found, whole)
    return [_seen(call, tensor, each, whole) for each in found]


def _seen(call: Call, tensor: Tensor, places: torch.Tensor, whole: int) -> Tensor:
    """The tensor of which one sees these places."""
    array = places.numpy().astype(np.int64)
    images = shape_of(_source(call))[0]
    if not array.size:
        call.fail("leaves an empty tensor")
    if array.shape[:1] != (images,):
        call.fail(f"makes a tensor of shape {array.shape}, wanted {images} images first")
    view = array[0]
    if any(not np.array_equal(array[image], view + image * whole) for image in range(images)):
        call.fail("mixes images")
    straight = view.size == whole and np.array_equal(view.ravel(), np.arange(whole))
    return Tensor(tensor.node, view.shape, tensor.stages, None if straight else view)


def _onnx_reshape(step: "Step", values: Mapping[str, Value]) -> Value:
    image, sizes = step.tensor(values), step.integers(values, 1)
    if not sizes:
        step.fail("has no sizes")
    if step.get("allowzero", 0) == 0:
        if 0 in sizes[image.ndim :]:
            step.fail(f"sizes {sizes} keep an axis that the operand has not")
        sizes = [image.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    made_for, running = step.images
    if sizes[0] == made_for != running:
        sizes[0] = running  # a file exported for so many images takes others
    return image.reshape(sizes)


def _onnx_squeeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = axes_of(step, values), step.tensor(values)
    if axes is None:  # all of one element, but for that of the images
        axes = [axis for axis in range(1, image.ndim) if image.shape[axis] == 1]
    for axis in sorted((axis % image.ndim for axis in axes), reverse=True):
        if image.shape[axis] != 1:
            step.fail(f"axis {axis} has {image.shape[axis]} elements, wanted 1")
        image = image.squeeze(axis)
    return image


def _onnx_unsqueeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = axes_of(step, values), step.tensor(values)
    if not axes:
        step.fail("axes are missing")
    rank = image.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        image = image.unsqueeze(axis)
    return image


def _onnx_flatten(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    if step.get("axis", 1) % image.ndim != 1:
        step.fail(f"axis is {step.get('axis', 1)}, wanted 1, behind the images")
    return image.flatten(1)


def _onnx_slice(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    if "starts" in step.attributes:
        starts, stops = list(step.get("starts", ())), list(step.get("ends", ()))
        axes, strides = step.get("axes", None), None
    else:
        starts, stops = step.integers(values, 1) or [], step.integers(values, 2) or []
        axes, strides = step.integers(values, 3), step.integers(values, 4)
    axes = list(range(len(starts))) if axes is None else list(axes)
    strides = [1] * len(starts) if strides is None else strides
    if not len(starts) == len(stops) == len(axes) == len(strides) or min(strides, default=1) < 1:
        step.fail(f"starts {starts}, ends {stops}, axes {axes}, steps {strides} do not go together")
    for axis, start, stop, stride in zip(axes, starts, stops, strides, strict=True):
        index = [slice(None)] * image.ndim
        index[axis % image.ndim] = slice(start, stop, stride)
        image = image[tuple(index)]
    return image


def _onnx_transpose(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    return image.permute(step.get("perm", list(reversed(range(image.ndim)))))


def _onnx_split(step: "Step", values: Mapping[str, Value]) -> Value:
    image, axis = step.tensor(values), step.get("axis", 0)
    sizes = step.get("split", None)
    sizes = step.integers(values, 1) if sizes is None else list(sizes)
    if sizes is None:
        each = -(-image.shape[axis] // len(step.outputs))
        return image.split(each, axis)
    return image.split(sizes, axis)


def _onnx_gather(step: "Step", values: Mapping[str, Value]) -> Value:
    image, index, axis = step.tensor(values), step.constant(values, 1), step.get("axis", 0)
    if index.ndim > 1:
        step.fail(f"indices have {index.ndim} axes, wanted at most one")
    if not index.ndim:
        return image.select(axis, int(index))
    return image.index_select(axis, torch.from_numpy(index % image.shape[axis]))


def _onnx_depth_to_space(step: "Step", values: Mapping[str, Value]) -> Value:
    image, block = step.tensor(values), step.get("blocksize", 1)
    n, c, h, w = image.shape
    if step.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(image, block)
    spread = image.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return spread.reshape(n, c // block**2, h * block, w * block)


def _onnx_space_to_depth(step: "Step", values: Mapping[str, Value]) -> Value:
    image, block = step.tensor(values), step.get("blocksize", 1)
    n, c, h, w = image.shape
    spread = image.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return spread.reshape(n, c * block**2, h // block, w // block)


def _onnx_expand(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    return image.expand(torch.broadcast_shapes(image.shape, step.integers(values, 1) or []))


ATEN = {
    **dict.fromkeys(RESHAPES, Aten(_reshaped)),
    **dict.fromkeys(MOVES, Aten(_moved)),
}
AXES: rules.Rules = {"axes": rules.AXES}
SLICE: rules.Rules = {"starts": rules.POSITIONS, "ends": rules.POSITIONS, "axes": rules.AXES}
SPLIT: rules.Rules = {"axis": rules.AXIS, "split": rules.POSITIONS, "num_outputs": rules.ANYTHING}
BLOCK: rules.Rules = {"blocksize": rules.GROUPS}
ONNX = {
    "DepthToSpace": Onnx(
        _onnx_depth_to_space, (1, 1), {**BLOCK, "mode": rules.only("DCR", "CRD")}, ("blocksize",)
    ),
    "Expand": Onnx(_onnx_expand, (2, 2)),
    "Flatten": Onnx(_onnx_flatten, (1, 1), {"axis": rules.AXIS}),
    "Gather": Onnx(_onnx_gather, (2, 2), {"axis": rules.AXIS}),
    "Reshape": Onnx(_onnx_reshape, (2, 2), {"allowzero": rules.FLAG}),
    "Slice": Onnx(_onnx_slice, (1, 5), SLICE),
    "SpaceToDepth": Onnx(_onnx_space_to_depth, (1, 1), BLOCK, ("blocksize",)),
    "Split": Onnx(_onnx_split, (1, 2), SPLIT),
    "Squeeze": Onnx(_onnx_squeeze, (1, 2), AXES),
    "Transpose": Onnx(_onnx_transpose, (1, 1), {"perm": rules.POSITIONS}),
    "Unsqueeze": Onnx(_onnx_unsqueeze, (1, 2), AXES),
}
