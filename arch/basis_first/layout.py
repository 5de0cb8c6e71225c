"""Layout in DRAM: tensors stored compressed, one plane per k-tile of their producer.

Rules: specification/basis_first_memory.md, BF-40 and BF-41.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from arch.nonzeros import by_channels


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """Compressed sizes of one image's tensor.

    A pixel of a plane takes ceil(channels/8) mask bytes and one value per non-zero.

    ``rows`` : int64 (planes, H+1), bytes of all rows before each row
    ``columns`` : int64 (planes, H, W+1), bytes of a row's pixels before each column
    """

    rows: np.ndarray
    columns: np.ndarray

    def plane(self, number: int) -> "StoredTensor":
        """One plane alone."""
        return StoredTensor(self.rows[number : number + 1], self.columns[number : number + 1])

    def full_width(self, first: int, last: int) -> np.ndarray:
        """Bytes of one run per plane, whole rows ``first`` to ``last`` inclusive."""
        return self.rows[:, last + 1] - self.rows[:, first]

    def strip(self, rows: np.ndarray, first: int, last: int) -> np.ndarray:
        """Bytes of one run per plane and row, columns ``first`` to ``last`` inclusive."""
        part: np.ndarray = self.columns[:, rows, last + 1] - self.columns[:, rows, first]
        return part

    def whole(self) -> np.ndarray:
        """Bytes of one run per plane, all rows."""
        return self.rows[:, -1]


def bursts(runs: np.ndarray, burst: int) -> int:
    """Bytes of all runs, each rounded up to whole bursts."""
    return int((-(-runs // burst) * burst).sum())


def store(values: np.ndarray, planes: tuple[int, ...]) -> tuple[StoredTensor, ...]:
    """Lay out a tensor, image by image.

    Parameters
    ----------
    values : integers, shape (N, C, H, W)
    planes : channels of each plane, adding up to C

    Examples
    --------
    >>> image, = store(np.ones((1, 9, 1, 2), np.uint8), (9,))
    >>> image.whole().tolist()
    [22]
    """
    images, _, height, width = values.shape
    edges = np.cumsum([0, *planes]).tolist()
    counts = by_channels(values, [np.arange(a, b) for a, b in pairwise(edges)])
    masks = -(-np.array(planes) // 8)
    sizes = counts * values.dtype.itemsize + masks[:, None, None]
    columns = np.zeros((images, len(planes), height, width + 1), np.int64)
    sizes = sizes.reshape(len(planes), images, height, width).swapaxes(0, 1)
    np.cumsum(sizes, axis=3, out=columns[..., 1:])
    rows = np.zeros((images, len(planes), height + 1), np.int64)
    np.cumsum(columns[..., -1], axis=2, out=rows[..., 1:])
    return tuple(map(StoredTensor, rows, columns))
