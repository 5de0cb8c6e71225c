"""fold: what can be part of the operator beside it becomes so; what nothing reads goes.

A ReLU becomes the clamp of the operator in front of it.  An affine operator (a batch norm, a
product with constants) becomes part of the convolution in front of it, or of those behind it
where nothing is padded: a padded zero would have to be shifted, too.  All of this is exact.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workloads.graph import Node

if TYPE_CHECKING:
    from escalate.capture.draft import Draft


def fold(draft: "Draft", output: str) -> str:
    """Fold until nothing is left to fold; the name of the node that then makes the output."""
    _drop_unread(draft, output)
    changed, readers = True, _readers(draft)
    while changed:
        changed = False
        for name in list(draft.nodes):
            for rule in RULES:
                node = draft.nodes.get(name)
                if node is not None and rule(draft, node, readers, output):
                    if name == output and name not in draft.nodes:
                        output = node.inputs[0]
                    changed = True
                    readers = _readers(draft)
    return output


Readers = dict[str, list[str]]
Rule = Callable[["Draft", Node, Readers, str], bool]


def _readers(draft: "Draft") -> Readers:
    found: Readers = {name: [] for name in draft.nodes}
    for node in draft.nodes.values():
        for operand in node.inputs:
            found[operand].append(node.name)
    return found


def _drop_unread(draft: "Draft", output: str) -> None:
    """Drop what the output does not need."""
    needed, waiting = {next(iter(draft.nodes))}, [output]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(draft.nodes[name].inputs)
    for name in [name for name in draft.nodes if name not in needed]:
        draft.drop(name)


def _replace(draft: "Draft", name: str) -> None:
    """Let readers of a node with one operand read that operand instead; the node goes."""
    source = draft.nodes[name].inputs[0]
    draft.drop(name)
    for other in list(draft.nodes.values()):
        if name in other.inputs:
            inputs = tuple(source if each == name else each for each in other.inputs)
            draft.nodes[other.name] = replace(other, inputs=inputs)


def _clamp(draft: "Draft", node: Node, readers: Readers, output: str) -> bool:
    """A ReLU behind an operator that clamps."""
    if node.op != "relu":
        return False
    before = draft.nodes[node.inputs[0]]
    if not before.operator.clamps or readers[before.name] != [node.name] or before.op == "table":
        return False
    draft.fuse(before.name, node.maximum)
    _hand_on(draft, node.name, before.name)
    _replace(draft, node.name)
    return True


def _hand_on(draft: "Draft", name: str, before: str) -> None:
    """The range of a node becomes that of the one in front, which computes both from now on."""
    if name in draft.codes:
        draft.codes[before] = draft.codes[name]


def _into_conv(draft: "Draft", node: Node, readers: Readers, output: str) -> bool:
    """An affine operator behind a convolution."""
    if node.op != "affine":
        return False
    before = draft.nodes[node.inputs[0]]
    if before.op != "conv" or before.relu or readers[before.name] != [node.name]:
        return False
    draft.scale_conv(before.name, *draft.constants[node.name])
    if node.relu:
        draft.fuse(before.name, node.maximum)
    draft.codes.pop(before.name, None)
    _hand_on(draft, node.name, before.name)
    _replace(draft, node.name)
    return True


def _into_convs_behind(draft: "Draft", node: Node, readers: Readers, output: str) -> bool:
    """An affine operator in front of convolutions that pad nothing."""
    if node.op != "affine" or node.relu or node.name == output or not readers[node.name]:
        return False
    if node.name in draft.codes:
        return False
    scale, shift = draft.constants[node.name]
    for name in readers[node.name]:
        layer = draft.nodes[name].layer
        if layer is None or (shift.any() and any(layer.padding)):
            return False
    for name in readers[node.name]:
        layer = draft.nodes[name].layer
        assert layer is not None
        weights = draft.weights[name]
        filters = weights.shape[0] // layer.groups
        group = np.arange(weights.shape[0]) // filters
        channels = group[:, None] * layer.channels_per_group + np.arange(layer.channels_per_group)
        draft.biases[name] = draft.biases[name] + (weights * shift[channels][:, :, None, None]).sum(
            axis=(1, 2, 3)
        )
        draft.weights[name] = weights * scale[channels][:, :, None, None]
        steps = draft.steps.pop(name, None)
        if steps is not None and np.unique(scale).size == 1:
            draft.steps[name] = steps * abs(scale[0])
    _replace(draft, node.name)
    return True


def _behind_pool(draft: "Draft", node: Node, readers: Readers, output: str) -> bool:
    """An affine operator that only a mean reads: behind it, it may meet a convolution."""
    if node.op != "affine" or node.relu or node.name == output or len(readers[node.name]) != 1:
        return False
    if node.name in draft.codes:
        return False
    pool = draft.nodes[readers[node.name][0]]
    if pool.op != "avg_pool" or pool.relu or any(pool.attributes["padding"]):
        return False
    after = readers[pool.name]
    if pool.name == output or not after or any(draft.nodes[each].op != "conv" for each in after):
        return False
    pooled = replace(pool, inputs=node.inputs)
    moved = replace(node, inputs=(pool.name,), shape=pool.shape)
    nodes: dict[str, Node] = {}
    for name, each in draft.nodes.items():
        if name == pool.name:
            nodes |= {name: pooled, node.name: moved}
        elif name != node.name:
            inputs = tuple(node.name if one == pool.name else one for one in each.inputs)
            nodes[name] = replace(each, inputs=inputs)
    draft.nodes = nodes
    return True


def _pad(draft: "Draft", node: Node, readers: Readers, output: str) -> bool:
    """A pad of rows and columns in front of the convolution or max pool that alone reads it."""
    if node.op != "pad" or node.name == output or len(readers[node.name]) != 1:
        return False
    reader = draft.nodes[readers[node.name][0]]
    before, behind, *edges = node.attributes["padding"]
    fits = reader.op == ("max_pool" if node.name in draft.lowest else "conv")
    fits = fits and "tops" not in reader.attributes
    if not fits or before or behind:
        return False
    inputs = node.inputs
    if reader.layer is None:
        own = reader.attributes["padding"]
        padding = [a + b for a, b in zip(own, edges, strict=True)]
        reader = replace(reader, attributes={**reader.attributes, "padding": padding})
    else:
        own = reader.layer.padding
        _, h, w = draft.nodes[inputs[0]].shape
        top, bottom, left, right = (a + b for a, b in zip(own, edges, strict=True))
        layer = replace(reader.layer, padding=(top, bottom, left, right), H=h, W=w)
        reader = replace(reader, layer=layer)
    draft.nodes[reader.name] = replace(reader, inputs=inputs)
    draft.drop(node.name)
    return True


RULES: tuple[Rule, ...] = (_pad, _into_conv, _clamp, _into_convs_behind, _behind_pool)
