"""Draft: a graph under construction while a module is captured, in float64."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from escalate.capture.codes import Codes
from escalate.capture.fold import fold
from escalate.capture.network import FloatNetwork
from escalate.errors import CaptureError
from workloads.check_node import check_node
from workloads.errors import WorkloadError
from workloads.graph import Graph, Node
from workloads.layer import ConvLayer

LARGEST_CODE = 127.5  # rounds to 127, the largest weight


@dataclass(slots=True)
class Draft:
    """Nodes so far, by name and in execution order, and the folded arrays of the convolutions.

    ``constants`` are the further operands of nodes that have some, float64 of shape (C,), and
    ``made`` says which node was made of what, so that it is made once.
    ``steps`` are those of weights that a file holds as integers, float64 (K,), ``codes`` how it
    holds what nodes make; ``module_steps`` are the same by the parameter's name in the module.
    ``notes`` tell what was left out, ``left_out`` says whether that was at the end, ``lowest``
    holds the pads of what is below every number.
    ``counted`` names the parameters of which ``parameters`` knows.
    ``parameters`` counts what the module stores for these nodes, before any folding,
    ``linear_parameters`` the part of fully connected layers.
    """

    name: str
    nodes: dict[str, Node] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    steps: dict[str, np.ndarray] = field(default_factory=dict)
    codes: dict[str, Codes] = field(default_factory=dict)
    module_steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    made: dict[Hashable, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: bool = False
    lowest: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    parameters: int = 0
    linear_parameters: int = 0

    def fresh(self, wanted: str) -> str:
        """A node name that is not taken yet: ``wanted``, or ``wanted_2`` and so on.

        Examples
        --------
        >>> draft = Draft("net")
        >>> draft.add("image", "input", (), (1, 1, 1)), draft.fresh("image")
        ('image', 'image_2')
        """
        name, count = wanted, 1
        while name in self.nodes:
            count += 1
            name = f"{wanted}_{count}"
        return name

    def add(
        self,
        wanted: str,
        op: str,
        inputs: tuple[str, ...],
        shape: tuple[int, int, int],
        attributes: Mapping[str, Any] | None = None,
        constants: tuple[np.ndarray, ...] = (),
    ) -> str:
        """Append an operator that no machine computes and return its name.

        Raises
        ------
        CaptureError
            If the operator does not make ``shape`` of its operands.
        """
        name = self.fresh(wanted)
        node = Node(name, op, inputs, shape, attributes=attributes or {})
        try:
            check_node(node, [self.nodes[each].shape for each in inputs])
        except WorkloadError as error:
            raise CaptureError(f"{self.name}: {error}") from error
        self.nodes[name] = node
        if constants:
            self.constants[name] = constants
        return name

    def add_conv(
        self,
        layer: ConvLayer,
        source: str,
        weights: np.ndarray,
        biases: np.ndarray,
        steps: np.ndarray | None = None,
    ) -> str:
        """Append a convolution with float64 weights (K, C/groups, R, S), biases and steps (K,)."""
        name = layer.name
        self.nodes[name] = Node(name, "conv", (source,), (layer.K, layer.P, layer.Q), layer)
        self.weights[name], self.biases[name] = weights, biases
        if steps is not None:
            self.steps[name] = steps
        return name

    def scale_conv(self, name: str, factor: np.ndarray, offset: np.ndarray) -> None:
        """Fold ``y * factor[k] + offset[k]`` into the convolution ``name``."""
        self.weights[name] = self.weights[name] * factor[:, None, None, None]
        self.biases[name] = self.biases[name] * factor + offset
        if name in self.steps:
            self.steps[name] = self.steps[name] * np.abs(factor)

    def ranged(self, name: str, codes: Codes) -> None:
        """Say that a node's tensor lies on a grid; of several the one that reaches furthest."""
        before = self.codes.get(name, codes)
        furthest = max((before, codes), key=lambda each: each.scale * each.highest)
        if before != codes:
            self.notes += (f"{name} has several ranges in the file; the widest is taken",)
        self.codes[name] = furthest

    def codes_behind(self, name: str) -> Codes | None:
        """The codes of a node, or of what it has its numbers from without computing any."""
        while name not in self.codes and not self.nodes[name].operator.owns_range:
            name = self.nodes[name].inputs[0]
        return self.codes.get(name)

    def fuse(self, name: str, maximum: float | None) -> None:
        """Put a ReLU, clipped at ``maximum`` if there is one, behind the operator ``name``."""
        node = self.nodes[name]
        limits = [value for value in (node.maximum, maximum) if value is not None]
        self.nodes[name] = replace(node, relu=True, maximum=min(limits, default=None))

    def drop(self, name: str) -> None:
        """Take a node out, with its constants; a convolution's arrays go with it."""
        del self.nodes[name]
        for arrays in (self.constants, self.weights, self.biases, self.steps, self.codes):
            arrays.pop(name, None)

    def finish(self, output: str) -> FloatNetwork:
        """The network whose result is the node ``output``, arrays rounded to float32 once."""
        if len(self.nodes) < 2:
            raise CaptureError(f"{self.name}: the module returns its input; there is no operator")
        output = fold(self, output)
        for name in self.lowest.intersection(self.nodes):
            raise CaptureError(f"{self.name}: {name}: pads with -inf what no max pool reads")
        nodes = self._ordered(output)
        assert output == nodes[-1].name
        self._drop_wide_steps()
        return FloatNetwork(
            Graph(self.name, nodes),
            {name: _rounded(array) for name, array in self.weights.items()},
            {name: _rounded(array) for name, array in self.biases.items()},
            self.parameters,
            self.linear_parameters,
            {name: tuple(map(_rounded, each)) for name, each in self.constants.items()},
            self.notes,
            self.left_out,
            {name: _rounded(array) for name, array in self.steps.items()},
            self._owned_codes(),
        )

    def _drop_wide_steps(self) -> None:
        """Forget the steps of weights that go beyond -127..127; they are rounded again."""
        for name, steps in list(self.steps.items()):
            reach = np.abs(self.weights[name]).max(axis=(1, 2, 3))
            if (reach > LARGEST_CODE * steps).any():
                del self.steps[name]
                self.notes += (f"{name}: weights beyond -127..127 in the file, rounded again",)

    def _owned_codes(self) -> dict[str, Codes]:
        """The codes of the nodes that have a range of their own, which others pass on."""
        found: dict[str, Codes] = {}
        for name, codes in self.codes.items():
            node = self.nodes[name]
            while not node.operator.owns_range:
                node = self.nodes[node.inputs[0]]
            if node.name == name or node.name not in self.codes:
                found[node.name] = codes
        return found

    def _ordered(self, output: str) -> tuple[Node, ...]:
        """The nodes, slices and pads (what runs early) moved up to right behind their operand.

        So a shortcut made of them is there when the convolution in front of its addition runs.
        """
        names: list[str] = []
        for node in self.nodes.values():
            early = node.operator.runs_early and node.name != output
            place = names.index(node.inputs[0]) + 1 if early else len(names)
            names.insert(place, node.name)
        return tuple(self.nodes[name] for name in names)


def _rounded(array: np.ndarray) -> np.ndarray:
    """In float32; what is too large for it becomes infinite, which the network refuses."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
