"""Passes -> counts: PE-cycles by cause, scratchpad words and accesses, register accesses.

All closed forms of one group's product, times groups and passes.  Scratchpad words are
SCALE-Sim's "SRAM reads" and "writes": the zeros of the padding pass the array like any other word
and are counted.  SCALE-Sim counts rows + columns more output writes per output-stationary fold
than there are outputs; those are left out here.

Rules: specification/systolic.md, SYS-10 and SYS-11.
"""

from dataclasses import dataclass, fields

import numpy as np

from arch.systolic.folds import Folds
from arch.systolic.passes import Pass
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

    def __add__(self, other: "Words") -> "Words":
        """Both."""
        return Words(self.words + other.words, self.accesses + other.accesses)


@dataclass(frozen=True, slots=True)
class Registers:
    """Accesses to the registers of one operand: writes and reads."""

    writes: int
    reads: int

    def __mul__(self, times: int) -> "Registers":
        """The same, ``times`` times."""
        return Registers(self.writes * times, self.reads * times)

    def __add__(self, other: "Registers") -> "Registers":
        """Both."""
        return Registers(self.writes + other.writes, self.reads + other.reads)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts.  ``ifmap`` and ``filter`` are reads, the rest says what it is."""

    ifmap: Words
    filter: Words
    psum_writes: Words
    psum_reads: Words
    output_writes: Words
    input_registers: Registers
    weight_registers: Registers
    psum_registers: Registers

    def __mul__(self, times: int) -> "Tally":
        """The same, ``times`` times."""
        return Tally(*(getattr(self, field.name) * times for field in fields(self)))

    def __add__(self, other: "Tally") -> "Tally":
        """Both."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Tally(*(one + two for one, two in pairs))


def causes(plan: Plan, spec: SystolicSpec) -> dict[str, int]:
    """PE-cycles by cause, waits for DRAM left out.

    ``mac`` a PE multiplies; ``fill_drain`` it has work in this fold and waits for operands or for
    the fold to end; ``idle_mapping`` it has none, because the fold is ragged.
    """
    table = dict.fromkeys(("mac", "fill_drain", "idle_mapping"), 0)
    for one, times in plan.passes:
        for name, count in _pass_causes(one, spec).items():
            table[name] += count * times
    return table


def _pass_causes(one: Pass, spec: SystolicSpec) -> dict[str, int]:
    folds, gemm = one.folds, one.folds.gemm
    stream = {"os": gemm.K, "ws": gemm.M, "is": gemm.N}[spec.dataflow]
    lengths, used = folds.lengths.sum(axis=2), folds.used
    busy = int((used * lengths).sum()) * gemm.layer.groups
    busy += folds.lead * int(used[0, 0]) + folds.tail * int(used[-1, -1])
    mac = int(used.sum()) * stream * gemm.layer.groups
    return {"mac": mac, "fill_drain": busy - mac, "idle_mapping": spec.units * one.cycles - busy}


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
    """Counts of all groups and passes."""
    count = _output_stationary if spec.dataflow == "os" else _stationary
    parts = [
        count(one.folds, spec) * (one.folds.gemm.layer.groups * times) for one, times in plan.passes
    ]
    return sum(parts[1:], parts[0])


def _output_stationary(folds: Folds, spec: SystolicSpec) -> Tally:
    gemm, word, port = folds.gemm, spec.operand_bytes, spec.port_bytes
    rows, columns = np.diff(folds.m), np.diff(folds.n)
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


def _stationary(folds: Folds, spec: SystolicSpec) -> Tally:
    """Weight stationary; input stationary is the same with pixels and filters exchanged."""
    gemm, word, port = folds.gemm, spec.operand_bytes, spec.port_bytes
    weights_stay = spec.dataflow == "ws"
    columns, stream = (np.diff(folds.n), gemm.M) if weights_stay else (np.diff(folds.m), gemm.N)
    rows = np.diff(folds.k)
    macs = gemm.M * gemm.N * gemm.K
    again = (rows.size - 1) * stream
    moving = _vectors(rows, word, port) * (columns.size * stream)
    staying = _vectors(columns, word, port) * gemm.K
    moving_registers = _moving(macs, _waiting(rows) * columns.size * stream)
    staying_registers = _staying(macs, rows, int(columns.sum()))
    if spec.fold_overhead == "preloaded":  # the next tile enters skewed, as the streams do
        staying_registers += _moving(0, _waiting(columns) * gemm.K)
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
