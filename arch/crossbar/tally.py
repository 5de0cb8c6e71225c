"""What the crossbars did: causes of their time, and how often each part acted.

Rule: specification/crossbar.md, XBR-12.
"""

from dataclasses import asdict, dataclass

import numpy as np

from arch.crossbar.layout import Layout
from arch.crossbar.passes import phases
from arch.crossbar.plan import Plan
from arch.crossbar.spec import CrossbarSpec

CAUSES = ("read", "convert", "short_tile", "idle_copy", "program", "program_wait", "no_tile")


def causes(planned: Plan, spec: CrossbarSpec) -> dict[str, int]:
    """Crossbar-cycles by cause; they add up to crossbars x cycles of the steps.

    ============ ==============================================================================
    read         cells are read
    convert      the ADCs need longer than a reading
    short_tile   taller tiles of the pass have more sets of rows
    idle_copy    no output is left for a copy
    program      cells are written
    program_wait taller tiles of the pass are still being written
    no_tile      the crossbar holds nothing
    ============ ==============================================================================
    """
    total = dict.fromkeys(CAUSES, 0)
    for number in range(len(planned.passes)):
        for name, count in _pass_causes(planned, number, spec).items():
            total[name] += count
    return total


def _pass_causes(planned: Plan, number: int, spec: CrossbarSpec) -> dict[str, int]:
    found, each, part = planned.layout, spec.crossbars_per_tile, planned.passes[number]
    turns, turn = planned.rounds(number), part.turn
    written = part.tall * spec.write_cycles
    tiles = part.last - part.first
    held = tiles * part.copies * each
    empty = {"no_tile": (spec.crossbars - held) * (turns * turn + written)}
    if not tiles:
        return empty
    rows = found.rows[part.tiles]
    sets = phases(rows, spec)
    beat = spec.beat_cycles(int(found.columns[part.tiles].max()))
    beats = planned.outputs * spec.beats * each
    programmed = each * part.copies * int(rows.sum()) * spec.write_cycles if written else 0
    return empty | {
        "read": beats * int(sets.sum()) * spec.read_cycles,
        "convert": beats * int(sets.sum()) * (beat - spec.read_cycles),
        "short_tile": beats * int((sets.max() - sets).sum()) * beat,
        "idle_copy": tiles * each * (part.copies * turns - planned.outputs) * turn,
        "program": programmed,
        "program_wait": held * written - programmed,
    }


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each part acted, all images.

    Parameters
    ----------
    conversions : of ADCs; each is followed by a shift-and-add
    drives : digits that DACs put on rows
    cell_reads : cells, those of reference columns included, on rows whose digit is not 0
    cell_writes : cells written, those of reference columns included
    sums : additions of partial sums of tiles of one column
    products : words multiplied, zeros included
    row_words : activations that enter the registers of rows of tiles
    strip_words : activations read from the input buffer, once for all tiles of a strip
    strip_accesses : accesses to the input buffer for them
    """

    conversions: int
    drives: int
    cell_reads: int
    cell_writes: int
    sums: int
    products: int
    row_words: int
    strip_words: int
    strip_accesses: int

    def for_images(self, times: int) -> "Tally":
        """``times`` runs of one image each; what depends on values is known for all of them."""
        counts = {name: times * count for name, count in asdict(self).items()}
        return Tally(**{**counts, "cell_reads": self.cell_reads})


def tally(planned: Plan, spec: CrossbarSpec, digits: np.ndarray) -> Tally:
    """Counts of one layer.

    Parameters
    ----------
    planned : Plan
    spec : CrossbarSpec
    digits : int64 (C, R, S), digits of each tap that are not 0, all images
    """
    found, each, outputs = planned.layout, spec.crossbars_per_tile, planned.outputs
    rows, columns = found.rows, found.columns
    wide = columns + 1  # the reference column
    converted = int((phases(rows, spec) * columns).sum())
    strip_rows = np.diff(found.strips)
    accesses = -(-strip_rows * spec.operand_bytes // spec.port_bytes)
    written = sum(
        part.copies * int((rows[part.tiles] * wide[part.tiles]).sum())
        for part in planned.passes
        if part.tall
    )
    return Tally(
        conversions=converted * spec.beats * each * outputs,
        drives=int(rows.sum()) * spec.beats * each * outputs,
        cell_reads=int((found.strip_sums(digits)[found.strip] * wide).sum()) * each,
        cell_writes=written * each,
        sums=_sums(found) * outputs,
        products=int((rows * columns).sum()) * outputs,
        row_words=int(rows.sum()) * outputs,
        strip_words=sum(int(strip_rows[part.strips].sum()) for part in planned.passes) * outputs,
        strip_accesses=sum(int(accesses[part.strips].sum()) for part in planned.passes) * outputs,
    )


def _sums(found: Layout) -> int:
    """Additions for one output: all tiles of a column but the first, wherever they are held."""
    first = np.diff(found.column, prepend=-1) != 0
    return int(found.columns[~first].sum())
