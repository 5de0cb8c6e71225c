"""removal: take out channels, filters and basis kernels that do nothing; no output bit changes.

A channel of a tensor does nothing if it is 0 whatever the image, or if nobody reads it.  Channels
of different tensors can depend on each other: an addition needs both operands and its result to
keep the same ones, a depthwise layer its input and output.  Such channels form a class, found by
walking through the graph, shortcuts included, and a class leaves as a whole or stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from workloads.graph import Graph, Node
from workloads.integer import IntegerModel
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

Channels = dict[str, np.ndarray]


@dataclass(slots=True)
class Classes:
    """Channels that leave together: a number per channel of each tensor, and who equals whom."""

    parents: list[int]
    fixed: set[int]
    numbers: Channels

    def fresh(self, count: int, *, fixed: bool = False) -> np.ndarray:
        """Numbers of classes that are new."""
        found = np.arange(len(self.parents), len(self.parents) + count)
        self.parents.extend(found.tolist())
        if fixed:
            self.fixed.update(found.tolist())
        return found

    def root(self, number: int) -> int:
        """The number that stands for the class."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Make the classes equal, pair by pair."""
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            self.parents[self.root(b)] = self.root(a)
        return left

    def fix(self, numbers: np.ndarray) -> np.ndarray:
        """Channels that stay whatever they do."""
        self.fixed.update(numbers.tolist())
        return numbers


def remove_idle(model: IntegerModel) -> IntegerModel:
    """The same network without what does nothing; its outputs are equal bit for bit.

    Every tensor keeps at least one channel, every basis one kernel; inputs and outputs of grouped
    layers that are not depthwise, the network's input and its output stay whole.

    Parameters
    ----------
    model : IntegerModel

    Notes
    -----
    The network's function is unchanged, not only nearly so: a filter without coefficients is only
    taken out if its bias rounds to 0 behind the activation.
    """
    classes = _classes(model.graph)
    zero, used = _zeros(model), _used(model)
    gone = _gone(model.graph, classes, zero, used)
    kept = {
        name: np.array([classes.root(number) not in gone for number in numbers.tolist()])
        for name, numbers in classes.numbers.items()
    }
    layers, requantizers, nodes = {}, {}, []
    for node in model.graph.nodes:
        read = [kept[name] for name in node.inputs]
        nodes.append(_smaller(node, read, kept[node.name]))
        if node.op == "conv":
            weights = model.layers[node.name]
            layers[node.name] = _without_idle_kernels(_cut(node, weights, read[0], kept[node.name]))
            rule = model.requantizers[node.name]
            requantizers[node.name] = Requantizer(
                rule.multiplier[kept[node.name]],
                rule.bias[kept[node.name]],
                rule.shift,
                rule.low,
                rule.high,
            )
    graph = Graph(model.graph.name, tuple(nodes))
    macs = dict(model.macs)
    for before, after in zip(model.graph.convs, graph.convs, strict=True):
        assert before.layer is not None
        if before.layer != after.layer:
            macs.setdefault(before.name, before.layer.macs)
    return replace(model, graph=graph, layers=layers, requantizers=requantizers, macs=macs)


def _is_depthwise(node: Node) -> bool:
    layer = node.layer
    return layer is not None and layer.groups == layer.C == layer.K and layer.groups > 1


def _classes(graph: Graph) -> Classes:
    """The channel classes of every tensor."""
    found = Classes([], set(), {})
    for node in graph.nodes:
        operands = [found.numbers[name] for name in node.inputs]
        found.numbers[node.name] = _numbers(found, node, operands)
    found.fix(found.numbers[graph.output.name])
    return found


def _numbers(classes: Classes, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    channels = node.shape[0]
    if node.op == "input":
        return classes.fresh(channels, fixed=True)
    if node.op == "conv":
        assert node.layer is not None
        if _is_depthwise(node):
            return operands[0]
        grouped = node.layer.groups > 1
        if grouped:
            classes.fix(operands[0])
        return classes.fresh(channels, fixed=grouped)
    if node.op == "add":
        return classes.join(operands[0], operands[1])
    if node.op == "concat":
        return np.concatenate(operands)
    if node.op == "flatten":
        return np.repeat(operands[0], channels // operands[0].size)
    if node.op == "pad":
        before, after = node.attributes["padding"][:2]
        return np.concatenate([classes.fresh(before), operands[0], classes.fresh(after)])
    if node.op == "slice" and node.attributes["axis"] == 1:
        return classes.fix(operands[0])[_channel_slice(node)]
    return operands[0]


def _channel_slice(node: Node) -> slice:
    return slice(*(node.attributes[field] for field in ("start", "stop", "step")))


def _reads(node: Node, weights: LayerWeights) -> np.ndarray:
    """Whether output channel k reads input channel c, bool (K, C)."""
    layer = node.layer
    assert layer is not None
    array = weights.weights if weights.coefficients is None else weights.coefficients
    assert array is not None
    touched = (array != 0).reshape(layer.K, layer.channels_per_group, -1).any(axis=2)
    if layer.groups == 1:
        return touched
    wide = np.zeros((layer.K, layer.C), bool)
    rows, size = layer.K // layer.groups, layer.channels_per_group
    for group in range(layer.groups):
        part = slice(group * rows, (group + 1) * rows)
        wide[part, group * size : (group + 1) * size] = touched[part]
    return wide


def _zeros(model: IntegerModel) -> Channels:
    """Per tensor, the channels that are 0 for every image."""
    found: Channels = {}
    for node in model.graph.nodes:
        operands = [found[name] for name in node.inputs]
        if node.op == "input":
            found[node.name] = np.zeros(node.shape[0], bool)
        elif node.op == "conv":
            silent = ~(_reads(node, model.layers[node.name]) & ~operands[0]).any(axis=1)
            rest = model.requantizers[node.name].apply(np.zeros((1, silent.size, 1, 1), np.int32))
            found[node.name] = silent & (rest.ravel() == 0)
        elif node.op == "add":
            found[node.name] = operands[0] & operands[1]
        elif node.op == "concat":
            found[node.name] = np.concatenate(operands)
        elif node.op == "flatten":
            found[node.name] = np.repeat(operands[0], node.shape[0] // operands[0].size)
        elif node.op == "pad":
            before, after = node.attributes["padding"][:2]
            found[node.name] = np.pad(operands[0], (before, after), constant_values=True)
        elif node.op == "slice" and node.attributes["axis"] == 1:
            found[node.name] = operands[0][_channel_slice(node)]
        else:
            found[node.name] = operands[0]
    return found


def _used(model: IntegerModel) -> Channels:
    """Per tensor, the channels that something reads on whose result the output depends."""
    graph = model.graph
    found = {node.name: np.zeros(node.shape[0], bool) for node in graph.nodes}
    found[graph.output.name][:] = True
    for node in reversed(graph.nodes):
        wanted, start = found[node.name], 0
        for name in node.inputs:
            size = found[name].size
            if node.op == "conv":
                needed = (_reads(node, model.layers[node.name]) & wanted[:, None]).any(axis=0)
            elif node.op == "concat":
                needed, start = wanted[start : start + size], start + size
            elif node.op == "flatten":
                needed = wanted.reshape(size, -1).any(axis=1)
            elif node.op == "pad":
                before = node.attributes["padding"][0]
                needed = wanted[before : before + size]
            elif node.op == "slice" and node.attributes["axis"] == 1:
                needed = np.zeros(size, bool)
                needed[_channel_slice(node)] = wanted
            else:
                needed = wanted
            found[name] |= needed
    return found


def _gone(graph: Graph, classes: Classes, zero: Channels, used: Channels) -> set[int]:
    """The classes that leave."""
    not_zero, not_idle = set(), set()
    for name, numbers in classes.numbers.items():
        roots = np.array([classes.root(number) for number in numbers.tolist()])
        classes.numbers[name] = roots
        not_zero.update(roots[~zero[name]].tolist())
        not_idle.update(roots[used[name]].tolist())
    everything = {root for numbers in classes.numbers.values() for root in numbers.tolist()}
    fixed = {classes.root(number) for number in classes.fixed}
    gone = everything - (not_zero & not_idle) - fixed
    for node in graph.nodes:  # no tensor may lose all its channels
        numbers = classes.numbers[node.name].tolist()
        if gone.issuperset(numbers):
            gone.discard(numbers[0])
    return gone


def _smaller(node: Node, before: list[np.ndarray], kept: np.ndarray) -> Node:
    """The node with the channels that are kept."""
    shape = (int(kept.sum()), *node.shape[1:])
    if node.op == "conv":
        assert node.layer is not None
        C, K = int(before[0].sum()), shape[0]
        groups = K if _is_depthwise(node) else node.layer.groups
        return replace(node, shape=shape, layer=replace(node.layer, C=C, K=K, groups=groups))
    if node.op == "pad":
        first, last, *edges = node.attributes["padding"]
        last = int(kept[kept.size - last :].sum()) if last else 0
        padding = [int(kept[:first].sum()), last, *edges]
        return replace(node, shape=shape, attributes={**node.attributes, "padding": padding})
    return replace(node, shape=shape)


def _cut(node: Node, weights: LayerWeights, before: np.ndarray, kept: np.ndarray) -> LayerWeights:
    """The rows and columns of a layer's weights that are kept."""
    assert node.layer is not None
    columns = before if node.layer.groups == 1 else np.ones(node.layer.channels_per_group, bool)

    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else np.ascontiguousarray(array[kept][:, columns])

    return replace(
        weights,
        weights=cut(weights.weights),
        coefficients=cut(weights.coefficients),
        alpha=None if weights.alpha is None else np.ascontiguousarray(weights.alpha[kept]),
    )


def _without_idle_kernels(weights: LayerWeights) -> LayerWeights:
    """Without the basis kernels that no coefficient mixes in; one stays at least."""
    if weights.basis is None or weights.coefficients is None:
        return weights
    mixed = (weights.coefficients != 0).any(axis=(0, 1))
    if not mixed.any():
        mixed[0] = True
    if mixed.all():
        return weights
    return replace(
        weights,
        basis=np.ascontiguousarray(weights.basis[mixed]),
        coefficients=np.ascontiguousarray(weights.coefficients[:, :, mixed]),
        alpha=None if weights.alpha is None else np.ascontiguousarray(weights.alpha[:, mixed]),
    )


def removed(before: Mapping[str, LayerWeights], after: Mapping[str, LayerWeights]) -> str | None:
    """What was taken out, in words; None if nothing was.

    Examples
    --------
    >>> old = {"a": LayerWeights(weights=np.zeros((3, 2, 1, 1), np.int8))}
    >>> removed(old, {"a": LayerWeights(weights=np.zeros((2, 2, 1, 1), np.int8))})
    '1 of 3 filters and 0 of 0 basis kernels'
    """
    counts = []
    for layers in (before, after):
        arrays = [w.weights if w.coefficients is None else w.coefficients for w in layers.values()]
        filters = sum(len(array) for array in arrays if array is not None)
        kernels = sum(len(w.basis) for w in layers.values() if w.basis is not None)
        counts.append((filters, kernels))
    if counts[0] == counts[1]:
        return None
    (filters, kernels), (left, rest) = counts
    return f"{filters - left} of {filters} filters and {kernels - rest} of {kernels} basis kernels"
