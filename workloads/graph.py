"""Graph: a network as an ordered list of named operators; the same one for floats and integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, get_args

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.network import Handover

Op = Literal[
    "input", "conv", "add", "concat", "max_pool", "avg_pool", "relu", "slice", "pad", "flatten"
]
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Node:
    """One operator.  ``shape`` is its output (C, H, W) for one image.

    Attributes by operator (all JSON values):

    ========= ===============================================================================
    conv      ``layer`` set; fully connected layers are 1x1 convolutions behind a flatten
    max_pool  ``kernel`` [h, w], ``stride`` [h, w], ``padding`` [top, bottom, left, right]
    avg_pool  as max_pool; padded zeros count in the mean
    slice     ``axis`` 1..3 of (N, C, H, W), ``start``, ``stop``, ``step``
    pad       ``padding`` [c_before, c_after, top, bottom, left, right], zeros
    flatten   (C, H, W) to (C*H*W, 1, 1)
    relu      one that could not be fused into its producer
    ========= ===============================================================================

    ``relu`` (bool) and ``maximum`` (6.0 for ReLU6, else None) on conv, add, concat, avg_pool and
    relu state the activation fused behind the operator.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]
    layer: ConvLayer | None = None
    relu: bool = False
    maximum: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in execution order: the first is the input, the last the output.

    Raises
    ------
    WorkloadError
        If a name repeats, an operand is missing or comes later, or a conv has no layer.
    """

    name: str
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for position, node in enumerate(self.nodes):
            if node.op not in get_args(Op):
                raise WorkloadError(f"{self.name}: {node.name}: unknown operator {node.op!r}")
            if (node.op == "input") != (position == 0):
                raise WorkloadError(f"{self.name}: wanted exactly one input, as the first node")
            if node.name in seen:
                raise WorkloadError(f"{self.name}: node name {node.name!r} appears twice")
            for operand in node.inputs:
                if operand not in seen:
                    raise WorkloadError(
                        f"{self.name}: {node.name} reads {operand!r}, which no earlier node makes"
                    )
            if (node.op == "conv") != (node.layer is not None):
                raise WorkloadError(f"{self.name}: {node.name}: layer and operator disagree")
            seen.add(node.name)
        if len(self.nodes) < 2:
            raise WorkloadError(f"{self.name}: wanted an input and at least one operator")

    def __getitem__(self, name: str) -> Node:
        """The node of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def convs(self) -> tuple[Node, ...]:
        """The convolutions, in execution order."""
        return tuple(node for node in self.nodes if node.op == "conv")

    @property
    def layers(self) -> tuple[ConvLayer, ...]:
        """The convolutions' shapes, in execution order."""
        return tuple(node.layer for node in self.nodes if node.layer is not None)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read ``name``."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def producers(self, name: str) -> tuple[str, ...]:
        """The convolutions whose outputs, side by side, are the tensor ``name``.

        An addition keeps the layout of its first operand; pooling and slicing of rows keep it;
        padding or slicing of channels, and the network's input, have no producer.
        """
        node = self[name]
        if node.op == "conv":
            return (name,)
        if node.op == "concat":
            parts = [self.producers(operand) for operand in node.inputs]
            return tuple(p for part in parts for p in part) if all(parts) else ()
        if node.op == "input" or (
            node.op == "flatten" and self[node.inputs[0]].shape[1:] != (1, 1)
        ):
            return ()
        if node.op in ("pad", "slice") and node.shape[0] != self[node.inputs[0]].shape[0]:
            return ()
        return self.producers(node.inputs[0])

    def readers(self, name: str) -> frozenset[str]:
        """The convolutions that read ``name``, directly or through other operators.

        The output's name stands for whoever uses the network.
        """
        found: set[str] = set()
        waiting, seen = [name], {name}
        while waiting:
            here = waiting.pop()
            if here == self.output.name:
                found.add(here)
            for node in self.consumers(here):
                if node.op == "conv":
                    found.add(node.name)
                elif node.name not in seen:
                    seen.add(node.name)
                    waiting.append(node.name)
        return frozenset(found)

    @property
    def handovers(self) -> dict[str, Handover]:
        """By convolution, those whose output is all that the next convolution reads."""
        found = {}
        for conv, after in pairwise(self.convs):
            if self.producers(after.inputs[0]) == (conv.name,):
                others = self.readers(conv.name) != {after.name}
                found[conv.name] = Handover(after.name, others)
        return found
