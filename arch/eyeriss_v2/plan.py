"""The mapper: how a layer is laid on the array.

Assumption, all of it, since the chip's mapper is not published.  It knows the tensors, and of all
mappings that fit it takes the one with the fewest cycles, waits for DRAM by the exact schedule
included, then the fewest DRAM bytes.  It tries

- M0 : K/groups cut evenly into pieces of at most 32, 16, 8, 4, 2, 1; S0 : a kernel row or single
  taps; C0 : even pieces of as many channels as fill at most 16, 12, 8, 1 places of the iact spad;
  as far as psums, columns and words of weights of every PE, and iacts of a window fit;
- D : all items cut evenly into sets, as high as a column of PEs or lower;
- m1, g1 : pieces of output channels and groups at once, both cut evenly; e1, f1 : what is left of
  the array over output rows and pieces of them, so that the fullest PE has the fewest outputs;
- tile_rows : the output rows of an image in 1, 2, 3, 4, 6, 8 ... even pieces, or so many pieces
  of the images, whose psums fit half the GLB of psums and whose input fits half the GLB of iacts,
  of all passes (held) or of one.

Where a filter has one tap or one channel, it tries more M0, C0 and all even pieces of rows.
What is tried never depends on scratchpads and GLBs, which only rule out what does not fit, and
nothing is left out but what a bound shows to be no better: so more memory never costs a cycle.

Rule: specification/eyeriss_v2.md, EV2-11.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import gcd
from operator import itemgetter

import numpy as np

from arch.errors import OperandError
from arch.eyeriss_v2.columns import Columns
from arch.eyeriss_v2.iacts import skips_iacts
from arch.eyeriss_v2.kernels import stored_under
from arch.eyeriss_v2.mapping import Mapping, pieces, tile_bounds
from arch.eyeriss_v2.passes import Passes
from arch.eyeriss_v2.search import (
    COLUMNS,
    MOST,
    Limits,
    Pool,
    Sizes,
    least,
    search,
    sharpen,
)
from arch.eyeriss_v2.spec import ADDRESS_BITS, EyerissV2Spec
from arch.eyeriss_v2.stored import segments
from arch.eyeriss_v2.worked import Worked
from arch.parts import few_counts, part_counts, price_of
from workloads.layer import ConvLayer

M0_LIMITS = (32, 16, 8, 4, 2, 1)
WINDOWS = (16, 12, 8, 1)  # iacts of C0 x S0; an iact spad holds 16 at most
# of layers in which a filter has one tap or one channel, which are worked out quickly
MORE_M0_LIMITS = (32, 24, 16, 12, 8, 4, 2, 1)
MORE_WINDOWS = (16, 14, 13, 12, 8, 4, 2, 1)
PROMISING = 6  # mappings of the fewest expected cycles, which are worked out before all others
Cost = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A mapping, the columns of weights in it, what its passes load; its cycles and DRAM bytes."""

    mapping: Mapping
    columns: Columns
    passes: Passes
    cost: Cost


def even(total: int, most: int) -> int:
    """The size of pieces when ``total`` is cut evenly into pieces of at most ``most``.

    Examples
    --------
    >>> even(64, 24), even(5, 8)
    (22, 5)
    """
    return pieces(total, pieces(total, most))


def evens(total: int, most: int, limits: tuple[int, ...]) -> list[int]:
    """Sizes of even pieces of at most each of ``limits``, those of at most ``most``, large first.

    Examples
    --------
    >>> evens(64, 24, (32, 24, 16))
    [22, 16]
    """
    return sorted({size for limit in limits if (size := even(total, limit)) <= most}, reverse=True)


def tile_sizes(P: int, images: int, *, every: bool) -> list[int]:
    """Output rows of a tile, few first: even pieces of an image, all or few, or of the images.

    Examples
    --------
    >>> tile_sizes(28, 3, every=False)
    [1, 2, 3, 4, 5, 7, 10, 14, 28, 56, 84]
    """
    within = {pieces(P, count) for count in (part_counts(P) if every else few_counts(P))}
    return sorted(within | {P * pieces(images, count) for count in few_counts(images)})


class Planner:
    """The search for one layer.

    Parameters
    ----------
    worked : the layer's tensors on one machine
    taps : int64 (C, R, S), outputs of each tap that read a non-zero, all images
    """

    def __init__(self, worked: Worked, taps: np.ndarray) -> None:
        self.worked, self.spec = worked, worked.spec
        self.layer, self.images = worked.tensors.layer, worked.tensors.images
        layer = self.layer
        if not skips_iacts(layer, self.spec):
            taps = np.full_like(taps, self.images * layer.P * layer.Q)
        shape = (1, layer.groups, layer.channels_per_group, layer.R, layer.S)
        self._met = taps.reshape(shape).astype(np.int32)
        self._maps_words = int(worked.output_words.sum())
        self._of_M0: dict[int, tuple[int, int, int]] = {}
        sets = min(self.spec.pes, self.images * layer.P * layer.Q)
        self._shares = np.zeros((self._under.shape[0], sets + 1, 2), np.int64)

    @property
    def _quick(self) -> bool:
        return self.layer.R * self.layer.S == 1 or self.layer.channels_per_group == 1

    @cached_property
    def _under(self) -> np.ndarray:
        """Of every choice of tile rows: the rows, tiles, iacts and input rows under all of them."""
        layer, stored = self.layer, self.worked.stored
        lines = np.stack([stored.sum(axis=1).ravel(), np.ones(stored[:, 0].size)], axis=1)
        lines = np.ascontiguousarray(lines.astype(np.int64)[:, None])
        steps = [layer.strides[0], layer.dilations[0], layer.P]
        steps += [layer.padding[0], layer.H, layer.R]
        found = []
        for rows in tile_sizes(layer.P, self.images, every=self._quick):
            bounds = tile_bounds(self.images, layer.P, rows)
            each = np.zeros((bounds.size - 1, 1, 2), np.int64)
            stored_under(lines, bounds, np.array(steps), each)
            found.append([rows, bounds.size - 1, *each.sum(axis=(0, 1)).tolist()])
        return np.array(found, np.int64)

    @cached_property
    def _limits(self) -> Limits:
        spec = self.spec
        common = gcd(spec.clock_hz, spec.dram_bandwidth_bytes_per_s)
        per_byte = (spec.clock_hz // common) / (spec.dram_bandwidth_bytes_per_s // common)
        return Limits(
            rows=spec.array_rows,
            columns=spec.array_columns,
            routers=spec.weight_routers,
            stages=spec.pipeline_stages,
            exposed=int(spec.weight_loading == "exposed"),
            psum_bits=spec.psum_bits,
            psum_room=spec.psum_glb_bytes // 2 * 8,
            iact_room=spec.iact_glb_bytes // 2 * 8,
            latency=spec.dram_latency_cycles,
            burst=spec.dram_burst_bytes,
            transfer=per_byte * (1 - 1e-9),  # a bound, whatever was rounded
        )

    @cached_property
    def _taps(self) -> int:
        """Taps of a kernel row that may lie in a PE."""
        spec, stride = self.spec, self.layer.strides[1]
        # A window of S0 taps touches ceil(S0 / U) segments, and one more while it slides.
        return min(self._window, (spec.iact_spad_segments - 1) * stride)

    @property
    def _window(self) -> int:
        return min(self.spec.weight_spad_columns, self.spec.iact_spad_words)

    def _filters(self) -> list[int]:
        """All M0, large ones first."""
        limits = MORE_M0_LIMITS if self._quick else M0_LIMITS
        return evens(self.layer.K // self.layer.groups, self.spec.psum_spad_words, limits)

    def _inner(self, M0: int) -> Iterator[Mapping]:
        """All that may lie in one PE with that M0, most weights first; words are still to fit."""
        layer = self.layer
        for S0 in evens(layer.S, self._taps, (layer.S, 1)):
            windows = MORE_WINDOWS if self._quick else WINDOWS
            depths = tuple(max(1, window // S0) for window in windows)
            for C0 in evens(layer.channels_per_group, self._window // S0, depths):
                yield Mapping(layer, self.images, M0, C0, S0, 1, 1, 1, 1, 1, 1, held=False)

    def _known(self, M0: int) -> tuple[int, int, int]:
        """Slots of all PEs, words and bits of all weights with that M0."""
        if M0 not in self._of_M0:
            spec, columns = self.spec, self.worked.table.get(M0)
            slots = (self._met[0] * columns.words.sum(axis=1)).sum()
            words, bits = int(columns.words.sum()), int(columns.entries.sum()) * spec.word_bits
            if spec.processing == "csc":
                bits = words * spec.macs_per_pe * spec.word_bits
                bits += columns.words.size * ADDRESS_BITS["weight"]
            self._of_M0[M0] = int(slots), words, bits
        return self._of_M0[M0]

    @cached_property
    def _floor(self) -> tuple[int, int, int]:
        """The same, no more than they are with any M0."""
        spec, last = self.spec, self.worked.table.filters_last
        if spec.processing == "csc":
            filled = np.count_nonzero(last, axis=-1)
        else:
            filled = np.full(last.shape[:-1], last.shape[-1])
        slots, words = int((self._met[0] * filled).sum()), int(filled.sum())
        return slots // spec.macs_per_pe, words // spec.macs_per_pe, words * spec.word_bits

    def _least(self, known: tuple[int, int, int], passes: int) -> int:
        """Cycles below which no mapping of so many passes gets."""
        slots, words, bits = known
        bits += (self._maps_words + int(self._under[:, 2].min())) * self.spec.word_bits
        return int(least(self._limits, slots // self.spec.pes, words, passes, bits // 8 - 2))

    def _sizes(self, inner: Mapping) -> Sizes:
        layer, spec, csc = self.layer, self.spec, self.spec.processing == "csc"
        address = ADDRESS_BITS["iact"] if csc else 0
        lines = self.images * layer.P * layer.groups * pieces(inner.filters, inner.C0)
        return Sizes(
            images=self.images,
            groups=layer.groups,
            filters=inner.filters,
            channels=layer.channels_per_group,
            P=layer.P,
            Q=layer.Q,
            H=layer.H,
            R=layer.R,
            stride=layer.strides[0],
            dilation=layer.dilations[0],
            M0=inner.M0,
            C0=inner.C0,
            S0=inner.S0,
            s_pieces=inner.s_pieces,
            row_bits=layer.W * spec.word_bits,
            piece_bits=address * segments(inner, layer.W),
            word_bits=spec.word_bits,
            first_word_bits=spec.macs_per_pe * spec.word_bits if csc else spec.word_bits,
            weight_bits=self._known(inner.M0)[2],
            output_bits=self._maps_words * spec.word_bits
            + lines * address * segments(inner, layer.Q),
        )

    def _search(self, pool: Pool, *, deepest: bool) -> None:
        """Mappings that may win into the pool; of every M0 all, or those with most in a PE."""
        layer, spec = self.layer, self.spec
        for M0 in self._filters():
            columns = layer.groups * pieces(layer.K // layer.groups, M0)
            taps = layer.channels_per_group * layer.R * layer.S
            passes = pieces(columns * pieces(taps, self._window), spec.pes)
            if self._least(self._floor, passes) > pool.most[0]:
                continue
            if self._least(self._known(M0), passes) > pool.most[0]:
                continue
            for inner in self._inner(M0):
                passes = pieces(columns * inner.items, spec.pes)
                if self._least(self._known(M0), passes) > pool.most[0]:
                    continue
                words = self.worked.words(inner)
                if words.max() <= spec.usable_weight_words:
                    slots = self.worked.slots_of(inner, self._met)[0]
                    sizes, limits = self._sizes(inner), self._limits
                    search(sizes, limits, slots, words, self._under, self._shares, pool)
                    if deepest:
                        break

    def _mapping(self, row: list[int]) -> Mapping:
        _, _, D, m1, g1, rows, e1, f1, held, M0, C0, S0, _, _ = row
        layer, images = self.layer, self.images
        return Mapping(layer, images, M0, C0, S0, D, g1, m1, e1, f1, rows, held=bool(held))

    def _cost(self, mapping: Mapping, most: Cost) -> Cost:
        """Cycles and DRAM bytes of a mapping, exactly, or ``most`` where it takes more cycles."""
        lengths = self.worked.lengths(mapping, most[0])
        if lengths is None:
            return most
        return price_of(self.worked.steps(mapping, lengths), self.spec)

    def _promising(self) -> list[list[int]]:
        """Mappings that promise much: of every M0 with the most in a PE."""
        rows, count = np.zeros((PROMISING, COLUMNS), np.int64), np.zeros(1, np.int64)
        self._search(Pool(rows, count, np.array([MOST]), True), deepest=True)
        found: list[list[int]] = rows[: count[0]].tolist()
        return found

    def _hopeful(self, most: int) -> np.ndarray:
        """Mappings whose bound is not above ``most`` cycles, int64 (n, COLUMNS)."""
        size = 4096
        while True:
            rows, count = np.zeros((size, COLUMNS), np.int64), np.zeros(1, np.int64)
            self._search(Pool(rows, count, np.array([most]), False), deepest=False)
            if count[0] <= size:
                break
            size = int(count[0])
        return rows[: count[0]]

    def _ordered(self, rows: np.ndarray) -> list[list[int]]:
        """The same with raised bounds, those that share much in a row."""
        rows = rows[np.lexsort(rows.T[[0, 7, 11, 10, 9]])]
        shared = rows[:, [7, 9, 10, 11]]
        cuts = np.flatnonzero((shared[1:] != shared[:-1]).any(axis=1)) + 1
        groups: list[list[list[int]]] = []
        for group in np.split(rows, cuts) if len(rows) else ():
            slots = self.worked.piece_slots(self._mapping(group[0].tolist()))
            sharpen(group, slots, self._limits.exposed)
            groups.append(sorted(group.tolist(), key=itemgetter(1)))
        groups.sort(key=lambda group: group[0][1])
        return list(chain.from_iterable(groups))

    def best(self, most: Cost = (MOST, MOST), most_bytes: int = MOST) -> Plan | None:
        """The mapping with the fewest cycles, then bytes, if it costs less than ``most``.

        ``most_bytes`` are the DRAM bytes that no mapping may exceed.
        """
        best, chosen = most, None

        def work_out(rows: list[list[int]]) -> None:
            nonlocal best, chosen
            for row in rows:
                if row[1] <= best[0]:
                    mapping = self._mapping(row)
                    cost = self._cost(mapping, best)
                    if cost < best and cost[1] <= most_bytes:
                        best, chosen = cost, mapping

        work_out(self._promising())
        hopeful = self._hopeful(best[0])
        work_out(hopeful[np.lexsort(hopeful.T[::-1])][:PROMISING].tolist())
        work_out(self._ordered(hopeful[hopeful[:, 1] <= best[0]]))
        if chosen is None:
            return None
        return Plan(chosen, self.worked.columns(chosen), self.worked.passes(chosen), best)

    def choice(self) -> Plan:
        """The best of all mappings.

        Raises
        ------
        OperandError
            If no mapping fits the scratchpads and half of each GLB; names the layer.
        """
        found = self.best()
        if found is None:
            raise refusal(self.layer, self.spec)
        return found

    def least_bytes(self) -> int:
        """DRAM bytes below which no mapping gets, whatever the buffers: every tensor once.

        Addresses of iacts and of outputs are left out, and so are bursts.
        """
        maps = (self._maps_words + int(self._under[:, 2].min())) * self.spec.word_bits
        return (self._floor[2] + maps) // 8


def plan(worked: Worked, taps: np.ndarray) -> Plan:
    """Choose a mapping; parameters and errors as for ``Planner`` and its ``choice``.

    Examples
    --------
    >>> from workloads.tensors import LayerTensors
    >>> layer = ConvLayer("pw", C=64, K=64, H=32, W=32)
    >>> pixels, weights = np.ones((1, 64, 32, 32), np.uint8), np.ones((64, 64, 1, 1), np.int8)
    >>> tensors = LayerTensors(layer, pixels, weights)
    >>> worked = Worked(tensors, weights, np.ones((1, 64, 32, 32)), EyerissV2Spec())
    >>> found = plan(worked, np.full((64, 1, 1), 32 * 32)).mapping
    >>> found.M0, found.C0, found.D, found.m1, found.e1, found.f1
    (4, 16, 4, 16, 1, 3)
    """
    return Planner(worked, taps).choice()


def refusal(layer: ConvLayer, spec: EyerissV2Spec) -> OperandError:
    """What is told where no mapping fits."""
    return OperandError(
        f"{layer.name}: no mapping fits: one output row of {layer.Q} psums of "
        f"{spec.psum_bits} bits in half of psum_glb_bytes = {spec.psum_glb_bytes}, input rows "
        f"of {layer.W} iacts in half of iact_glb_bytes = {spec.iact_glb_bytes}, a column of "
        f"weights in {spec.usable_weight_words} words of the weight spad"
    )
