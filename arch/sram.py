"""SRAM: the next larger size and width in CACTI's table (itrs-hp devices, 45 nm)."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from arch.cited import rows
from arch.errors import SpecError
from arch.node import TABLES_NM


@dataclass(frozen=True, slots=True)
class Sram:
    """One row of CACTI's table."""

    size_bytes: int
    access_bytes: int
    read_pj: Fraction
    write_pj: Fraction
    leak_mw: Fraction
    area_mm2: Fraction

    @property
    def source(self) -> str:
        """Tool and row."""
        return f"CACTI 7, itrs-hp {TABLES_NM} nm, {self.size_bytes} B x {self.access_bytes} B"


@cache
def _table() -> tuple[Sram, ...]:
    return tuple(
        Sram(
            int(entry["size_bytes"]),
            int(entry["access_bytes"]),
            Fraction(entry["read_pJ"]),
            Fraction(entry["write_pJ"]),
            Fraction(entry["leak_mW"]),
            Fraction(entry["area_mm2"]),
        )
        for entry in rows("sram_cacti7.csv")
        if int(entry["node_nm"]) == TABLES_NM
    )


@cache
def sram(size_bytes: int, access_bytes: int) -> Sram:
    """The SRAM of the next larger size, then the next larger width, in the table.

    Raises
    ------
    SpecError
        If the table holds nothing that large or wide.

    Examples
    --------
    >>> sram(600, 3).source, float(sram(4096, 4).read_pj)
    ('CACTI 7, itrs-hp 45 nm, 1024 B x 4 B', 2.5406)
    """
    fitting = [
        entry
        for entry in _table()
        if entry.size_bytes >= size_bytes and entry.access_bytes >= access_bytes
    ]
    if not fitting:
        raise SpecError(
            f"no SRAM of {size_bytes} B with a {access_bytes} B port at {TABLES_NM} nm "
            "in the CACTI table, allowed are up to 1 MiB and 64 B"
        )
    return min(fitting, key=lambda entry: (entry.size_bytes, entry.access_bytes))
