"""Coding of runs of zeros: the entries that a stream of values takes.

Each non-zero is stored with the number of zeros before it.  A run longer than the count can say
takes placeholders, zeros that are stored like values; zeros behind the last non-zero take nothing.
"""

import numpy as np

from arch.jit import parallel_kernel, turns
from arch.threads import Share


@parallel_kernel
def count_entries(share: Share, values: np.ndarray, longest: int, entries: np.ndarray) -> None:
    """Count the entries of each row of integers (rows, length), into int64 (rows,)."""
    for row in turns(share, values.shape[0]):
        total, run = 0, 0
        for at in range(values.shape[1]):
            if values[row, at] == 0:
                run += 1
            else:
                total += 1 + run // (longest + 1)
                run = 0
        entries[row] = total


def entries(values: np.ndarray, longest: int) -> np.ndarray:
    """Stored entries of each row: its non-zeros, and the placeholders between them.

    Parameters
    ----------
    values : integers, shape (rows, length)
    longest : the longest run of zeros that one entry can tell of, at least 1

    Returns
    -------
    int64, shape (rows,)

    Examples
    --------
    >>> entries(np.array([[0, 0, 0, 5, 0], [1, 2, 0, 3, 0]]), 2).tolist()
    [2, 3]
    """
    found = np.empty(values.shape[0], np.int64)
    count_entries(np.ascontiguousarray(values), longest, found)
    return found
