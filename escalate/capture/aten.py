"""aten: one ATen operator of an exported graph, as those see it that add it to ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import fx

from escalate.capture.draft import Draft
from escalate.capture.movement import Plane
from escalate.capture.realize import realize
from escalate.capture.tensor import Tensor, plane
from escalate.errors import CaptureError

State = Mapping[str, tuple[str, torch.Tensor]]
Read = str | Tensor | list[Tensor]


@dataclass(slots=True)
class Call:
    """One operator of the exported graph, as its handler sees it.

    ``arguments`` are by the schema's names, ``values`` maps exported tensors to what they stand
    for, ``constants`` those that depend on no image to their numbers, ``state`` maps placeholders
    to (name in the module, tensor), ``path`` is the module's path with the operator's own name.
    """

    node: fx.Node
    operator: str
    path: str
    arguments: dict[str, Any]
    draft: Draft
    values: Mapping[fx.Node, Read]
    constants: Mapping[fx.Node, torch.Tensor]
    state: State

    def fail(self, problem: str) -> NoReturn:
        """Raise CaptureError with the operator and its place."""
        raise CaptureError(
            f"{self.draft.name}: {self.operator} at {self.path} (node {self.node.name}): {problem}"
        )

    def add(
        self,
        op: str,
        operands: tuple[str, ...],
        attributes: Mapping[str, Any] | None = None,
        constants: tuple[np.ndarray, ...] = (),
        shape: Plane | None = None,
    ) -> str:
        """Add a node of the graph's operator ``op``, of the exported tensor's shape by default."""
        shape = plane_of(self, self.node) if shape is None else shape
        return self.draft.add(self.path, op, operands, shape, attributes, constants)

    def operand(self, argument: str = "self") -> Tensor:
        """The tensor ``argument``, computed from the network's input."""
        found = self.tensor(self.arguments[argument])
        if found is None:
            self.fail(f"{argument} is no tensor computed from the network's input")
        return found

    def tensor(self, value: Any) -> Tensor | None:
        """What an exported tensor stands for; None for anything else."""
        found = self.values.get(value) if isinstance(value, fx.Node) else None
        return found if isinstance(found, Tensor) else None

    def source(self, argument: str = "self") -> str:
        """The graph node that makes the tensor ``argument`` as (C, H, W)."""
        return self.made(self.operand(argument))

    def made(self, tensor: Tensor) -> str:
        """The graph node that makes a tensor as (C, H, W)."""
        try:
            return realize(self.draft, tensor, self.path)
        except CaptureError as error:
            self.fail(str(error))

    def constant(self, value: Any) -> np.ndarray | None:
        """A number or a tensor that depends on no image, float64; None for anything else."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return np.array(value, np.float64)
        found = self.constants.get(value) if isinstance(value, fx.Node) else None
        if found is None:
            return None
        array: np.ndarray = found.detach().to("cpu", torch.float64).numpy()
        return array

    def require_planes(self, argument: str = "self") -> None:
        """Refuse a tensor that is not (N, C, H, W)."""
        shape = shape_of(self.arguments[argument])
        if len(shape) != 4:
            self.fail(f"a tensor of shape {shape}, wanted (N, C, H, W)")

    def parameter(self, argument: str) -> np.ndarray | None:
        """The module's own tensor in float64, or None where the argument is None."""
        value = self.arguments[argument]
        if value is None:
            return None
        found = self.constant(value)
        if found is None:
            self.fail(f"{argument} is computed from the image, wanted a parameter of the module")
        return found

    def count(self, *arguments: str, linear: bool = False) -> None:
        """Count the numbers of parameters, each once however often it is used."""
        for argument in arguments:
            value = self.arguments[argument]
            if value is None:
                continue
            if value.name in self.draft.counted:
                name = self.state[value.name][0] if value.name in self.state else value.name
                self.draft.notes += (f"{name} is used again, and stored again",)
            else:
                self.draft.counted.add(value.name)
                size = self.constants[value].numel()
                self.draft.parameters += size
                self.draft.linear_parameters += size if linear else 0

    def count_beside(self, value: fx.Node) -> None:
        """Count the parameters that a constant beside a tensor is made of, such as its scales."""
        waiting = [value]
        while waiting:
            node = waiting.pop()
            _, tensor = self.state.get(node.name, ("", None))
            if isinstance(tensor, torch.nn.Parameter) and node.name not in self.draft.counted:
                self.draft.counted.add(node.name)
                self.draft.parameters += tensor.numel()
            waiting.extend(node.all_input_nodes)

    def steps(self, argument: str) -> np.ndarray | None:
        """The steps of a parameter that a file holds as integers, float64 (K,); None for others."""
        name, _ = self.state.get(self.arguments[argument].name, ("", None))
        return self.draft.module_steps.get(name)

    def parameter_path(self, argument: str) -> str:
        """Path of the module that holds the parameter, '' for the captured module itself."""
        name = self.arguments[argument].name
        return self.state[name][0].rpartition(".")[0] if name in self.state else self.path


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of an exported tensor, batch first; () for no single tensor or unknown sizes."""
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return shape if all(isinstance(size, int) for size in shape) else ()


def plane_of(call: Call, node: fx.Node) -> tuple[int, int, int]:
    """Shape (C, H, W) of one image's part of an exported tensor (N, C), (N, C, W) or 4-D."""
    shape = shape_of(node)
    found = plane(shape[1:]) if shape else None
    if found is None:
        call.fail(f"a tensor of shape {shape}, wanted (N, C, H, W), (N, C, W) or (N, C)")
    return found


def pair_of(value: Any) -> tuple[int, int]:
    """A number for rows and one for columns, of one for both or of both."""
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return (pair[0], pair[0]) if len(pair) == 1 else (pair[0], pair[1])


@dataclass(frozen=True, slots=True)
class Aten:
    """How an ATen operator is read.

    Parameters
    ----------
    read : adds what it means to the graph and returns what its tensor stands for: the node that
        makes it, a Tensor, or a list of them where the operator makes several
    """

    read: Callable[[Call], Read]
