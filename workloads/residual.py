"""Residual networks: blocks of basic (two 3x3) or bottleneck (1x1, 3x3, 1x1) convolutions.

The names are torchvision's.  The addition's first operand is the block's last convolution, so
the next block reads that one's planes; the other operand is ready when the last layer of the
block has run, which is the ``downsample`` layer where there is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layer import ConvLayer
from workloads.network import NetworkLayer, linear, square

EXPANSION = 4  # output channels of a bottleneck over those of its 3x3 convolution


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of equal shape; the first block has the stride."""

    channels: int
    blocks: int
    stride: int


def residual_layers(
    stem: ConvLayer,
    size: int,
    stages: Sequence[Stage],
    classes: int,
    *,
    bottleneck: bool = False,
    projection: bool = True,
) -> tuple[NetworkLayer, ...]:
    """Stem, stages and classifier; every convolution has a batch norm, the classifier a bias.

    Parameters
    ----------
    stem : the first convolution
    size : height and width of the plane that the first stage reads
    stages : Stage
    classes : outputs of the classifier behind the global average pooling
    bottleneck : three convolutions a block instead of two, the stride in the 3x3 one
    projection : whether shortcuts that change shape are 1x1 convolutions (option B of the
        paper); otherwise they are strided slices between zero channels (option A)
    """
    layers = [NetworkLayer(stem, batch_norm=True)]
    producer, channels = stem.name, stem.K
    for number, stage in enumerate(stages, start=1):
        for position in range(stage.blocks):
            stride = stage.stride if position == 0 else 1
            rows = _bottleneck if bottleneck else _basic
            block = rows(f"layer{number}.{position}", channels, stage.channels, size, stride)
            last = block[-1]
            changes = stride > 1 or channels != last.K
            layers += _block(block, producer, last.K if changes and projection else 0, stride)
            producer, channels, size = last.name, last.K, last.P
    classifier = linear("fc", channels, classes)
    return (*layers, NetworkLayer(classifier, (producer,), bias=True))


def _basic(name: str, C: int, channels: int, size: int, stride: int) -> list[ConvLayer]:
    first = square(f"{name}.conv1", C, channels, size, 3, stride=stride)
    return [first, square(f"{name}.conv2", channels, channels, first.P, 3)]


def _bottleneck(name: str, C: int, channels: int, size: int, stride: int) -> list[ConvLayer]:
    middle = square(f"{name}.conv2", channels, channels, size, 3, stride=stride)
    return [
        square(f"{name}.conv1", C, channels, size),
        middle,
        square(f"{name}.conv3", channels, EXPANSION * channels, middle.P),
    ]


def _block(
    convolutions: Sequence[ConvLayer], producer: str, projected: int, stride: int
) -> list[NetworkLayer]:
    """The block's layers, and a 1x1 convolution to ``projected`` channels unless that is 0."""
    names = [producer, *(layer.name for layer in convolutions)]
    entries = [
        NetworkLayer(layer, (reads,), batch_norm=True)
        for layer, reads in zip(convolutions, names, strict=False)
    ]
    last = entries[-1]
    if not projected:
        entries[-1] = NetworkLayer(last.layer, last.producers, (producer,), batch_norm=True)
        return entries
    first = convolutions[0]
    block = first.name.rpartition(".")[0]
    shape = square(f"{block}.downsample.0", first.C, projected, first.H, stride=stride)
    return [*entries, NetworkLayer(shape, (producer,), (last.name,), batch_norm=True)]
