"""Matrix products on the threads that kernels have.

OpenBLAS keeps threads of its own, which spin for a while after every product and take the cores
from the kernels: on two cores those between products ran five times slower.  So each of our own
threads calls NumPy's BLAS, and ``one_thread`` keeps it from starting others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import threadpoolctl

from arch.jit import turns
from arch.threads import Share, share_out


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let every call of BLAS use the thread that calls it, for a while."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


def products(left: np.ndarray, right: np.ndarray, edges: np.ndarray, out: np.ndarray) -> None:
    """``left.T @ right[a:b].T`` for all neighbours a, b in ``edges``, one behind the other.

    left : floats (inner, rows); right : floats (columns, inner); edges : int64 (pieces + 1,)
    out : floats (rows * columns,), a contiguous (rows, b - a) for each piece

    Examples
    --------
    >>> out = np.empty(6)
    >>> products(np.array([[1.0, 2]]), np.array([[1.0], [2], [3]]), np.array([0, 1, 3]), out)
    >>> out.tolist()
    [1.0, 2.0, 2.0, 3.0, 4.0, 6.0]
    """
    share_out(_products, left, right, edges, out)


def _products(
    share: Share, left: np.ndarray, right: np.ndarray, edges: np.ndarray, out: np.ndarray
) -> None:
    rows = left.shape[1]
    for piece in turns(share, edges.size - 1):
        low, high = edges[piece], edges[piece + 1]
        if low < high:
            part = out[low * rows : high * rows].reshape(rows, high - low)
            np.dot(left.T, right[low:high].T, part)
