"""answer: which of the tensors that a module answers with is the network's output."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from escalate.errors import CaptureError

ONLY = "output"  # the name of a tensor that is no part of a tuple, list or dict


def named(answer: object) -> list[tuple[str, Any]]:
    """Every leaf of nested tuples, lists and dicts by its place in them.

    Examples
    --------
    >>> named({"logits": 1, "maps": [2, {"low": 3}]})
    [('logits', 1), ('maps.0', 2), ('maps.1.low', 3)]
    """
    paths, _ = pytree.tree_flatten_with_path(answer)
    return [(".".join(map(_key, path)) or ONLY, leaf) for path, leaf in paths]


def _key(entry: Any) -> str:
    """A key of a dict, a place in a list, or the name of a field."""
    return str(next(getattr(entry, n) for n in ("key", "idx", "name") if hasattr(entry, n)))


def only_tensor(answer: object, name: str, output: str | None = None) -> torch.Tensor:
    """The tensor of that name that a module answers with, or the only one.

    Raises
    ------
    CaptureError
        If there is none, or several and no name; lists the names.

    Examples
    --------
    >>> only_tensor({"out": torch.ones(2)}, "net")
    tensor([1., 1.])
    >>> only_tensor((torch.ones(1), torch.zeros(1)), "net", "1")
    tensor([0.])
    """
    found = [(place, leaf) for place, leaf in named(answer) if isinstance(leaf, torch.Tensor)]
    return found[position([place for place, _ in found], name, output)][1]


def answer_node(
    program: torch.export.ExportedProgram, name: str, output: str | None = None
) -> fx.Node:
    """The node of that tensor in an exported graph; parameters and errors as ``only_tensor``."""
    results: Any = program.graph.output_node().args[0]
    places = pytree.tree_unflatten(range(len(results)), program.call_spec.out_spec)
    found = [(place, results[n]) for place, n in named(places) if isinstance(results[n], fx.Node)]
    return found[position([place for place, _ in found], name, output)][1]


def position(names: Sequence[str], name: str, output: str | None) -> int:
    """The place of the wanted output among those there are.

    Raises
    ------
    CaptureError
        If that is not exactly one; lists the names.

    Examples
    --------
    >>> position(["logits", "aux"], "net", None)
    Traceback (most recent call last):
    escalate.errors.CaptureError: net: returns 2 tensors, wanted one: --output logits or aux
    """
    if not names:
        raise CaptureError(f"{name}: returns no tensor")
    listed = " or ".join(names)
    if output is None:
        if len(names) > 1:
            raise CaptureError(
                f"{name}: returns {len(names)} tensors, wanted one: --output {listed}"
            )
        return 0
    if output not in names:
        raise CaptureError(f"{name}: returns no {output}, wanted --output {listed}")
    return names.index(output)
