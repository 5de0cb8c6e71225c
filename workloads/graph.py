"""Graph: a network as an ordered list of named operators, used for floats and for integers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.network import Handover
from workloads.operator import Operator
from workloads.operators import NAMES, operator

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Node:
    """One operator and the tensor that it makes.

    Parameters
    ----------
    name : of the node and of its tensor
    op : the operator, a file in ``workloads/operators``, which says what it means
    inputs : names of the nodes that it reads
    shape : of the output, (C, H, W) for one image
    layer : where a machine computes it; fully connected layers are 1x1 convolutions
    relu, maximum : the activation fused behind it, where the operator clamps; ``maximum`` is 6.0
        for ReLU6, else None
    attributes : what the operator asks for, JSON values
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]
    layer: ConvLayer | None = None
    relu: bool = False
    maximum: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @property
    def operator(self) -> Operator:
        """The operator object of the node's kind."""
        return operator(self.op)


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
            if node.op not in NAMES:
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
            if node.operator.has_layer != (node.layer is not None):
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
        return tuple(node for node in self.nodes if node.layer is not None)

    @property
    def layers(self) -> tuple[ConvLayer, ...]:
        """The convolutions' shapes, in execution order."""
        return tuple(node.layer for node in self.nodes if node.layer is not None)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def consumers(self, name: str) -> tuple[Node, ...]:
        """Nodes that read the output of ``name``."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def producers(self, name: str) -> tuple[str, ...]:
        """The convolutions whose outputs, side by side, make the tensor ``name``.

        An addition keeps the layout of its first operand; pooling and slicing of rows keep it;
        padding or slicing of channels, and the network's input, have no producer.
        """
        node = self[name]
        if node.layer is not None:
            return (name,)
        channels = [self[operand].shape[0] for operand in node.inputs]
        sources = node.operator.sources(node, channels)
        if sources is None:
            return ()
        for count in (1, len(channels)):
            if np.array_equal(sources[:, 0], np.arange(sum(channels[:count]))):
                parts = [self.producers(operand) for operand in node.inputs[:count]]
                return tuple(p for part in parts for p in part) if all(parts) else ()
        return ()

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
                if node.layer is not None:
                    found.add(node.name)
                elif node.name not in seen:
                    seen.add(node.name)
                    waiting.append(node.name)
        return frozenset(found)

    @property
    def handovers(self) -> dict[str, Handover]:
        """Each convolution whose output is all that the next convolution reads, by name."""
        found = {}
        for conv, after in pairwise(self.convs):
            if self.producers(after.inputs[0]) == (conv.name,):
                others = self.readers(conv.name) != {after.name}
                found[conv.name] = Handover(after.name, others)
        return found
