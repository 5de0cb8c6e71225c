"""aten: one ATen operator of an exported graph, as those see it that add it to ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import fx

from escalate.capture.draft import Draft
from escalate.errors import CaptureError

State = Mapping[str, tuple[str, torch.Tensor]]


@dataclass(slots=True)
class Call:
    """One operator of the exported graph, as its handler sees it.

    ``arguments`` are by the schema's names, ``values`` maps exported tensors to graph nodes,
    ``state`` maps placeholders to (name in the module, tensor), ``path`` is the module's path
    with the operator's own name, ``live`` holds the exported nodes that the output needs.
    """

    node: fx.Node
    operator: str
    path: str
    arguments: dict[str, Any]
    draft: Draft
    values: Mapping[fx.Node, str]
    state: State
    live: frozenset[fx.Node]

    def fail(self, problem: str) -> NoReturn:
        """Raise CaptureError with the operator and its place."""
        raise CaptureError(
            f"{self.draft.name}: {self.operator} at {self.path} (node {self.node.name}): {problem}"
        )

    def add(
        self, op: str, operands: tuple[str, ...], attributes: Mapping[str, Any] | None = None
    ) -> str:
        """Add a node of the graph's operator ``op``, of the exported tensor's shape."""
        return self.draft.add(self.path, op, operands, plane_of(self, self.node), attributes)

    def source(self, argument: str = "self") -> str:
        """The graph node that makes the tensor ``argument``."""
        value = self.arguments[argument]
        if not isinstance(value, fx.Node) or value not in self.values:
            self.fail(f"{argument} is no tensor computed from the network's input")
        return self.values[value]

    def require_planes(self, argument: str = "self") -> None:
        """Refuse a tensor that is not (N, C, H, W)."""
        shape = shape_of(self.arguments[argument])
        if len(shape) != 4:
            self.fail(f"a tensor of shape {shape}, wanted (N, C, H, W)")

    def is_sole_reader(self, argument: str = "self") -> bool:
        """Whether this operator alone reads the tensor ``argument``."""
        return self.live.intersection(self.arguments[argument].users) == {self.node}

    def parameter(self, argument: str) -> np.ndarray | None:
        """The module's own tensor in float64, or None where the argument is None."""
        value = self.arguments[argument]
        if value is None:
            return None
        if not isinstance(value, fx.Node) or value.name not in self.state:
            self.fail(f"{argument} is computed, wanted a parameter of the module")
        name, tensor = self.state[value.name]
        if len(self.live.intersection(value.users)) > 1:
            self.fail(f"the parameter {name} is used twice")
        array: np.ndarray = tensor.detach().to("cpu", torch.float64).numpy()
        return array

    def parameter_path(self, argument: str) -> str:
        """Path of the module that holds the parameter, '' for the captured module itself."""
        return self.state[self.arguments[argument].name][0].rpartition(".")[0]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of an exported tensor, batch first; () for no single tensor or unknown sizes."""
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return shape if all(isinstance(size, int) for size in shape) else ()


def plane_of(call: Call, node: fx.Node) -> tuple[int, int, int]:
    """Shape (C, H, W) of one image's part of an exported tensor (N, C), (N, C, 1) or 4-D."""
    shape = shape_of(node)
    if len(shape) not in (2, 4) and not (len(shape) == 3 and shape[2] == 1):
        call.fail(f"a tensor of shape {shape}, wanted (N, C, H, W) or (N, C)")
    _, channels, rows, columns = (*shape, 1, 1)[:4]
    return channels, rows, columns


def pair_of(value: Any) -> tuple[int, int]:
    """A number for rows and one for columns, of one for both or of both."""
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return (pair[0], pair[0]) if len(pair) == 1 else (pair[0], pair[1])


@dataclass(frozen=True, slots=True)
class Aten:
    """How an ATen operator is read.

    Parameters
    ----------
    read : adds what it means to the graph and returns the node that makes its tensor
    arranges : it only arranges numbers, so that it changes nothing where the shape stays
    """

    read: Callable[[Call], str]
    arranges: bool = False
