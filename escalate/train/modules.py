"""GraphModule: a network's graph as a torch module, in floats or on the integers' grids."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn
from torch.nn import functional

from escalate.capture.network import FloatNetwork
from escalate.errors import DecompositionError
from escalate.train.activation_range import OWNERS, Range, tensor_ranges
from escalate.train.convolutions import Convolution, FloatConvolution
from escalate.train.straight_through import fake_quantize, round_to_step
from workloads.graph import Graph, Node

Observer = Callable[[str, torch.Tensor], None]


class GraphModule(nn.Module):
    """Interpreter of a Graph.

    Parameters
    ----------
    graph : Graph
    convolutions : one Convolution per conv node
    ranges : None for exact activations, else a Range per tensor that has its own (see
        ``activation_range.owner``); every such tensor is then rounded and clamped as the integer
        model will do it.  Inputs are expected on the grid of the input's range already.

    Raises
    ------
    DecompositionError
        If a convolution or a range is missing.
    """

    def __init__(
        self,
        graph: Graph,
        convolutions: Mapping[str, Convolution],
        ranges: Mapping[str, Range] | None = None,
    ) -> None:
        super().__init__()
        for node in graph.convs:
            if node.name not in convolutions:
                raise DecompositionError(f"{node.name}: the convolution has no module")
        self.graph = graph
        self.ranges = None if ranges is None else dict(ranges)
        self.tensor_ranges = None if ranges is None else tensor_ranges(graph, ranges)
        self._positions = {node.name: i for i, node in enumerate(graph.convs)}
        self._modules_in_order = nn.ModuleList(convolutions[node.name] for node in graph.convs)

    def convolution(self, name: str) -> Convolution:
        """The module of the convolution ``name``."""
        module = self._modules_in_order[self._positions[name]]
        assert isinstance(module, Convolution)
        return module

    def with_ranges(self, ranges: Mapping[str, Range] | None) -> "GraphModule":
        """The same convolutions (shared, not copied) under other ranges."""
        convolutions = {node.name: self.convolution(node.name) for node in self.graph.convs}
        return GraphModule(self.graph, convolutions, ranges)

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """Logits, shape (N, classes), of float images of shape (N, C, H, W).

        ``observe`` is called with name and value of every tensor that has its own range, after
        its activation function and before its rounding.
        """
        ((_, _, logits),) = deque(self.walk(images, observe), maxlen=1)
        return logits.flatten(1)

    def walk(
        self, images: torch.Tensor, observe: Observer | None = None
    ) -> Iterator[tuple[Node, list[torch.Tensor], torch.Tensor]]:
        """Every node behind the input, what it reads and what it makes, in execution order.

        A tensor is let go behind its last reader.
        """
        last_readers = {name: node.name for node in self.graph.nodes for name in node.inputs}
        values = {self.graph.nodes[0].name: images}
        for node in self.graph.nodes[1:]:
            operands = [values[name] for name in node.inputs]
            values[node.name] = self.run_node(node, operands, observe)
            yield node, operands, values[node.name]
            for name in set(node.inputs):
                if last_readers[name] == node.name:
                    del values[name]

    def run_node(
        self, node: Node, operands: list[torch.Tensor], observe: Observer | None = None
    ) -> torch.Tensor:
        """The output of one node, float (N, C, H, W), from the tensors it reads."""
        span = self.tensor_ranges[node.name] if self.tensor_ranges is not None else None
        if span is not None and node.op in ("add", "concat"):
            step = torch.tensor(span.scale)
            operands = [round_to_step(operand, step) for operand in operands]
        if node.op == "conv":
            spans = self.tensor_ranges
            input_step = None if spans is None else spans[node.inputs[0]].scale
            value = self.convolution(node.name)(operands[0], input_step)
        else:
            value = OPERATORS[node.op](node, operands)
        return self.activated(node, value, observe)

    def activated(
        self, node: Node, value: torch.Tensor, observe: Observer | None = None
    ) -> torch.Tensor:
        """The value of a node behind its activation function and its rounding."""
        span = self.tensor_ranges[node.name] if self.tensor_ranges is not None else None
        if span is not None and node.op in OWNERS and observe is None:
            return fake_quantize(value, span, relu=node.relu, maximum=node.maximum)
        if node.relu or node.op == "relu":
            value = functional.relu(value)
        if node.op == "relu" and span is not None:
            return value.clamp(max=span.limit)  # a ReLU6 ends on the grid, near 6
        if node.maximum is not None:
            value = value.clamp(max=node.maximum)
        if node.op not in OWNERS:
            return value
        if observe is not None:
            observe(node.name, value)
        return value if span is None else fake_quantize(value, span)


def float_module(network: FloatNetwork) -> GraphModule:
    """The network as it came, in floats."""
    convolutions = {}
    for node in network.graph.convs:
        assert node.layer is not None
        convolutions[node.name] = FloatConvolution(
            node.layer, network.weights[node.name], network.biases[node.name]
        )
    return GraphModule(network.graph, convolutions)


def _padded(node: Node, values: torch.Tensor, fill: float) -> torch.Tensor:
    top, bottom, left, right = node.attributes["padding"]
    if not (top or bottom or left or right):
        return values
    return functional.pad(values, (left, right, top, bottom), value=fill)


def _max_pool(node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    kernel, stride = node.attributes["kernel"], node.attributes["stride"]
    padded = _padded(node, operands[0], float("-inf"))
    return functional.max_pool2d(padded, tuple(kernel), tuple(stride))


def _avg_pool(node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    kernel, stride = node.attributes["kernel"], node.attributes["stride"]
    return functional.avg_pool2d(_padded(node, operands[0], 0.0), tuple(kernel), tuple(stride))


def _slice(node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    start, stop, step = (node.attributes[field] for field in ("start", "stop", "step"))
    index = [slice(None)] * 4
    index[node.attributes["axis"]] = slice(start, stop, step)
    return operands[0][tuple(index)]


def _pad(node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    before, after, top, bottom, left, right = node.attributes["padding"]
    return functional.pad(operands[0], (left, right, top, bottom, before, after))


OPERATORS: Mapping[str, Callable[[Node, list[torch.Tensor]], torch.Tensor]] = {
    "add": lambda node, operands: operands[0] + operands[1],
    "concat": lambda node, operands: torch.cat(operands, dim=1),
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "relu": lambda node, operands: operands[0],
    "slice": _slice,
    "pad": _pad,
    "flatten": lambda node, operands: operands[0].flatten(1)[:, :, None, None],
}
