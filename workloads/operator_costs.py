"""between: what the operators of a model cost, layer by layer, see ``workloads.between``.

An operator runs behind the layer that ran last, on numbers as they leave it.  What else it reads
comes from DRAM.  Its output takes the place of what it read of the layer's output, where nothing
else reads that; more than that is written to DRAM besides.  Operators that only move numbers do so
as these are read.  An operator on the host reads and writes DRAM alone.

Rule: specification/memory.md, MEM-18 and MEM-19.
"""

import math

import numpy as np

from workloads.between import ACTIONS, Between, OnHost
from workloads.graph import Node
from workloads.integer import IntegerModel
from workloads.requantize import storage_dtype


def between(model: IntegerModel) -> dict[str, Between]:
    """What runs behind each layer that anything runs behind, by its name.

    What runs in front of the first layer counts there.

    Examples
    --------
    >>> from workloads.graph import Graph
    >>> from workloads.requantize import Requantizer
    >>> from workloads.integer import ConvIntegers, ImageQuantizer
    >>> from workloads.layer import ConvLayer
    >>> from workloads.weights import LayerWeights
    >>> rule = Requantizer(np.ones(2, np.int32), np.zeros(2, np.int32), 0, 0, 255)
    >>> weights = LayerWeights(weights=np.ones((2, 1, 1, 1), np.int8))
    >>> conv = Node("conv", "conv", ("x",), (2, 4, 4), ConvLayer("conv", 1, 2, 4, 4))
    >>> window = {"kernel": [2, 2], "stride": [2, 2], "padding": [0, 0, 0, 0]}
    >>> pool = Node("pool", "max_pool", ("conv",), (2, 2, 2), attributes=window)
    >>> graph = Graph("net", (Node("x", "input", (), (1, 4, 4)), conv, pool))
    >>> image = ImageQuantizer(1.0, (0.0,), (1.0,), 1.0, 0, 255, (4, 4))
    >>> model = IntegerModel(graph, {"conv": ConvIntegers(weights, rule)}, {}, {}, image, 1.0, {})
    >>> between(model)["conv"].actions
    {'compare': 24}
    """
    walk, first = _Walk(model), model.graph.convs[0].name
    found: dict[str, Between] = {}
    behind = ""
    for node in model.graph.nodes:
        if node.layer is not None:
            behind = node.name
            walk.layer(node)
        elif node.inputs:
            walk.operator(node, found.setdefault(behind or first, Between()))
    return {name: each for name, each in found.items() if each != Between()}


class _Walk:
    """The bytes of every tensor, and what of them has just left the layer that ran last.

    ``fresh`` are the bytes of a tensor that need not be read, ``counted`` those that are stored
    anyway, and may as well be the output of its only reader.
    """

    def __init__(self, model: IntegerModel) -> None:
        self.model, self.graph = model, model.graph
        self.width: dict[str, int] = {}
        self.order = {node.name: n for n, node in enumerate(model.graph.nodes)}
        self.fresh: dict[str, int] = {}
        self.counted: dict[str, int] = {}
        first = model.graph.nodes[0]
        self.width[first.name] = _bytes_of(model.image.low, model.image.high)

    def size(self, name: str) -> int:
        """Bytes of a tensor, of one image."""
        return math.prod(self.graph[name].shape) * self.width[name]

    def layer(self, node: Node) -> None:
        """A layer ran: its output is what is at hand, all that was before it has left."""
        self.width[node.name] = np.dtype(self.model.convs[node.name].requantizer.dtype).itemsize
        self.fresh = {node.name: self.size(node.name)}
        self.counted = {node.name: self.size(node.name) * self._passes_on(node.name)}

    def operator(self, node: Node, into: Between) -> None:
        """An operator runs."""
        bounds = node.operator.bounds(self.model, node)
        self.width[node.name] = self.width[node.inputs[0]] if bounds is None else _bytes_of(*bounds)
        shapes = [self.graph[each].shape for each in node.inputs]
        if node.operator.on_host:
            into.host.append(self._on_host(node, shapes))
            self.fresh, self.counted = {}, {}
            return
        for action, count in node.operator.work(self.model, node, shapes).items():
            if action not in ACTIONS:
                raise ValueError(f"{node.op} does {action!r}, allowed are {', '.join(ACTIONS)}")
            if count:
                into.actions[action] = into.actions.get(action, 0) + count
        read = dict.fromkeys(node.inputs)
        size, fresh = self.size(node.name), sum(self.fresh.get(each, 0) for each in read)
        stored = sum(self.counted.get(each, 0) for each in read)
        if node.operator.moves:
            whole = all(self.fresh.get(each, 0) == self.size(each) for each in read)
            self.fresh[node.name] = size if whole else min(size, fresh)
            self.counted[node.name] = min(size, stored) * self._passes_on(node.name)
            return
        shortcut = self._shortcut(node)
        missing = [self.size(each) - self.fresh.get(each, 0) for each in read if each != shortcut]
        into.reads += [each for each in missing if each]
        into.writes += [size - stored] if size > stored else []
        self.fresh[node.name] = size
        self.counted[node.name] = size * self._passes_on(node.name)

    def _on_host(self, node: Node, shapes: list[tuple[int, int, int]]) -> OnHost:
        return OnHost(
            node.name,
            node.op,
            node.shape,
            node.operator.operations(node, shapes),
            tuple(self.size(each) for each in dict.fromkeys(node.inputs)),
            self.size(node.name),
        )

    def _passes_on(self, name: str) -> bool:
        """Whether one operator alone reads the tensor, so that its own bytes need no store."""
        readers = self.graph.consumers(name)
        return len(readers) == 1 and readers[0].layer is None and not readers[0].operator.on_host

    def _shortcut(self, node: Node) -> str | None:
        """The operand of an addition that is read, and charged, with the layer that it waits for.

        See ``workloads.execute``: the other one is a layer that nothing else reads.
        """
        if not node.operator.adds or len(set(node.inputs)) < 2:
            return None
        one, other = sorted(node.inputs, key=lambda name: self.order[name])
        late = self.graph[other]
        alone = late.layer is not None and len(self.graph.consumers(other)) == 1
        return one if alone and self.graph[one].shape == late.shape else None


def _bytes_of(low: int, high: int) -> int:
    return np.dtype(storage_dtype(low, high)).itemsize
