"""The weights of groups of filters, queued and stored, and which channels each group reads."""

from dataclasses import dataclass
from math import prod

import numpy as np

from arch.scnn.feed import Feed
from arch.scnn.plan import Grouping
from arch.scnn.plane import Plane
from arch.scnn.queues import queue_weights, store_weights
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of all groups.

    Parameters
    ----------
    grouping : the groups of filters
    entries : int32, as ``queue_weights`` gives them
    first : int64 (groups, C, phases + 1), where each phase begins in ``entries``
    vectors : float64 (C, phases, groups), vectors of them
    stored : int64 (groups,), entries in run-of-zeros form
    reads : bool (groups, C), whether a group reads a channel
    """

    grouping: Grouping
    entries: np.ndarray
    first: np.ndarray
    vectors: np.ndarray
    stored: np.ndarray
    reads: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Weights by group, channel and phase."""
        return np.diff(self.first, axis=2)


def touched(layer: ConvLayer, grouping: Grouping) -> np.ndarray:
    """Whether a group of filters reads a channel: bool (groups of filters, C)."""
    bounds, per = grouping.bounds, layer.K // layer.groups
    own = np.arange(layer.C) // layer.channels_per_group * per
    found: np.ndarray = (bounds[:-1, None] < own + per) & (bounds[1:, None] > own)
    return found


def weights(feed: Feed, spec: ScnnSpec, on: Plane, grouping: Grouping) -> Weights:
    """Queue the weights of every group of filters; of the plane only its phases matter."""
    layer, keep, bounds = feed.layer, not spec.skip_zeros, grouping.bounds
    per_group, phases = layer.K // layer.groups, prod(layer.strides)
    shape = (grouping.size, layer.C)
    first = np.zeros((*shape, phases + 1), np.int64)
    taps = on.rows.tap_phase, on.columns.tap_phase, layer.strides
    nothing = np.empty(0, np.int32)
    queue_weights(feed.by_tap, keep, bounds, per_group, *taps, first, nothing)
    counts = first[:, :, 1:].copy()
    ends = np.cumsum(counts.reshape(-1)).reshape(*shape, phases)
    first[:, :, 0] = ends[:, :, 0] - counts[:, :, 0]
    first[:, :, 1:] = ends
    entries = np.empty(int(ends[-1, -1, -1]), np.int32)
    if entries.size:
        queue_weights(feed.by_tap, keep, bounds, per_group, *taps, first, entries)
    stored = np.zeros(shape, np.int64)
    store_weights(feed.by_tap, keep, bounds, per_group, spec.longest_run, stored)
    vectors = (-(-counts // spec.weight_vector)).transpose(1, 2, 0)
    return Weights(
        grouping,
        entries,
        first,
        np.ascontiguousarray(vectors, np.float64),
        stored.sum(axis=1),
        touched(layer, grouping),
    )
