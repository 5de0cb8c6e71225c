"""The inner joins of a layer: all matches, and how long each cluster takes for each task.

The time of a unit for one chunk is the number of its matches, of both filters where it has two,
and at least ``load_cycles``: the chunk's broadcast.  ``asynchronous``: a unit runs through the
chunks of a task on its own, and the cluster is done with an output position when its slowest unit
is.  ``broadcast``: the units wait for each other after each chunk.  ``chunk``: so do all clusters.
"""

from dataclasses import dataclass

import numpy as np

from arch.sparten.balance import grouping
from arch.sparten.chunks import filter_masks, lengths, window_masks
from arch.sparten.kernels import BLOCK, count_chunks, join_free, join_locked
from arch.sparten.spec import SpartenSpec
from arch.sparten.tasks import Task, chunk_bytes, tasks
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Input chunks on their way to the units, all output positions and tasks, each sent once.

    ``glb_bytes`` and ``glb_accesses`` leave the shared buffer; ``unit_bytes`` and
    ``unit_accesses`` are written into the buffers of the units that have a filter.
    """

    glb_bytes: int = 0
    glb_accesses: int = 0
    unit_bytes: int = 0
    unit_accesses: int = 0

    def __add__(self, other: "Windows") -> "Windows":
        """Both."""
        return Windows(
            self.glb_bytes + other.glb_bytes,
            self.glb_accesses + other.glb_accesses,
            self.unit_bytes + other.unit_bytes,
            self.unit_accesses + other.unit_accesses,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """What the joins of a layer took.

    Parameters
    ----------
    tasks : of all convolution groups, in order
    order : int64 (K,), the filters in the order they are worked on
    times : int64 (tasks, N x P x Q), cycles of a cluster for an output position; in step after
        each chunk (tasks, N x P), cycles of all clusters for an output row
    occupied : int64 (tasks,), cycles of clusters that have an output position
    matched : int64 (tasks,), matching pairs
    worked : int64 (tasks,), cycles in which units match or wait for a chunk's load
    windows : Windows
    """

    tasks: tuple[Task, ...]
    order: np.ndarray
    times: np.ndarray
    occupied: np.ndarray
    matched: np.ndarray
    worked: np.ndarray
    windows: Windows


def join(
    layer: ConvLayer, activations: np.ndarray, weights: np.ndarray, spec: SpartenSpec
) -> Joined:
    """Join all filters with all windows.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)
    spec : SpartenSpec

    Raises
    ------
    OperandError
        If one chunk of a filter group exceeds half the filter buffer.

    Examples
    --------
    >>> layer = ConvLayer("a", C=2, K=1, H=1, W=2)
    >>> done = join(layer, np.array([1, 0, 2, 3]).reshape(1, 2, 1, 2),
    ...     np.array([5, 6]).reshape(1, 2, 1, 1), SpartenSpec())
    >>> done.times.tolist(), done.matched.tolist()
    ([[2, 1]], [3])
    """
    parts = [
        _group(layer, group, part, filters, spec)
        for group, (part, filters) in enumerate(
            zip(
                np.split(activations, layer.groups, axis=1),
                np.split(weights, layer.groups),
                strict=True,
            )
        )
    ]
    return Joined(
        tuple(task for part in parts for task in part.tasks),
        np.concatenate([part.order for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.occupied for part in parts]),
        np.concatenate([part.matched for part in parts]),
        np.concatenate([part.worked for part in parts]),
        sum((part.windows for part in parts), Windows()),
    )


def _group(
    layer: ConvLayer, group: int, activations: np.ndarray, weights: np.ndarray, spec: SpartenSpec
) -> Joined:
    filters = filter_masks(weights, spec)
    windows = window_masks(layer, activations, spec)
    sizes = lengths(layer, spec)
    nonzeros = np.empty(filters.shape[:2], np.int64)
    count_chunks(filters, nonzeros)
    groups = grouping(nonzeros, spec)
    todo = tuple(tasks(layer.name, group, groups.by_rank(nonzeros), sizes, groups.bounds, spec))
    table = np.array([[task.first, task.last, task.start, task.stop] for task in todo], np.int64)
    used = np.minimum(table[:, 1] - table[:, 0], spec.units_per_cluster)
    by_rank = np.ascontiguousarray(groups.by_rank(filters).transpose(1, 2, 0))
    common = (windows, by_rank, table, used, spec.load_cycles)
    if spec.sync == "chunk":
        rows = activations.shape[0] * layer.P
        times, held = np.empty((2, len(todo), rows), np.int64)
        totals = np.empty((len(todo), rows, 2), np.int64)
        join_locked(*common, spec.clusters, times, held, totals)
        occupied = held.sum(axis=1)
    else:
        times = np.empty((len(todo), windows.shape[0]), np.int64)
        totals = np.empty((len(todo), -(-windows.shape[0] // BLOCK), 2), np.int64)
        join_free(*common, spec.sync == "broadcast", times, totals)
        occupied = times.sum(axis=1)
    return Joined(
        todo,
        groups.order + group * weights.shape[0],
        times,
        occupied,
        totals[:, :, 0].sum(axis=1),
        totals[:, :, 1].sum(axis=1),
        _broadcasts(windows, sizes, table, used, spec),
    )


def _broadcasts(
    windows: np.ndarray, sizes: np.ndarray, table: np.ndarray, used: np.ndarray, spec: SpartenSpec
) -> Windows:
    nonzeros = np.empty(windows.shape[:2], np.int64)
    count_chunks(windows, nonzeros)
    moved = chunk_bytes(nonzeros, sizes, spec.skips_activations, spec.operand_bytes)
    by_chunk = [moved.sum(axis=0)]
    by_chunk += [
        (-(-moved // port)).sum(axis=0) for port in (spec.port_bytes, spec.unit_port_bytes)
    ]
    bounds = [np.append(0, np.cumsum(part)) for part in by_chunk]
    size, glb, unit = ((part[table[:, 3]] - part[table[:, 2]]) for part in bounds)
    return Windows(
        int(size.sum()), int(glb.sum()), int((size * used).sum()), int((unit * used).sum())
    )
