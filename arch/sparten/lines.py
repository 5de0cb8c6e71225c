"""Input lines as they are stored, and what runs of output rows need of them.

Assumption: a tensor is stored pixel by pixel, along all its channels, each chunk as mask, values
and pointer; the last chunk's mask is as long as the chunk, in whole bytes.

Rule: specification/sparten.md, SPA-7.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arch.cuts import cut_sizes
from arch.sparten.spec import SpartenSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """What the stored input takes, and which of its lines each output row needs.

    Parameters
    ----------
    below : int64 (N x H + 1, chunks of channels + 1), bytes of all lines and chunks before
    first, last : int64 (N x P,), lines ``first``..``last`` - 1 of all images
    """

    below: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def total(self) -> int:
        """Bytes of the whole input."""
        return int(self.below[-1, -1])

    def size(self, low: np.ndarray, high: np.ndarray, pieces: np.ndarray) -> np.ndarray:
        """Bytes of lines ``low``..``high`` - 1, int64 (runs,), where there are any.

        ``pieces`` are first and last + 1 chunk of channels, int64 (ranges, 2); the bytes are int64
        (runs, ranges).
        """
        high = np.maximum(low, high)
        wide = self.below[:, pieces[:, 1]] - self.below[:, pieces[:, 0]]
        found: np.ndarray = wide[high] - wide[low]
        return found


@dataclass(frozen=True, eq=False)
class Runs:
    """Bytes of input under runs of output rows, for ranges of chunks of channels.

    Parameters
    ----------
    bounds : int64 (runs + 1,), output rows
    held : int64 (runs, ranges), all lines under a run
    shared : int64 (runs, ranges), those that the run before holds as well; 0 for the first
    wrapped : int64 (ranges,), those that the first run shares with the last
    """

    bounds: np.ndarray
    held: np.ndarray
    shared: np.ndarray
    wrapped: np.ndarray

    @cached_property
    def count(self) -> int:
        """How many."""
        return self.bounds.size - 1

    @cached_property
    def most_rows(self) -> int:
        """Output rows of the longest run."""
        return int(np.diff(self.bounds).max())

    @cached_property
    def most_held(self) -> int:
        """Bytes that must fit half the input buffer."""
        return int(self.held.max())

    @cached_property
    def fresh(self) -> int:
        """Bytes that are loaded if every range passes once."""
        return int((self.held - self.shared).sum())


def runs(lines: Lines, bounds: np.ndarray, pieces: np.ndarray) -> Runs:
    """What lies under output rows cut at ``bounds``; ``pieces`` as in ``Lines.size``."""
    low, high = lines.first[bounds[:-1]], lines.last[bounds[1:] - 1]
    shared = np.zeros((low.size, pieces.shape[0]), np.int64)
    shared[1:] = lines.size(low[1:], high[:-1], pieces)
    wrapped = lines.size(low[-1:], np.minimum(high[:1], high[-1:]), pieces)[0]
    return Runs(bounds, lines.size(low, high, pieces), shared, wrapped)


def input_lines(layer: ConvLayer, activations: np.ndarray, spec: SpartenSpec) -> Lines:
    """Sizes of the stored input, and which lines each output row of each image needs.

    A kernel row in the padding stands for the nearest line of the image.
    """
    images, word = activations.shape[0], spec.operand_bytes
    sizes = cut_sizes(layer.C, spec.chunk)
    edges = np.append(0, np.cumsum(sizes))[:-1]
    nonzeros = np.add.reduceat((activations != 0).sum(axis=3, dtype=np.int64), edges, axis=1)
    if spec.skips_activations:
        by_line = nonzeros * word + layer.W * (-(-sizes // 8) + spec.pointer_bytes)[:, None]
    else:
        by_line = np.broadcast_to((layer.W * sizes * word)[:, None], nonzeros.shape)
    by_line = by_line.transpose(0, 2, 1)
    below = np.zeros((images * layer.H + 1, sizes.size + 1), np.int64)
    below[1:, 1:] = by_line.reshape(-1, sizes.size).cumsum(axis=0).cumsum(axis=1)
    image, p = np.divmod(np.arange(images * layer.P), layer.P)
    top = p * layer.strides[0] - layer.padding[0]
    low = image * layer.H + np.clip(top, 0, layer.H - 1)
    bottom = top + layer.dilations[0] * (layer.R - 1)
    return Lines(below, low, image * layer.H + np.clip(bottom, 0, layer.H - 1) + 1)
