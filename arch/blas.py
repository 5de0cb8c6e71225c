"""Matrix products inside kernels, on the threads that kernels have.

OpenBLAS keeps threads of its own, which spin for a while after every product and take the cores
from Numba's: on two cores the kernels between products ran five times slower.  Numba's ``np.dot``
calls the BLAS of SciPy from each of our own threads; ``one_thread`` keeps it from starting others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import threadpoolctl

from arch.jit import parallel_kernel, turns
from arch.threads import Share


@cache
def _controller() -> threadpoolctl.ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  # loads the library that is looked for

    return threadpoolctl.ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let every call of BLAS use the thread that calls it, for a while."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


@parallel_kernel
def products(
    share: Share, left: np.ndarray, right: np.ndarray, edges: np.ndarray, out: np.ndarray
) -> None:
    """``left.T @ right[a:b].T`` for all neighbours a, b in ``edges``, one behind the other.

    left : floats (inner, rows); right : floats (columns, inner); edges : int64 (pieces + 1,)
    out : floats (rows * columns,), a contiguous (rows, b - a) for each piece
    """
    rows = left.shape[1]
    for piece in turns(share, edges.size - 1):
        low, high = edges[piece], edges[piece + 1]
        if low < high:
            part = out[low * rows : high * rows].reshape(rows, high - low)
            np.dot(left.T, right[low:high].T, part)
