"""GoogLeNet's inception modules: 1x1, 3x3, 5x5 and pooled branches side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layer import ConvLayer
from workloads.network import NetworkLayer, linear, square


@dataclass(frozen=True, slots=True)
class Inception:
    """One row of the paper's table 1: the plane, and the output channels of the six layers."""

    name: str
    size: int
    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool_proj: int

    def layers(self, C: int, five_kernel: int) -> tuple[ConvLayer, ...]:
        """The six layers on ``C`` input channels."""
        at = f"inception_{self.name}"
        return (
            square(f"{at}_1x1", C, self.one, self.size),
            square(f"{at}_3x3_reduce", C, self.three_reduce, self.size),
            square(f"{at}_3x3", self.three_reduce, self.three, self.size, 3),
            square(f"{at}_5x5_reduce", C, self.five_reduce, self.size),
            square(f"{at}_5x5", self.five_reduce, self.five, self.size, five_kernel),
            square(f"{at}_pool_proj", C, self.pool_proj, self.size),
        )


def googlenet_layers(
    modules: Sequence[Inception], *, five_kernel: int = 5, batch_norm: bool = False
) -> tuple[NetworkLayer, ...]:
    """Stem, modules and classifier; convolutions have batch norms, or else biases."""

    def entry(layer: ConvLayer, *producers: str) -> NetworkLayer:
        return NetworkLayer(layer, producers, bias=not batch_norm, batch_norm=batch_norm)

    layers = [
        entry(square("conv1_7x7", 3, 64, 224, 7, stride=2)),
        entry(square("conv2_3x3_reduce", 64, 64, 56), "conv1_7x7"),
        entry(square("conv2_3x3", 64, 192, 56, 3), "conv2_3x3_reduce"),
    ]
    producers: tuple[str, ...] = ("conv2_3x3",)
    channels = 192
    for module in modules:
        one, three_reduce, three, five_reduce, five, pool_proj = module.layers(
            channels, five_kernel
        )
        layers += [
            entry(one, *producers),
            entry(three_reduce, *producers),
            entry(three, three_reduce.name),
            entry(five_reduce, *producers),
            entry(five, five_reduce.name),
            entry(pool_proj, *producers),
        ]
        branches = (one, three, five, pool_proj)
        producers = tuple(branch.name for branch in branches)
        channels = sum(branch.K for branch in branches)
    return (*layers, NetworkLayer(linear("fc", channels, 1000), producers, bias=True))
