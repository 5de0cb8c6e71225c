"""The energy family of Accelergy: Aladdin's arithmetic and Accelergy's published memories, 45 nm.

The tables list few memories.  Assumption: a memory is made of equal published arrays side by
side, all accessed together; among those deep enough the one with the fewest bits in all is
taken, then the one with the fewest arrays.  Nothing is ever taken from the other family.

Rule: specification/memory.md, MEM-22.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from arch.aladdin import add, multiply
from arch.cited import Figure, MemoryFigures, rows
from arch.errors import SpecError

__all__ = ["add", "memory", "multiply"]


@dataclass(frozen=True, slots=True)
class Array:
    """One published memory array."""

    depth: int
    width_bits: int
    read: Figure
    write: Figure
    idle: Figure

    def side_by_side(self, access_bytes: int) -> int:
        """How many arrays side by side deliver ``access_bytes`` at once."""
        return -(-8 * access_bytes // self.width_bits)


@cache
def _arrays() -> tuple[Array, ...]:
    found = []
    for entry in rows("accelergy_sram.csv"):
        name = f"{entry['depth']} x {entry['width_bits']} b"
        source = f"Accelergy ERT, 45 nm, {name}: {entry['design']}, {entry['source']}"
        figures = (
            Figure(Fraction(entry[f"{action}_pJ"]), source) for action in ("read", "write", "idle")
        )
        found.append(Array(int(entry["depth"]), int(entry["width_bits"]), *figures))
    return tuple(found)


@cache
def memory(size_bytes: int, access_bytes: int, clock_hz: int) -> MemoryFigures:
    """A memory made of equal arrays side by side; idle energy counts per cycle, of any length.

    Raises
    ------
    SpecError
        If no published array is deep enough.

    Examples
    --------
    A kilobyte behind 64 bits is 128 words deep: four arrays of 192 x 16 bits.

    >>> float(memory(1024, 8, 800_000_000).read.pj)
    1.552
    """
    depth = -(-size_bytes // access_bytes)
    deep = [array for array in _arrays() if array.depth >= depth]
    if not deep:
        most = max(array.depth for array in _arrays())
        raise SpecError(
            f"no memory of {size_bytes} B with a {access_bytes} B port in Accelergy's tables: "
            f"{depth} words deep, allowed are up to {most}"
        )

    def bits_then_arrays(array: Array) -> tuple[int, int]:
        count = array.side_by_side(access_bytes)
        return count * array.depth * array.width_bits, count

    chosen = min(deep, key=bits_then_arrays)
    count = chosen.side_by_side(access_bytes)
    return MemoryFigures(
        *(
            Figure(figure.pj * count, f"{count} x {figure.source}")
            for figure in (chosen.read, chosen.write, chosen.idle)
        )
    )
