"""MobileNet v2: blocks that expand by 1x1, convolve depthwise, and project by 1x1."""

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layer import ConvLayer
from workloads.network import NetworkLayer, linear, square

HEAD = 1280  # output channels of the last convolution


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the paper's table 2: expansion t, output channels c, repeats n, stride s."""

    t: int
    c: int
    n: int
    s: int


def inverted_residual_layers(
    stem: ConvLayer, rows: Sequence[Row], classes: int, *, projected_shortcuts: bool = False
) -> tuple[NetworkLayer, ...]:
    """Stem, blocks, head and classifier; convolutions have batch norms, the classifier a bias.

    ``projected_shortcuts`` is what the CIFAR-10 version does: blocks of stride 1 that change
    their channels get a shortcut too, a 1x1 convolution, and t = 1 still has an expansion.
    """
    layers = [NetworkLayer(stem, batch_norm=True)]
    producer, channels, size, number = stem.name, stem.K, stem.P, 0
    for row in rows:
        for repeat in range(row.n):
            number += 1
            stride = row.s if repeat == 0 else 1
            expands = row.t > 1 or projected_shortcuts
            block = _convolutions(number, channels, row, size, stride, expands)
            layers += _block(block, producer, stride, projected_shortcuts)
            producer, channels, size = block[-1].name, row.c, block[-1].P
    head = square("head", channels, HEAD, size)
    layers.append(NetworkLayer(head, (producer,), batch_norm=True))
    return (*layers, NetworkLayer(linear("fc", HEAD, classes), (head.name,), bias=True))


def _convolutions(
    number: int, C: int, row: Row, size: int, stride: int, expands: bool
) -> list[ConvLayer]:
    wide, name = C * row.t, f"block{number}"
    expand = [square(f"{name}.expand", C, wide, size)] if expands else []
    depthwise = square(f"{name}.depthwise", wide, wide, size, 3, stride=stride, groups=wide)
    return [*expand, depthwise, square(f"{name}.project", wide, row.c, depthwise.P)]


def _block(
    convolutions: Sequence[ConvLayer], producer: str, stride: int, projected: bool
) -> list[NetworkLayer]:
    names = [producer, *(layer.name for layer in convolutions)]
    entries = [
        NetworkLayer(layer, (reads,), batch_norm=True)
        for layer, reads in zip(convolutions, names, strict=False)
    ]
    first, last = convolutions[0], convolutions[-1]
    if stride > 1:
        return entries
    if first.C == last.K:
        entries[-1] = NetworkLayer(last, entries[-1].producers, (producer,), batch_norm=True)
    elif projected:
        block = first.name.rpartition(".")[0]
        shape = square(f"{block}.shortcut", first.C, last.K, first.H)
        entries.append(NetworkLayer(shape, (producer,), (last.name,), batch_norm=True))
    return entries
