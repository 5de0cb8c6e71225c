"""Weights as compressed sparse columns: the M0 weights of one input channel and one tap.

Rules: specification/eyeriss_v2.md, EV2-1 to EV2-3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.eyeriss_v2.spec import EyerissV2Spec
from arch.zero_runs import entries
from workloads.layer import ConvLayer


def filters_last(layer: ConvLayer, weights: np.ndarray) -> np.ndarray:
    """Weights by column, int8 (G, C/groups, R, S, K/groups), contiguous.

    Parameters
    ----------
    layer : ConvLayer
    weights : integers that fit int8, shape (K, C/groups, R, S)
    """
    grouped = weights.astype(np.int8).reshape(layer.groups, -1, *layer.weight_shape[1:])
    return np.ascontiguousarray(grouped.transpose(0, 2, 3, 4, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What every column holds when K is cut into pieces of M0: int32 (G, pieces, C/groups, R, S).

    ``entries`` are its stored weights, placeholders of long runs of zeros included; ``words``
    pack them macs_per_pe at a time, which is also the slots in which they are multiplied.
    """

    M0: int
    entries: np.ndarray
    words: np.ndarray


def columns(last: np.ndarray, M0: int, spec: EyerissV2Spec) -> Columns:
    """Columns of M0 weights.

    Assumption: a run of zeros too long for the count takes a stored zero, which is multiplied.

    Parameters
    ----------
    last : int8 (G, C/groups, R, S, K/groups), see ``filters_last``
    M0 : weights of a column, at least 1
    spec : EyerissV2Spec

    Examples
    --------
    >>> five = np.array([0, 3, 1, 0, 2], np.int8).reshape(1, 1, 1, 1, 5)
    >>> found = columns(five, 3, EyerissV2Spec())
    >>> found.entries.ravel().tolist(), found.words.ravel().tolist()
    ([2, 1], [1, 1])
    """
    filters = last.shape[-1]
    pieces = -(-filters // M0)
    if spec.processing == "dense":
        sizes = np.full(pieces, M0, np.int32)
        sizes[-1] = filters - (pieces - 1) * M0
        stored = np.broadcast_to(sizes, (*last.shape[:-1], pieces))
    else:
        room = ((0, 0),) * 4 + ((0, pieces * M0 - filters),)
        stored = entries(np.pad(last, room).reshape(-1, M0), (1 << spec.count_bits) - 1)
        stored = stored.astype(np.int32).reshape(*last.shape[:-1], pieces)
    stored = np.ascontiguousarray(stored.transpose(0, 4, 1, 2, 3))
    return Columns(M0, stored, -(-stored // spec.macs_per_pe))


class ColumnTable:
    """Columns of one layer for every M0 that is asked for, each worked out once."""

    def __init__(self, layer: ConvLayer, weights: np.ndarray, spec: EyerissV2Spec) -> None:
        self.filters_last = filters_last(layer, weights)
        self._spec = spec
        self._found: dict[int, Columns] = {}

    def get(self, M0: int) -> Columns:
        """Columns of M0 weights."""
        if M0 not in self._found:
            self._found[M0] = columns(self.filters_last, M0, self._spec)
        return self._found[M0]

    @property
    def found(self) -> Mapping[int, Columns]:
        """All that were asked for."""
        return self._found
