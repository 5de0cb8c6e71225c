"""SqueezeNet's fire modules: a 1x1 squeeze, then 1x1 and 3x3 expands side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.layer import ConvLayer
from workloads.network import NetworkLayer, square


@dataclass(frozen=True, slots=True)
class Fire:
    """One module: channels of the squeeze, channels of each expand, and size of the plane."""

    squeeze: int
    expand: int
    size: int


def squeezenet_layers(stem: ConvLayer, fires: Sequence[Fire]) -> tuple[NetworkLayer, ...]:
    """Stem, the modules fire2 to fire9, and conv10 to 1000 classes; all layers have biases."""
    layers = [NetworkLayer(stem, bias=True)]
    producers: tuple[str, ...] = (stem.name,)
    channels = stem.K
    for number, fire in enumerate(fires, start=2):
        name = f"fire{number}"
        squeeze = square(f"{name}.squeeze1x1", channels, fire.squeeze, fire.size)
        expands = (
            square(f"{name}.expand1x1", fire.squeeze, fire.expand, fire.size),
            square(f"{name}.expand3x3", fire.squeeze, fire.expand, fire.size, 3),
        )
        layers.append(NetworkLayer(squeeze, producers, bias=True))
        layers += [NetworkLayer(expand, (squeeze.name,), bias=True) for expand in expands]
        producers = tuple(expand.name for expand in expands)
        channels = 2 * fire.expand
    conv10 = square("conv10", channels, 1000, fires[-1].size)
    return (*layers, NetworkLayer(conv10, producers, bias=True))
