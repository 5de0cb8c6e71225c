"""GraphModule: a network's graph as a torch module, in floats or on the integers' grids."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from escalate.capture.network import FloatNetwork
from escalate.errors import DecompositionError
from escalate.train.activation_range import Range, tensor_ranges
from escalate.train.convolutions import Convolution, FloatConvolution
from escalate.train.straight_through import fake_quantize, round_to_step
from workloads.graph import Graph, Node

Observer = Callable[[str, torch.Tensor], None]
Run = Callable[[Node, list[torch.Tensor], Observer | None], torch.Tensor]


class GraphModule(nn.Module):
    """Interpreter of a Graph.

    Parameters
    ----------
    graph : Graph
    convolutions : one Convolution per conv node
    ranges : None for exact activations, else a Range per tensor that has its own (see
        ``activation_range.owner``); every such tensor is then rounded and clamped as the integer
        model will do it.  Inputs are expected on the grid of the input's range already.
    constants : further operands of nodes that have some, see ``FloatNetwork``

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
        constants: Mapping[str, Sequence[torch.Tensor]] | None = None,
    ) -> None:
        super().__init__()
        for node in graph.convs:
            if node.name not in convolutions:
                raise DecompositionError(f"{node.name}: the convolution has no module")
        self.graph = graph
        self.ranges = None if ranges is None else dict(ranges)
        self.tensor_ranges = None if ranges is None else tensor_ranges(graph, ranges)
        self._positions = {node.name: i for i, node in enumerate(graph.convs)}
        self._constants: dict[str, list[str]] = {}
        for place, (name, tensors) in enumerate((constants or {}).items()):
            self._constants[name] = [f"constant_{place}_{i}" for i in range(len(tensors))]
            for field, tensor in zip(self._constants[name], tensors, strict=True):
                self.register_buffer(field, tensor)
        self._modules_in_order = nn.ModuleList(convolutions[node.name] for node in graph.convs)

    def convolution(self, name: str) -> Convolution:
        """The module of the convolution ``name``."""
        module = self._modules_in_order[self._positions[name]]
        assert isinstance(module, Convolution)
        return module

    def with_ranges(self, ranges: Mapping[str, Range] | None) -> "GraphModule":
        """The same convolutions (shared, not copied) under other ranges."""
        convolutions = {node.name: self.convolution(node.name) for node in self.graph.convs}
        constants = {name: self.constants_of(name) for name in self._constants}
        return GraphModule(self.graph, convolutions, ranges, constants)

    def constants_of(self, name: str) -> list[torch.Tensor]:
        """The further operands of a node."""
        return [self.get_buffer(field) for field in self._constants.get(name, ())]

    def forward(self, images: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """Logits, shape (N, classes), of float images of shape (N, C, H, W).

        ``observe`` is called with name and value of every tensor that has its own range, after
        its activation function and before its rounding.
        """
        ((_, _, logits),) = deque(self.walk(images, observe), maxlen=1)
        return logits.flatten(1)

    def walk(
        self, images: torch.Tensor, observe: Observer | None = None, run: Run | None = None
    ) -> Iterator[tuple[Node, list[torch.Tensor], torch.Tensor]]:
        """Every node behind the input, what it reads and what it makes, in execution order.

        ``run`` computes a node instead of ``run_node``.  A tensor is let go behind its last reader.
        """
        run = run or self.run_node
        last_readers = {name: node.name for node in self.graph.nodes for name in node.inputs}
        values = {self.graph.nodes[0].name: images}
        for node in self.graph.nodes[1:]:
            operands = [values[name] for name in node.inputs]
            values[node.name] = run(node, operands, observe)
            yield node, operands, values[node.name]
            for name in set(node.inputs):
                if last_readers[name] == node.name:
                    del values[name]

    def run_node(
        self, node: Node, operands: list[torch.Tensor], observe: Observer | None = None
    ) -> torch.Tensor:
        """The output of one node, float (N, C, H, W), from the tensors it reads."""
        span = self.tensor_ranges[node.name] if self.tensor_ranges is not None else None
        if span is not None and node.operator.rounds_operands:
            step = torch.tensor(span.scale)
            operands = [round_to_step(operand, step) for operand in operands]
        if node.layer is not None:
            spans = self.tensor_ranges
            input_step = None if spans is None else spans[node.inputs[0]].scale
            value = self.convolution(node.name)(operands[0], input_step)
        else:
            value = node.operator.floats(node, [*operands, *self.constants_of(node.name)])
        return self.activated(node, value, observe)

    def activated(
        self, node: Node, value: torch.Tensor, observe: Observer | None = None
    ) -> torch.Tensor:
        """The value of a node behind its activation function and its rounding."""
        span = self.tensor_ranges[node.name] if self.tensor_ranges is not None else None
        operator = node.operator
        if span is not None and operator.owns_range and observe is None:
            return fake_quantize(value, span, relu=node.relu, maximum=node.maximum)
        if operator.rectifies(node):
            value = functional.relu(value)
        if operator.clamps and not operator.owns_range and span is not None:
            return value.clamp(max=span.limit)  # a ReLU6 ends on the grid, near 6
        if node.maximum is not None:
            value = value.clamp(max=node.maximum)
        if not operator.owns_range:
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
    return GraphModule(network.graph, convolutions, constants=constant_tensors(network))


def constant_tensors(network: FloatNetwork) -> dict[str, list[torch.Tensor]]:
    """The further operands of its nodes."""
    return {
        name: [torch.from_numpy(each) for each in arrays]
        for name, arrays in network.constants.items()
    }
