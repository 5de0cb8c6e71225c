"""Plan and iacts -> counts: slots, multiplications, lane-cycles by cause, accesses.

Rules: specification/eyeriss_v2.md, EV2-8 and EV2-14.
"""

from dataclasses import dataclass

import numpy as np

from arch.cuts import cut
from arch.eyeriss_v2.iacts import Iacts, skips_iacts
from arch.eyeriss_v2.kernels import iacts_sent, slowest_pe
from arch.eyeriss_v2.mapping import Mapping, by_item
from arch.eyeriss_v2.passes import lengths, loading, loads, words_of_pes
from arch.eyeriss_v2.plan import Plan
from arch.eyeriss_v2.spec import EyerissV2Spec


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one layer, integers.

    ``slots`` in which a PE multiplies, up to macs_per_pe pairs each; ``pairs`` multiplied;
    ``effectual`` pairs of two non-zeros; ``visits``, iacts read from an iact spad; ``windows``
    that PEs slide over their rows; ``sums`` that leave a PE; ``outputs``; ``received``, iacts
    written to iact spads; ``weight_words`` and ``weight_columns`` written to weight spads.
    """

    slots: int
    pairs: int
    effectual: int
    visits: int
    windows: int
    sums: int
    outputs: int
    received: int
    weight_words: int
    weight_columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Cycles of each pass, int64 of ``mapping.shape``: its slowest PE, and all of it."""

    longest: np.ndarray
    lengths: np.ndarray


def _steps(mapping: Mapping) -> list[int]:
    return [mapping.layer.strides[0], mapping.layer.dilations[0], mapping.layer.P]


def times(plan: Plan, counted: Iacts, spec: EyerissV2Spec) -> Times:
    """How long each pass takes."""
    mapping = plan.mapping
    longest = np.zeros(mapping.shape, np.int64)
    parts = [mapping.C0, mapping.S0, mapping.D, mapping.g1, mapping.m1, mapping.e1]
    slowest_pe(
        counted.taps,
        plan.columns.words,
        mapping.tiles,
        np.array(_steps(mapping)),
        np.array(parts),
        longest,
    )
    load = loads(mapping, plan.passes)
    return Times(longest, lengths(mapping, longest, load, spec))


def sent_words(mapping: Mapping, counted: Iacts) -> np.ndarray:
    """Iacts that leave the GLB in each pass, int64 of ``mapping.shape``.

    Assumption: the PEs of all sets work on the same e1 output rows at the same time, and an iact
    that several of them want leaves the GLB once; the next e1 rows fetch theirs again.
    """
    layer = mapping.layer
    at = np.arange(0, layer.channels_per_group, mapping.C0)
    rows = counted.sent.transpose(1, 0, 2).reshape(layer.groups, layer.channels_per_group, -1)
    sent = np.add.reduceat(rows, at, axis=1, dtype=np.int64)
    tiles, groups, _, items = mapping.shape
    words = np.zeros((tiles, groups, items), np.int64)
    parts = [mapping.kernel_pieces, mapping.s_pieces, mapping.D, mapping.g1, mapping.e1]
    steps = [*_steps(mapping), layer.padding[0], layer.H]
    iacts_sent(np.ascontiguousarray(sent), mapping.tiles, np.array(steps), np.array(parts), words)
    return np.broadcast_to(words[:, :, None], mapping.shape)


def _rows_over(mapping: Mapping) -> np.ndarray:
    """How many pairs of output row and kernel row read each input row: int64 (H,)."""
    layer = mapping.layer
    p, r = np.arange(layer.P)[:, None], np.arange(layer.R)
    row = (p * layer.strides[0] - layer.padding[0] + r * layer.dilations[0]).ravel()
    return np.bincount(row[(row >= 0) & (row < layer.H)], minlength=layer.H)


def _copies(mapping: Mapping, per_pe: np.ndarray) -> int:
    """Sum over all passes that load, and all PEs in them, of ``per_pe`` (G, M pieces, items)."""
    by_pass = per_pe
    for axis, size in enumerate((mapping.g1, mapping.m1, mapping.D)):
        by_pass = np.add.reduceat(by_pass, cut(by_pass.shape[axis], size)[:-1], axis=axis)
    alike = np.minimum(np.diff(mapping.tiles), mapping.e1) * mapping.f1
    return int((alike[:, None, None, None] * by_pass * loading(mapping)).sum())


def tally(
    plan: Plan,
    counted: Iacts,
    taps: np.ndarray,
    effectual: int,
    spec: EyerissV2Spec,
) -> Tally:
    """Counts of one layer.

    Parameters
    ----------
    plan : Plan
    counted : Iacts
    taps : int64 (C, R, S), outputs of each tap that read a non-zero, all images
    effectual : pairs of two non-zeros, all images
    spec : EyerissV2Spec
    """
    mapping, columns = plan.mapping, plan.columns
    layer = mapping.layer
    positions = mapping.images * layer.P * layer.Q
    met = taps if skips_iacts(layer, spec) else np.full_like(taps, positions)
    met = met.reshape(layer.groups, 1, layer.channels_per_group, layer.R, layer.S)
    outputs = positions * layer.K
    received = (counted.received * _rows_over(mapping)).sum(dtype=np.int64)
    words = words_of_pes(mapping, columns)
    return Tally(
        slots=int((met * columns.words).sum()),
        pairs=int((met * columns.entries).sum()),
        effectual=effectual,
        visits=int(met.sum()) * mapping.m_pieces,
        windows=positions * layer.groups * mapping.m_pieces * mapping.items,
        sums=outputs * mapping.items,
        outputs=outputs,
        received=int(received) * mapping.m_pieces,
        weight_words=_copies(mapping, words),
        weight_columns=_copies(mapping, by_item(mapping, np.ones_like(columns.words))),
    )


def causes(mapping: Mapping, found: Times, counts: Tally, spec: EyerissV2Spec) -> dict[str, int]:
    """Cycles of all multipliers by cause, waits for DRAM left out.

    ``mac`` both operands are non-zero; ``zero_operand`` one is not: a placeholder, or a zero that
    is not skipped; ``simd_padding`` a column ran out before the slot was full; ``imbalance`` the
    PE waits for the slowest of its pass; ``idle_mapping`` it has no part in it; ``weight_load``
    and ``fill`` before a pass.
    """
    macs, used = spec.macs_per_pe, mapping.used_pes()
    passes = found.longest.size
    busy = int((used * found.longest).sum())
    waited = int((found.lengths - found.longest).sum()) - passes * spec.pipeline_stages
    return {
        "mac": counts.effectual,
        "zero_operand": counts.pairs - counts.effectual,
        "simd_padding": macs * counts.slots - counts.pairs,
        "imbalance": macs * (busy - counts.slots),
        "idle_mapping": macs * (spec.pes * int(found.longest.sum()) - busy),
        "weight_load": spec.lanes * waited,
        "fill": spec.lanes * passes * spec.pipeline_stages,
    }
