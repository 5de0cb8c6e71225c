"""The mapper: how a layer is laid on the array.

Assumption, all of it, since the chip's mapper is not published.  It knows the weights, as they
are there before the layer runs, and not the iacts, which it takes for non-zero.  It tries

- M0 : K/groups cut evenly into pieces of at most 32, 24, 16, 12, 8, 4, 2, 1, as far as the psum
  spad goes and until four of them fit;
- C0 : as many channels as fit with that M0, cut evenly: columns and words of weights of every
  PE, iacts of a window;
- D : all items cut evenly into sets, as high as a column of PEs or lower;
- m1, g1 : pieces of output channels and groups at once, both cut evenly; e1, f1 : what is left of
  the array over output rows and pieces of them, so that the fullest PE has the fewest outputs;
- tile_rows : the most output rows whose psums fit half the GLB of psums and whose input fits half
  the GLB of iacts, either of all passes (held) or of one;

and takes the mapping whose passes and DRAM bytes take the fewest cycles, the longer of the two
first, their sum second, the first one found at last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from arch.errors import OperandError
from arch.eyeriss_v2.columns import Columns, ColumnTable
from arch.eyeriss_v2.mapping import Mapping, pieces
from arch.eyeriss_v2.passes import Passes, passes, weights_stay, words_of_pes
from arch.eyeriss_v2.spec import EyerissV2Spec
from arch.eyeriss_v2.stored import most_input_bits, weight_bits
from workloads.layer import ConvLayer

M0_LIMITS = (32, 24, 16, 12, 8, 4, 2, 1)
M0_TRIED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A mapping, the columns of weights in it, and what its passes load."""

    mapping: Mapping
    columns: Columns
    passes: Passes


def even(total: int, most: int) -> int:
    """The size of pieces when ``total`` is cut evenly into pieces of at most ``most``.

    Examples
    --------
    >>> even(64, 24), even(5, 8)
    (22, 5)
    """
    return pieces(total, pieces(total, most))


def evens(total: int, most: int) -> list[int]:
    """All sizes of even pieces of at most ``most``, large ones first, in few steps.

    Examples
    --------
    >>> evens(64, 24)
    [22, 11, 8, 6, 4, 3, 2, 1]
    """
    limits = {most // part for part in (1, 2, 3, 4, 6, 8, 12)} | {1, 2, 3, 4, 6, 8}
    return sorted({even(total, limit) for limit in limits if 1 <= limit <= most}, reverse=True)


@cache
def _shares(rows: int, columns: int, sets: int) -> tuple[int, int]:
    """e1 and f1 for a tile of ``rows`` of ``columns`` outputs.

    Fewest outputs in the fullest PE, then fewest sets, then most rows, which share iacts.
    """

    def cost(e1: int) -> tuple[int, int]:
        f1 = pieces(columns, pieces(columns, min(columns, sets // e1)))
        return pieces(rows, e1) * pieces(columns, f1), e1 * f1

    e1 = min(range(min(rows, sets), 0, -1), key=cost)
    return e1, pieces(columns, pieces(columns, min(columns, sets // e1)))


class _Mapper:
    """The search for one layer."""

    def __init__(
        self, layer: ConvLayer, images: int, table: ColumnTable, spec: EyerissV2Spec
    ) -> None:
        self.layer, self.images, self.table, self.spec = layer, images, table, spec
        window = min(spec.weight_spad_columns, spec.iact_spad_words)
        # A window of S0 taps touches ceil(S0 / U) segments, and one more while it slides.
        self.S0 = min(layer.S, window, (spec.iact_spad_segments - 1) * layer.stride)
        self.window = window

    def inner(self) -> Iterator[tuple[Mapping, Columns, np.ndarray]]:
        """Mappings that fit a PE, nothing laid on the array yet; their columns; words of PEs."""
        filters, channels = self.layer.K // self.layer.groups, self.layer.channels_per_group
        tried: set[int] = set()
        for limit in M0_LIMITS:
            M0 = even(filters, min(limit, self.spec.psum_spad_words))
            if M0 in tried or len(tried) == M0_TRIED:
                continue
            columns = self.table.get(M0)
            depths = {even(channels, most + 1) for most in range(self.window // self.S0)}
            for C0 in sorted(depths, reverse=True):
                mapping = Mapping(
                    self.layer, self.images, M0, C0, self.S0, 1, 1, 1, 1, 1, 1, held=False
                )
                words = words_of_pes(mapping, columns)
                if words.max() <= self.spec.usable_weight_words:
                    tried.add(M0)
                    yield mapping, columns, words
                    break

    def outer(self, inner: Mapping) -> Iterator[Mapping]:
        """All ways to lay a mapping on the array."""
        spec, groups = self.spec, self.layer.groups
        for D in evens(inner.items, spec.array_rows):
            sets = spec.array_columns * (spec.array_rows // D)
            for m1 in evens(inner.m_pieces, sets):
                for g1 in evens(groups, sets // m1):
                    yield from self._tiled(inner, D, m1, g1, sets // (m1 * g1))

    def _tiled(self, inner: Mapping, D: int, m1: int, g1: int, sets: int) -> Iterator[Mapping]:
        for held in (True, False):
            rows = self._tile_rows(inner, D, m1, g1, held=held)
            if rows:
                e1, f1 = _shares(rows, self.layer.Q, sets)
                yield Mapping(
                    self.layer,
                    self.images,
                    inner.M0,
                    inner.C0,
                    inner.S0,
                    D,
                    g1,
                    m1,
                    e1,
                    f1,
                    rows,
                    held=held,
                )

    def _tile_rows(self, inner: Mapping, D: int, m1: int, g1: int, *, held: bool) -> int:
        """The most output rows of a tile, cut evenly; 0 if not even one fits."""
        layer, spec = self.layer, self.spec
        filters = min(inner.filters, m1 * inner.M0)
        psums = spec.psum_glb_bytes // 2 * 8 // (spec.psum_bits * g1 * filters * layer.Q)
        channels = layer.channels_per_group
        if not held:  # D items in a row touch at most so many pieces of channels
            touched = pieces(D - 1, inner.kernel_pieces) + 1
            channels = min(channels, touched * inner.C0)
        row = most_input_bits(inner, 1, channels, spec) * g1
        inputs = spec.iact_glb_bytes // 2 * 8 // row
        if min(psums, inputs) < 1:
            return 0
        whole = min(psums // layer.P, inputs // self._input_rows(layer.P), self.images)
        if whole >= 1:
            return layer.P * even(self.images, whole)
        most = min(psums, layer.P)
        while most and self._input_rows(most) > inputs:
            most -= 1
        return even(layer.P, most) if most else 0

    def _input_rows(self, rows: int) -> int:
        """Input rows under so many output rows of one image, at most."""
        layer = self.layer
        reach = (rows - 1) * layer.stride + layer.dilation * (layer.R - 1) + 1
        return min(layer.H, reach, rows * layer.R)

    def cost(self, mapping: Mapping, weights: int, found: Passes) -> tuple[int, int]:
        """Cycles if no iact is zero: the longer of passes and DRAM, and their sum.

        ``weights`` are the bits of all weights.
        """
        layer, spec = self.layer, self.spec
        rows = np.diff(mapping.tiles)
        each = pieces(layer.Q, mapping.f1)
        outputs = -(-rows // mapping.e1) * each
        stay = weights_stay(mapping)
        if spec.weight_loading == "exposed":
            load = int(found.load.sum()) * (1 if stay else rows.size)
            slots = int(found.most.sum()) * int(outputs.sum()) + load
        else:
            sizes, often = np.unique(outputs, return_counts=True)
            slots = sum(
                int(np.maximum(found.most * size, 0 if stay else found.load).sum()) * int(times)
                for size, times in zip(sizes.tolist(), often.tolist(), strict=True)
            )
        cycles = slots + spec.pipeline_stages * int(np.prod(mapping.shape))
        dram = self._dram_bytes(mapping, weights, stay)
        wait = -(-dram * spec.clock_hz // spec.dram_bandwidth_bytes_per_s)
        return max(cycles, wait), cycles + wait

    def _dram_bytes(self, mapping: Mapping, weights: int, stay: bool) -> int:
        layer, spec = self.layer, self.spec
        tiles, _, m_turns, _ = mapping.shape
        rows = self._input_rows(min(mapping.tile_rows, layer.P))
        rows *= max(1, mapping.tile_rows // layer.P) * tiles
        inputs = most_input_bits(mapping, rows, layer.channels_per_group, spec) * layer.groups
        outputs = self.images * layer.K * layer.P * layer.Q * spec.word_bits
        again = 1 if mapping.held else m_turns
        return (weights * (1 if stay else tiles) + inputs * again + outputs) // 8


def plan(layer: ConvLayer, images: int, weights: np.ndarray, spec: EyerissV2Spec) -> Plan:
    """Choose a mapping.

    Parameters
    ----------
    layer : ConvLayer
    images : batch
    weights : integers that fit int8, shape (K, C/groups, R, S)
    spec : EyerissV2Spec

    Raises
    ------
    OperandError
        If no mapping fits the scratchpads and half of each GLB; names the layer.

    Examples
    --------
    >>> pointwise = ConvLayer("pw", C=64, K=64, H=32, W=32)
    >>> found = plan(pointwise, 1, np.ones((64, 64, 1, 1), np.int8), EyerissV2Spec()).mapping
    >>> found.M0, found.C0, found.D, found.m1, found.e1, found.f1
    (16, 11, 6, 4, 1, 8)
    """
    mapper = _Mapper(layer, images, ColumnTable(layer, weights, spec), spec)
    best: tuple[tuple[int, int], Plan] | None = None
    for inner, columns, words in mapper.inner():
        known: dict[tuple[int, int, int], Passes] = {}
        stored = int(weight_bits(inner, columns, spec).sum())
        for mapping in mapper.outer(inner):
            key = (mapping.D, mapping.g1, mapping.m1)
            if key not in known:
                known[key] = passes(mapping, words, spec)
            cost = mapper.cost(mapping, stored, known[key])
            if best is None or cost < best[0]:
                best = cost, Plan(mapping, columns, known[key])
    if best is None:
        raise OperandError(
            f"{layer.name}: no mapping fits: one output row of {layer.Q} psums of "
            f"{spec.psum_bits} bits in half of psum_glb_bytes = {spec.psum_glb_bytes}, input rows "
            f"of {layer.W} iacts in half of iact_glb_bytes = {spec.iact_glb_bytes}, a column of "
            f"weights in {spec.usable_weight_words} words of the weight spad"
        )
    return best[1]
