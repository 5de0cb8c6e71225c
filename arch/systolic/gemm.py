"""A layer as matrix products: M output pixels x K taps times K taps x N filters, per group.

Taps are numbered (c, r, s), the order of the weight tensor.  Input pixels have flat numbers
(image, row, column), all channels of a pixel side by side.
"""

from dataclasses import dataclass

import numpy as np

from arch.lines import Lines, lines_under
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True)
class Gemm:
    """One group of a layer as a product; all groups are alike."""

    layer: ConvLayer
    images: int

    @property
    def M(self) -> int:
        """Output pixels of all images."""
        return self.images * self.layer.P * self.layer.Q

    @property
    def N(self) -> int:
        """Filters of one group."""
        return self.layer.K // self.layer.groups

    @property
    def K(self) -> int:
        """Taps of one filter, C/groups x R x S."""
        return self.layer.channels_per_group * self.taps

    @property
    def taps(self) -> int:
        """Taps of one filter in one channel, R x S."""
        return self.layer.R * self.layer.S

    @property
    def pixels(self) -> int:
        """Input pixels of all images."""
        return self.images * self.layer.H * self.layer.W

    def channels(self, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Channels first..last+1 that the taps between neighbouring ``bounds`` belong to."""
        return bounds[:-1] // self.taps, -(-bounds[1:] // self.taps)

    def lines(self, bounds: np.ndarray) -> Lines:
        """Input lines under each piece of the output pixels."""
        return lines_under(self.layer, bounds)

    def strips(self, bounds: np.ndarray) -> "Strips":
        """Input pixels under the first kernel row, for each piece of the output pixels."""
        layer = self.layer
        plane = layer.P * layer.Q

        def place(pixel: np.ndarray, column_tap: int) -> np.ndarray:
            image, at = np.divmod(pixel, plane)
            p, q = np.divmod(at, layer.Q)
            column = q * layer.strides[1] - layer.padding[2] + column_tap * layer.dilations[1]
            row = p * layer.strides[0] - layer.padding[0]
            flat: np.ndarray = (image * layer.H + row) * layer.W
            return flat + np.clip(column, 0, layer.W - 1)

        begin, end = bounds[:-1], bounds[1:] - 1
        # An image's top padding may reach back beyond the end of the image before it.
        next_image = np.minimum((begin // plane + 1) * plane, end)
        previous_image = np.maximum(end // plane * plane - 1, begin)
        return Strips(
            np.minimum(place(begin, 0), place(next_image, 0)),
            np.maximum(place(end, layer.S - 1), place(previous_image, layer.S - 1)) + 1,
            layer.R,
            layer.dilations[0] * layer.W,
            self.pixels,
        )


@dataclass(frozen=True, slots=True)
class Strips:
    """Input pixels of consecutive pieces of output: ``rows`` strips, ``pitch`` pixels apart.

    Strip r of piece i reaches from ``first[i] + r * pitch`` to ``last[i] + r * pitch``, both
    int64; what lies outside 0..``pixels`` is padding.
    """

    first: np.ndarray
    last: np.ndarray
    rows: int
    pitch: int
    pixels: int

    def _inside(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        low = np.clip(first, 0, self.pixels)
        high: np.ndarray = np.clip(last, 0, self.pixels)
        return high - low

    def _union(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        apart = np.zeros_like(first)
        for row in range(self.rows):
            apart += self._inside(first + row * self.pitch, last + row * self.pitch)
        merged = self._inside(first, last + (self.rows - 1) * self.pitch)
        return np.where(last - first >= self.pitch, merged, apart)

    def sizes(self) -> np.ndarray:
        """Pixels of each piece: all its strips, merged where they touch."""
        return self._union(self.first, self.last)

    def fresh(self, *, wrap: bool = False) -> np.ndarray:
        """Pixels of each piece that the piece before it did not hold.

        The first piece follows the last one with ``wrap``, else nothing.  Pieces whose strips do
        not touch share nothing.
        """
        before_first, before_last = np.roll(self.first, 1), np.roll(self.last, 1)
        touching = np.maximum(self.first, before_first) <= np.minimum(self.last, before_last)
        if not wrap:
            touching[0] = False
        joint = self._union(
            np.minimum(self.first, before_first), np.maximum(self.last, before_last)
        )
        return np.where(touching, joint - self._union(before_first, before_last), self.sizes())
