"""The weights of groups of filters, queued and stored, and which channels each group reads."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from arch.scnn.feed import Feed
from arch.scnn.plan import Grouping
from arch.scnn.queues import count_weights, list_weights, queue_weights
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """The weights of a layer that are queued, tap by tap, whatever the groups of filters.

    ``filters`` and ``first`` as ``list_weights`` gives them; ``phase`` int64 (taps,), of each tap.
    """

    layer: ConvLayer
    filters: np.ndarray
    first: np.ndarray
    phase: np.ndarray

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
        """What the scans by groups of filters begin with."""
        layer = self.layer
        per = layer.K // layer.groups
        return self.filters, self.first, self.phase, per, layer.channels_per_group


def taps(feed: Feed, spec: ScnnSpec) -> Taps:
    """List the weights of a layer."""
    layer = feed.layer
    per, depth = layer.K // layer.groups, layer.channels_per_group
    values = feed.by_tap if spec.skip_zeros else np.ones_like(feed.by_tap)
    values = values.reshape(depth, -1, layer.K)
    counts = values.reshape(depth, -1, layer.groups, per).sum(axis=3, dtype=np.int64)
    first = np.zeros((layer.C, counts.shape[1] + 1), np.int64)
    ends = np.cumsum(counts.transpose(2, 0, 1)).reshape(layer.C, -1)
    first[:, 1:] = ends
    first[1:, 0] = ends[:-1, -1]
    filters = np.empty(int(ends[-1, -1]), np.int32)
    list_weights(values, per, first, filters)
    sides = zip((layer.R, layer.S), layer.dilations, layer.strides, strict=True)
    down, across = (np.arange(n) * dilation % stride for n, dilation, stride in sides)
    phase = down[:, None] * layer.strides[1] + across
    return Taps(layer, filters, first, phase.reshape(-1))


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of all groups.

    Parameters
    ----------
    taps : the weights
    grouping : the groups of filters
    first : int64 (groups, C, phases + 1), where each phase begins in ``entries``
    vectors : float64 (groups, C, phases), vectors of them
    stored : int64 (groups,), entries in run-of-zeros form
    reads : bool (groups, C), whether a group reads a channel
    """

    taps: Taps
    grouping: Grouping
    first: np.ndarray
    vectors: np.ndarray
    stored: np.ndarray
    reads: np.ndarray

    @cached_property
    def entries(self) -> np.ndarray:
        """The queues, int32, as ``queue_weights`` gives them."""
        found = np.empty(self.taps.filters.size, np.int32)
        queue_weights(*self.taps.places, self.grouping.bounds, self.first, found)
        return found

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


def weights(of: Taps, spec: ScnnSpec, grouping: Grouping) -> Weights:
    """Count the weights of every group of filters."""
    layer = of.layer
    counts = np.empty((grouping.size, layer.C, prod(layer.strides)), np.int64)
    stored = np.empty(counts.shape[:2], np.int64)
    count_weights(*of.places, grouping.bounds, spec.longest_run, counts, stored)
    first = np.zeros((*counts.shape[:2], counts.shape[2] + 1), np.int64)
    ends = np.cumsum(counts).reshape(counts.shape)
    first[:, :, 0] = ends[:, :, 0] - counts[:, :, 0]
    first[:, :, 1:] = ends
    return Weights(
        of,
        grouping,
        first,
        (-(-counts // spec.weight_vector)).astype(np.float64),
        stored.sum(axis=1),
        touched(layer, grouping),
    )
