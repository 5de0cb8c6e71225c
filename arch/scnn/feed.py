"""What a plan is made for: one image of a layer, as masks."""

from dataclasses import dataclass, replace

import numpy as np

from workloads.layer import ConvLayer


def mask(values: np.ndarray) -> np.ndarray:
    """1 where a value is not zero, uint8: one type, for which the scans are compiled once.

    Examples
    --------
    >>> mask(np.array([-3, 0, 5], np.int8)).tolist()
    [1, 0, 1]
    """
    return (values != 0).view(np.uint8)


@dataclass(frozen=True, slots=True)
class Fused:
    """What neighbours allow: no input is loaded, or no output stored; then the plane is whole."""

    input: bool = False
    output: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """One image: masks, uint8.

    ``pixels`` (C, H, W), ``by_tap`` (C/groups, R, S, K), ``outputs`` (K, P, Q).
    """

    layer: ConvLayer
    pixels: np.ndarray
    by_tap: np.ndarray
    outputs: np.ndarray

    def group(self, number: int) -> "Feed":
        """One layer group as a layer of its own."""
        layer = self.layer
        depth, per = layer.channels_per_group, layer.K // layer.groups
        filters = slice(number * per, (number + 1) * per)
        return Feed(
            replace(layer, C=depth, K=per, groups=1),
            self.pixels[number * depth : (number + 1) * depth],
            np.ascontiguousarray(self.by_tap[..., filters]),
            self.outputs[filters],
        )
