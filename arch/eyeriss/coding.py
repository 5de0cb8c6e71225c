"""Run-length coding of feature maps in DRAM: exact words of any rows of any plane.

Each non-zero is a pair (zeros before it, value); a run longer than the count can say takes pairs
whose value is zero.  Pairs are packed in words of 64 bits, whose last bit ends the stream
(JSSC 2017: 5 bits, 16 bits, three pairs).  Zeros behind the last non-zero take nothing.

Assumption: a plane (one channel of one image) is a stream of its own.  A table of where its rows
begin lets a strip be read by itself: the words that hold the pairs which end in its rows.

Rule: specification/eyeriss.md, EYE-9.
"""

from dataclasses import dataclass

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share

WORD_BYTES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """The feature maps as they lie in DRAM.

    ``inputs`` and ``outputs`` are the pairs before each row, (N, C, H + 1) and (N, K, P + 1), or
    None where the map is stored word by word.
    """

    inputs: np.ndarray | None = None
    outputs: np.ndarray | None = None

    @property
    def raw(self) -> bool:
        """Whether both lie there word by word."""
        return self.inputs is None and self.outputs is None

    def image(self, n: int) -> "Maps":
        """One image alone."""
        inputs, outputs = (
            None if pairs is None else pairs[n : n + 1] for pairs in (self.inputs, self.outputs)
        )
        return Maps(inputs, outputs)

    def input_bytes(self, per_word: int) -> dict[str, int]:
        """Bytes of the coded input; nothing where it is stored word by word."""
        if self.inputs is None:
            return {}
        return {"input": int(read_bytes(self.inputs, 0, -1, per_word).sum())}


@parallel_kernel
def count_pairs(share: Share, planes: np.ndarray, longest: int, pairs: np.ndarray) -> None:
    """Pairs that end before each row: integers (planes, H, W) -> int64 (planes, H + 1)."""
    height, width = planes.shape[1], planes.shape[2]
    for plane in turns(share, planes.shape[0]):
        last = -1  # the last non-zero of the plane
        for at in range(height * width - 1, -1, -1):
            if planes[plane, at // width, at % width] != 0:
                last = at
                break
        total, run = 0, 0
        pairs[plane, 0] = 0
        for row in range(height):
            for column in range(width):
                if row * width + column > last:
                    break
                if planes[plane, row, column] != 0 or run == longest:
                    total += 1
                    run = 0
                else:
                    run += 1
            pairs[plane, row + 1] = total


def pairs_before(values: np.ndarray, longest: int) -> np.ndarray:
    """Pairs of each plane that end before each of its rows.

    Parameters
    ----------
    values : integers, shape (N, C, H, W)
    longest : the longest run of zeros that one pair can tell of

    Returns
    -------
    int64, shape (N, C, H + 1); the last column is the length of the stream

    Examples
    --------
    >>> pairs_before(np.array([[[[0, 5], [0, 0], [0, 7]]]]), 2).tolist()
    [[[0, 1, 1, 3]]]
    """
    images, channels, height, width = values.shape
    found = np.empty((images * channels, height + 1), np.int64)
    planes = np.ascontiguousarray(values).reshape(images * channels, height, width)
    planes.setflags(write=False)  # whatever the caller may do with it: one kernel for all
    count_pairs(planes, longest, found)
    return found.reshape(images, channels, height + 1)


def read_bytes(pairs: np.ndarray, low: int, high: int, per_word: int) -> np.ndarray:
    """Bytes of the words that hold the pairs of rows low..high; int64 (N, C).

    Examples
    --------
    >>> read_bytes(np.array([[[0, 1, 1, 7]]]), 1, 3, 3).tolist()
    [[24]]
    """
    first, last = pairs[:, :, low], pairs[:, :, high]
    words: np.ndarray = np.where(last > first, -(-last // per_word) - first // per_word, 0)
    return words * WORD_BYTES


def written_bytes(pairs: np.ndarray, low: int, high: int, per_word: int) -> np.ndarray:
    """Bytes of the words that rows low..high fill up; the last row also stores a part of one.

    Examples
    --------
    >>> pairs = np.array([[[0, 1, 1, 7]]])
    >>> [written_bytes(pairs, row, row + 1, 3).item() for row in range(3)]
    [0, 0, 24]
    """
    end = pairs.shape[2] - 1
    begun = pairs[:, :, low] // per_word
    filled = pairs[:, :, high] // per_word if high < end else -(-pairs[:, :, high] // per_word)
    words: np.ndarray = filled - begun
    return words * WORD_BYTES
