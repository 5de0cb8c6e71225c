"""Whole input lines under pieces of the output: what a buffer of lines holds and loads."""

from dataclasses import dataclass

import numpy as np

from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True)
class Lines:
    """The input lines ``first``..``last`` - 1 of each piece of the output, each ``width`` pixels.

    Both int64 and rising from piece to piece: lines of an image are numbered after those of the
    image before.
    """

    first: np.ndarray
    last: np.ndarray
    width: int

    def sizes(self) -> np.ndarray:
        """Pixels of each piece."""
        return (self.last - self.first) * self.width

    def fresh(self, *, wrap: bool = False) -> np.ndarray:
        """Pixels of each piece that the piece before did not hold.

        The first piece follows the last one with ``wrap``, else nothing.
        """
        before_first, before_last = np.roll(self.first, 1), np.roll(self.last, 1)
        shared = np.minimum(self.last, before_last) - np.maximum(self.first, before_first)
        if not wrap:
            shared[0] = 0
        fresh: np.ndarray = self.sizes() - np.maximum(shared, 0) * self.width
        return fresh


def lines_under(layer: ConvLayer, bounds: np.ndarray) -> Lines:
    """Lines under the output pixels between neighbouring ``bounds``, int64 (pieces + 1,).

    Output pixels have flat numbers (image, row, column).  A kernel row in the padding stands for
    the nearest line of the image.

    Examples
    --------
    >>> layer = ConvLayer("c", C=1, K=1, H=4, W=5, R=3, S=3, padding=(1, 1, 1, 1))
    >>> found = lines_under(layer, np.array([0, 10, 20]))
    >>> found.first.tolist(), found.last.tolist(), found.fresh().tolist()
    ([0, 1], [3, 4], [15, 5])
    """

    def place(pixel: np.ndarray, row_tap: int) -> np.ndarray:
        image, at = np.divmod(pixel, layer.P * layer.Q)
        row = at // layer.Q * layer.strides[0] - layer.padding[0] + row_tap * layer.dilations[0]
        inside: np.ndarray = np.clip(row, 0, layer.H - 1)
        return image * layer.H + inside

    return Lines(place(bounds[:-1], 0), place(bounds[1:] - 1, layer.R - 1) + 1, layer.W)
