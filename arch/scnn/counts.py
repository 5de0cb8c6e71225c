"""A plane + groups of filters -> what every step does: blocks, products, cycles of each PE.

A step is one group of filters on one strip of one image; in a fully connected layer as many groups
as there are PEs.  Nothing here depends on barriers, clocks, the sizes of memories or the DRAM.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from arch.scnn.kernels import banks_by_tap, block_cycles, filter_cycles
from arch.scnn.plane import Plane
from arch.scnn.spec import ScnnSpec
from arch.scnn.weights import Weights

CELLS = 1 << 21  # of a table by channel, group of filters and tile that are counted at once
OWN = 64  # channels of a grouped layer that are counted at once
STAGES = 4  # parts of the channels, after each of which a count may end early


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Counts of one or more strips; arrays are int64 and run over the steps in order.

    Parameters
    ----------
    slowest : (steps,), sum over input channels of the slowest PE's cycles
    per_pe : (steps, PEs), cycles of each PE
    halo_cycles : (steps,), psums of the largest exchange with one neighbour
    weight_entries : (steps,), of the weights in run-of-zeros form
    filters : (steps, 2), from and to which filter
    used : (PEs,), 1 for those that have a tile, or filters, in any step
    blocks, products : of all PEs; products also of outputs that do not exist
    starts : cycles of all PEs to begin channels, part of ``per_pe``
    activation_vectors, weight_vectors : read from IARAM, and written into FIFOs
    halo_words : psums exchanged
    """

    slowest: np.ndarray
    per_pe: np.ndarray
    halo_cycles: np.ndarray
    weight_entries: np.ndarray
    filters: np.ndarray
    used: np.ndarray
    blocks: int
    products: int
    starts: int
    activation_vectors: int
    weight_vectors: int
    halo_words: int

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.slowest.size)

    @property
    def busy_cycles(self) -> int:
        """Cycles of all PEs."""
        return int(self.per_pe.sum())

    @property
    def used_pes(self) -> int:
        """PEs that have work in any step."""
        return int(self.used.sum())


def joined(parts: Sequence[Part]) -> Part:
    """All parts, one after the other."""
    found = {}
    for field in fields(Part):
        values = [getattr(part, field.name) for part in parts]
        if field.name == "used":
            found[field.name] = np.max(values, axis=0)
        else:
            arrays = isinstance(values[0], np.ndarray)
            found[field.name] = np.concatenate(values) if arrays else sum(values)
    return Part(**found)


def steps_of(groups: np.ndarray, shared: bool, spec: ScnnSpec) -> np.ndarray:
    """First row of each step of a strip in an array by group of filters."""
    return np.arange(0, groups.shape[0], spec.pes if shared else 1)


class Tally:
    """The cycles of all blocks, counted channel by channel.

    Until all are counted, the rest stands in as if no bank were in conflict: ``part`` is then a
    lower bound of every PE's cycles, and of the slowest ones'.
    """

    def __init__(self, spec: ScnnSpec, on: Plane, of: Weights) -> None:
        self.spec, self.on, self.of, self.counted = spec, on, of, 0
        self.taps = of.vectors.reshape(of.grouping.size, -1)
        self.banks = banks_by_tap(on.rows.out, on.columns.out)
        self.exact = np.zeros((of.grouping.size, on.vectors.shape[2]), np.int64)
        self.slowest = np.zeros((len(self._steps()), on.strips), np.int64)
        self.blocks = self._blocks(0)
        self.rest = self.blocks + self._starts(0)
        self.known = self._known()

    @property
    def done(self) -> bool:
        """Whether all channels are counted."""
        return self.counted == len(self.on.vectors)

    def _steps(self) -> np.ndarray:
        return steps_of(self.of.reads, self.on.shared, self.spec)

    def _blocks(self, first: int) -> np.ndarray:
        """Blocks from a channel on, int64 (groups, tiles)."""
        low = first * self.on.vectors.shape[1]
        return (self.taps[:, low:] @ self.on.flat[low:]).astype(np.int64)

    def _starts(self, first: int) -> np.ndarray:
        """Cycles to begin the channels from one on, int64 (groups, 1)."""
        reads: np.ndarray = self.of.reads[:, first:].sum(axis=1, dtype=np.int64)
        return self.spec.channel_cycles * reads[:, None]

    def _cycles(self, low: int, high: int, groups: slice) -> np.ndarray:
        """Cycles of some channels, (channels, groups, tiles)."""
        on, of, spec = self.on, self.of, self.spec
        if spec.skip_zeros and spec.bank_conflicts == "stall":
            shape = (high - low, groups.stop - groups.start, on.vectors.shape[2])
            cycles = np.empty(shape, np.int64)
            queued = of.entries, np.ascontiguousarray(of.first[groups, low:high])
            if on.shared:
                active = on.first[low:high, 1] > 0
                filter_cycles(active, *queued, spec.weight_vector, cycles[:, :, 0])
            else:
                pixels = on.queue[low:high], on.first[low:high]
                size = spec.activation_vector
                block_cycles(*pixels, *queued, self.banks, size, spec.weight_vector, cycles)
        else:
            taps = of.vectors[groups, low:high].astype(np.int64)
            cycles = np.einsum("cpt,gcp->cgt", on.vectors[low:high], taps)
        if spec.channel_cycles:
            cycles += spec.channel_cycles * of.reads[groups, low:high].T[:, :, None]
        return cycles

    def _add(self, low: int, high: int) -> None:
        """Count some channels: only the groups of filters that read any of them."""
        using = np.flatnonzero(self.of.reads[:, low:high].any(axis=1))
        groups = slice(int(using[0]), int(using[-1]) + 1)
        cycles = self._cycles(low, high, groups)
        self.exact[groups] += cycles.sum(axis=0)
        if not self.on.shared:
            self.slowest[groups] += self.on.by_strip(cycles, most=True).sum(axis=0)
            return
        most = np.zeros((high - low, self.exact.shape[0]), np.int64)
        most[:, groups] = cycles[:, :, 0]
        self.slowest[:, 0] += np.maximum.reduceat(most, self._steps(), axis=1).sum(axis=0)

    def stages(self) -> Iterator[None]:
        """Count, and come back from time to time."""
        channels = len(self.on.vectors)
        piece = max(1, CELLS // self.exact.size)
        if not self.of.reads.all():  # each group of filters reads its own channels
            piece = max(piece, OWN)
        for stage in range(1, STAGES + 1):
            end = -(-channels * stage // STAGES)
            if end <= self.counted:
                continue
            while self.counted < end:
                high = min(end, self.counted + piece)
                self._add(self.counted, high)
                self.counted = high
            self.rest = self._blocks(self.counted) + self._starts(self.counted)
            yield

    def _on_pes(self, values: np.ndarray) -> np.ndarray:
        """(groups, tiles) -> (steps, PEs)."""
        groups, spec, on = values.shape[0], self.spec, self.on
        if on.shared:
            padded = np.zeros((len(self._steps()), spec.pes), np.int64)
            padded.reshape(-1)[:groups] = values[:, 0]
            return padded
        grid = np.zeros((on.strips, groups, spec.pes), np.int64)
        grid[on.strip[:, None], np.arange(groups), on.pe[:, None]] = values.T
        return grid.reshape(-1, spec.pes)

    def _filters(self) -> np.ndarray:
        """From and to which filter each step goes."""
        bounds = self.of.grouping.bounds
        starts = bounds[self._steps()]
        ends = np.append(starts[1:], bounds[-1])
        return np.tile(np.stack([starts, ends], axis=1), (self.on.strips, 1))

    def _known(self) -> Part:
        """What does not depend on conflicts."""
        on, of, spec = self.on, self.of, self.spec
        filters, (most, total) = self._filters(), on.halo
        K, reads = int(of.grouping.bounds[-1]), of.reads.sum(axis=0)
        values = on.values.sum(axis=2) * of.counts.sum(axis=0)
        stored = np.add.reduceat(of.stored, self._steps())
        size = filters[:, 1] - filters[:, 0]
        nothing = np.zeros(len(filters), np.int64)
        return Part(
            slowest=nothing,
            per_pe=nothing[:, None],
            halo_cycles=np.repeat(most, len(self._steps())) * size,
            weight_entries=np.tile(stored, on.strips),
            filters=filters,
            used=self._on_pes(np.ones_like(self.exact)).max(axis=0),
            blocks=int(self.blocks.sum()),
            products=int(values.sum()),
            starts=int(self._starts(0).sum()) * self.exact.shape[1],
            activation_vectors=int((on.vectors.sum(axis=(1, 2)) * reads).sum()),
            weight_vectors=int(of.vectors.sum()) * on.strips * (1 if on.shared else spec.pes),
            halo_words=total * K,
        )

    def part(self) -> Part:
        """What is known so far."""
        slowest, per_pe = self.slowest.T.reshape(-1), self._on_pes(self.exact + self.rest)
        if not self.done:
            slowest = slowest + self._on_pes(self.rest).max(axis=1)
        return replace(self.known, slowest=slowest, per_pe=per_pe)
