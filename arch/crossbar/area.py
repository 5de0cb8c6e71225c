"""What the crossbar machine is made of, in square nanometres by component."""

from fractions import Fraction

from arch.area import Area, areas
from arch.buffers import memory_area
from arch.charges import REQUANTIZE_BITS
from arch.crossbar.charges import buffers
from arch.crossbar.converters import adc, converter_nm2, dac, shift_add
from arch.crossbar.spec import CrossbarSpec


def area(spec: CrossbarSpec) -> Area:
    """Buffers, cells with their reference columns, converters, registers, adders, requantizers.

    Every crossbar has a DAC for each row, its ADCs and a shift-and-add for each of them.
    Assumption: an input register for each row of a tile, as many adders for a tile and as many
    requantizers for the chip as a crossbar has ADCs.  Sample-and-hold circuits and the drivers
    that write cells have no published figure here and are not in it.

    Examples
    --------
    >>> found = area(CrossbarSpec())
    >>> found["adc"] > found["cell"]
    True
    """
    each = crossbar_area(spec)
    parts = {part: spec.crossbars * nm2 for part, nm2 in each.items()}
    return {**memory_area(areas(spec), buffers(spec)), **parts, **_shared(spec)}


def crossbar_area(spec: CrossbarSpec) -> Area:
    """Cells, DACs, ADCs and shift-and-adds of one crossbar, nm2."""
    cells = spec.crossbar_rows * (spec.crossbar_columns + 1)
    return {
        "cell": round(cells * Fraction(str(spec.cell_f2)) * spec.node_nm**2),
        "dac": spec.crossbar_rows * converter_nm2(dac(spec.dac_bits), spec),
        "adc": spec.adcs_per_crossbar * converter_nm2(adc(spec.adc_bits), spec),
        "shift_add": spec.adcs_per_crossbar * converter_nm2(shift_add(spec.psum_bits), spec),
    }


def _shared(spec: CrossbarSpec) -> Area:
    unit = areas(spec)
    return {
        "input_register": spec.capacity
        * spec.crossbar_rows
        * unit.register(8 * spec.operand_bytes),
        "accumulator": spec.capacity * spec.adcs_per_crossbar * unit.adder(spec.psum_bits),
        "requantizer": spec.adcs_per_crossbar * unit.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
