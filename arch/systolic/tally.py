"""Plan -> counts: PE-cycles by cause, scratchpad words and accesses, register accesses.

All closed forms of one group's product.  Scratchpad words are SCALE-Sim's "SRAM reads" and
"writes": the zeros of the padding pass the array like any other word and are counted.  SCALE-Sim
counts rows + columns more output writes per output-stationary fold than there are outputs; those
are left out here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from arch.systolic.plan import Plan
from arch.systolic.spec import SystolicSpec


@dataclass(frozen=True, slots=True)
class Words:
    """Words that cross a scratchpad's port, and the accesses they take (all 0 by default).

    A vector, one word per row or column of the array, takes as many accesses as it is ports wide.
    """

    words: int = 0
    accesses: int = 0

    def __mul__(self, times: int) -> "Words":
        """The same, ``times`` times."""
        return Words(self.words * times, self.accesses * times)


@dataclass(frozen=True, slots=True)
class Registers:
    """Accesses to the registers of one operand: writes and reads."""

    writes: int
    reads: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one group.  ``ifmap`` and ``filter`` are reads, the rest says what it is."""

    ifmap: Words
    filter: Words
    psum_writes: Words
    psum_reads: Words
    output_writes: Words
    input_registers: Registers
    weight_registers: Registers
    psum_registers: Registers


def causes(plan: Plan, units: int, taps_or_stream: int) -> dict[str, int]:
    """PE-cycles of one group by cause, waits for DRAM left out.

    ``mac`` a PE multiplies; ``fill_drain`` it has work in this fold and waits for operands or for
    the fold to end; ``idle_mapping`` it has none, because the fold is ragged.
    """
    lengths = plan.lengths.sum(axis=2)
    return {
        "mac": int(plan.used.sum()) * taps_or_stream,
        "fill_drain": int((plan.used * (lengths - taps_or_stream)).sum()),
        "idle_mapping": int(((units - plan.used) * lengths).sum()),
    }


def _vectors(tiles: np.ndarray, word_bytes: int, port_bytes: int) -> Words:
    """One vector for each tile along one edge of the array."""
    return Words(int(tiles.sum()), int((-(-tiles * word_bytes // port_bytes)).sum()))


def _waiting(tiles: np.ndarray) -> int:
    """Registers that the words of one vector pass in front of the array: 0 + 1 + 2 ..."""
    return int((tiles * (tiles - 1) // 2).sum())


def _moving(macs: int, waiting: int) -> Registers:
    return Registers(macs + waiting, macs + waiting)


def _staying(macs: int, tiles: np.ndarray, vectors: int) -> Registers:
    """Words shifted in from above, bottom row first, then read once per multiplication."""
    shifts = _waiting(tiles) * vectors
    return Registers(shifts + int(tiles.sum()) * vectors, shifts + macs)


def tally(plan: Plan, spec: SystolicSpec) -> Tally:
    """Counts of one group of the planned layer."""
    if spec.dataflow == "os":
        return _output_stationary(plan, spec)
    return _stationary(plan, spec)


def _output_stationary(plan: Plan, spec: SystolicSpec) -> Tally:
    gemm, word, port = plan.gemm, spec.operand_bytes, spec.port_bytes
    rows, columns = np.diff(plan.m), np.diff(plan.n)
    macs = gemm.M * gemm.N * gemm.K
    across, down = columns.size * gemm.K, rows.size * gemm.K
    return Tally(
        ifmap=_vectors(rows, word, port) * across,
        filter=_vectors(columns, word, port) * down,
        psum_writes=Words(),
        psum_reads=Words(),
        output_writes=_vectors(columns, word, port) * gemm.M,
        input_registers=_moving(macs, _waiting(rows) * across),
        weight_registers=_moving(macs, _waiting(columns) * down),
        psum_registers=Registers(macs, macs + gemm.M * gemm.N),
    )


def _stationary(plan: Plan, spec: SystolicSpec) -> Tally:
    """Weight stationary; input stationary is the same with pixels and filters exchanged."""
    gemm, word, port = plan.gemm, spec.operand_bytes, spec.port_bytes
    weights_stay = spec.dataflow == "ws"
    columns, stream = (np.diff(plan.n), gemm.M) if weights_stay else (np.diff(plan.m), gemm.N)
    rows = np.diff(plan.k)
    macs = gemm.M * gemm.N * gemm.K
    again = (rows.size - 1) * stream
    moving = _vectors(rows, word, port) * (columns.size * stream)
    staying = _vectors(columns, word, port) * gemm.K
    moving_registers = _moving(macs, _waiting(rows) * columns.size * stream)
    staying_registers = _staying(macs, rows, int(columns.sum()))
    through = rows.size * gemm.M * gemm.N * spec.rows
    return Tally(
        ifmap=moving if weights_stay else staying,
        filter=staying if weights_stay else moving,
        psum_writes=_vectors(columns, spec.psum_bytes, port) * again,
        psum_reads=_vectors(columns, spec.psum_bytes, port) * again,
        output_writes=_vectors(columns, word, port) * stream,
        input_registers=moving_registers if weights_stay else staying_registers,
        weight_registers=staying_registers if weights_stay else moving_registers,
        psum_registers=Registers(through, through),
    )


def grouped(one: Tally, groups: int) -> Tally:
    """Counts of ``groups`` equal groups."""
    parts: dict[str, Words | Registers] = {}
    for field in fields(one):
        part = getattr(one, field.name)
        if isinstance(part, Words):
            parts[field.name] = part * groups
        else:
            parts[field.name] = Registers(part.writes * groups, part.reads * groups)
    return Tally(**parts)  # type: ignore[arg-type]


def by_tensor(steps: Mapping[str, np.ndarray], groups: int) -> dict[str, int]:
    """Bytes per tensor, all steps and groups."""
    return {name: int(part.sum()) * groups for name, part in steps.items()}
