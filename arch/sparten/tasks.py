"""Tasks: a filter group and a range of its chunks, the least that stays in the filter buffer.

A filter group whose filters fit half the filter buffer is one task.  A larger one is cut into
passes, runs of chunks that do fit; its psums wait in the output buffer from pass to pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from arch.errors import OperandError
from arch.sparten.balance import unit_of_rank
from arch.sparten.spec import SpartenSpec


@dataclass(frozen=True, slots=True)
class Task:
    """One filter group and the chunks ``start``..``stop`` - 1 of its filters.

    Parameters
    ----------
    group : convolution group
    first, last : filters ``first``..``last`` - 1 of the group's sorted order
    pass_number, passes : which run of chunks this is, of how many
    stored_bytes : in DRAM and in the filter buffer, pointers included
    moved_bytes : masks and values, as they go to the units
    glb_accesses, unit_accesses : accesses that move them through either port, chunk by chunk
    held : each unit's part fits half its own buffer, so it stays from output to output
    """

    group: int
    first: int
    last: int
    start: int
    stop: int
    pass_number: int
    passes: int
    stored_bytes: int
    moved_bytes: int
    glb_accesses: int
    unit_accesses: int
    held: bool

    @property
    def filters(self) -> int:
        """Filters of the group."""
        return self.last - self.first

    @property
    def chunks(self) -> int:
        """Chunks of each filter."""
        return self.stop - self.start


def chunk_bytes(nonzeros: np.ndarray, lengths: np.ndarray, packed: bool, word: int) -> np.ndarray:
    """Mask and values of chunks, pointers left out; dense ones have no mask.

    Parameters
    ----------
    nonzeros : int64 (..., chunks)
    lengths : int64 (chunks,), positions of each
    packed : zeros are not stored
    word : bytes of a value

    Examples
    --------
    >>> chunk_bytes(np.array([5, 0]), np.array([16, 9]), True, 1).tolist()
    [7, 2]
    >>> chunk_bytes(np.array([5, 0]), np.array([16, 9]), False, 1).tolist()
    [16, 9]
    """
    if packed:
        found: np.ndarray = -(-lengths // 8) + nonzeros * word
        return found
    return np.broadcast_to(lengths * word, nonzeros.shape)


def tasks(
    name: str,
    group: int,
    nonzeros: np.ndarray,
    lengths: np.ndarray,
    bounds: np.ndarray,
    spec: SpartenSpec,
) -> Iterator[Task]:
    """The tasks of one convolution group, in order.

    Parameters
    ----------
    name : of the layer, for errors
    group : number of the convolution group
    nonzeros : int64 (filters, chunks), of each chunk's filters by rank
    lengths : int64 (chunks,)
    bounds : int64 (filter groups + 1,), where each begins
    spec : SpartenSpec

    Raises
    ------
    OperandError
        If one chunk of a filter group exceeds half the filter buffer.
    """
    moved = chunk_bytes(nonzeros, lengths, spec.skips_weights, spec.operand_bytes)
    stored = moved + (spec.pointer_bytes if spec.skips_weights else 0)
    ports = [-(-moved // port) for port in (spec.port_bytes, spec.unit_port_bytes)]
    half = spec.filter_glb_bytes // 2
    for first, last in pairwise(bounds.tolist()):
        part = slice(first, last)
        runs = list(_runs(name, stored[part].sum(axis=0), half))
        for number, (start, stop) in enumerate(runs):
            own = np.zeros(spec.units_per_cluster, np.int64)
            unit = unit_of_rank(last - first, spec.units_per_cluster)
            np.add.at(own, unit, moved[part, start:stop].sum(axis=1))
            yield Task(
                group,
                first,
                last,
                start,
                stop,
                number,
                len(runs),
                int(stored[part, start:stop].sum()),
                int(moved[part, start:stop].sum()),
                int(ports[0][part, start:stop].sum()),
                int(ports[1][part, start:stop].sum()),
                bool(own.max() <= spec.filter_buffer_bytes // 2),
            )


def _runs(name: str, sizes: np.ndarray, half: int) -> Iterator[tuple[int, int]]:
    """Longest runs of chunks that fit, first and last + 1."""
    start, held = 0, 0
    for chunk, size in enumerate(sizes.tolist()):
        if size > half:
            raise OperandError(
                f"{name}: one chunk of a filter group needs {size} B of filter_glb_bytes, "
                f"half of it holds {half} B"
            )
        if held + size > half:
            yield start, chunk
            start, held = chunk, 0
        held += size
    yield start, sizes.size
