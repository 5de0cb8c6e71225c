"""removal: take out channels, filters and basis kernels that do nothing; no output bit changes.

A channel of a tensor does nothing if it is 0 whatever the image, or if nobody reads it.  Channels
of different tensors can depend on each other: an addition needs both operands and its result to
keep the same ones, a depthwise layer its input and output.  Such channels form a class, found by
walking through the graph, shortcuts included, and a class leaves as a whole or stays.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from workloads.channels import Classes
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, IntegerModel
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

Channels = dict[str, np.ndarray]


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
    convs, arrays, nodes = {}, {}, []
    for node in model.graph.nodes:
        read = [kept[name] for name in node.inputs]
        nodes.append(node.operator.smaller(node, read, kept[node.name]))
        if node.name in model.arrays:
            parts = model.arrays[node.name].items()
            size = node.shape[0]
            arrays[node.name] = {
                field: part[kept[node.name]] if len(part) == size else part for field, part in parts
            }
        if node.layer is not None:
            conv = _smaller(node, model.convs[node.name], read[0], kept[node.name])
            if nodes[-1].layer != node.layer and conv.macs is None:
                conv = replace(conv, macs=node.layer.macs)
            convs[node.name] = conv
    graph = Graph(model.graph.name, tuple(nodes))
    return replace(model, graph=graph, convs=convs, arrays=arrays)


def _smaller(node: Node, conv: ConvIntegers, before: np.ndarray, kept: np.ndarray) -> ConvIntegers:
    """What is kept of a convolution's integers."""
    rule = conv.requantizer
    few = Requantizer(rule.multiplier[kept], rule.bias[kept], rule.shift, rule.low, rule.high)
    weights = _without_idle_kernels(_cut(node, conv.weights, before, kept))
    return replace(conv, weights=weights, requantizer=few)


def _classes(graph: Graph) -> Classes:
    """The channel classes of every tensor."""
    found = Classes()
    for node in graph.nodes:
        operands = [found.numbers[name] for name in node.inputs]
        found.numbers[node.name] = node.operator.classes(node, operands, found)
    found.fix(found.numbers[graph.output.name])
    return found


def _zeros(model: IntegerModel) -> Channels:
    """Per tensor, the channels that are 0 for every image."""
    found: Channels = {}
    for node in model.graph.nodes:
        operands = [found[name] for name in node.inputs]
        found[node.name] = node.operator.zeros(model, node, operands)
    return found


def _used(model: IntegerModel) -> Channels:
    """Per tensor, the channels that something reads on whose result the output depends."""
    graph = model.graph
    found = {node.name: np.zeros(node.shape[0], bool) for node in graph.nodes}
    found[graph.output.name][:] = True
    for node in reversed(graph.nodes[1:]):
        channels = [found[name].size for name in node.inputs]
        needed = node.operator.used(model, node, found[node.name], channels)
        for name, each in zip(node.inputs, needed, strict=True):
            found[name] |= each
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
