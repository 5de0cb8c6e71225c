"""What the crossbar machine is made of."""

from fractions import Fraction

from arch.cited import Figure
from arch.components import Cell, Component, Components, cells, made_of
from arch.crossbar.charges import buffers
from arch.crossbar.converters import adc, converter, dac, shift_add
from arch.crossbar.spec import CrossbarSpec
from arch.prices import price

FJ_PER_PJ = 1000


def components(spec: CrossbarSpec) -> Components:
    """Buffers, cells with their reference columns, converters, registers, adders, requantizers.

    Every crossbar has a DAC for each row, its ADCs and a shift-and-add for each of them.  Cells
    cost the same at every node; converters and the shift-and-add behind them are ISAAC's.
    Assumption: an input register for each row of a tile, as many adders for a tile and as many
    requantizers for the chip as a crossbar has ADCs.  Sample-and-hold circuits and the drivers
    that write cells have no published figure here and are not in it.

    Examples
    --------
    >>> found = {each.name: each.nm2 for each in components(CrossbarSpec())}
    >>> found["adc"] > found["cell"]
    True
    """
    cell = cells(spec)
    adder, adcs, tiles = cell.adder(spec.psum_bits), spec.adcs_per_crossbar, spec.capacity
    return (
        *cell.memories(buffers(spec)),
        *_crossbars(spec, adcs),
        cell.registers("input_register", tiles * spec.crossbar_rows, 8 * spec.operand_bytes),
        made_of("accumulator", tiles * adcs, adder, add=adder),
        cell.requantizer(adcs),
    )


def _crossbars(spec: CrossbarSpec, adcs: int) -> Components:
    """Cells, DACs, ADCs and shift-and-adds of all crossbars."""

    def converters(name: str, each: int, unit: Cell, action: str) -> Component:
        return made_of(name, spec.crossbars * each, unit, **{action: unit})

    cells_of_one = spec.crossbar_rows * (spec.crossbar_columns + 1)
    area = round(cells_of_one * Fraction(str(spec.cell_f2)) * spec.node_nm**2)
    write = Figure(Fraction(str(spec.write_pj)), "field write_pj")
    return (
        Component(
            "cell",
            spec.crossbars * cells_of_one,
            spec.crossbars * area,
            {"read": price(cell_read(spec)), "write": price(write)},
            multipliers=spec.multipliers,
        ),
        converters("dac", spec.crossbar_rows, converter(dac(spec.dac_bits), spec), "drive"),
        converters("adc", adcs, converter(adc(spec.adc_bits), spec), "convert"),
        converters("shift_add", adcs, converter(shift_add(spec.psum_bits), spec), "add").counting(
            adders=spec.crossbars * adcs
        ),
    )


def cell_read(spec: CrossbarSpec) -> Figure:
    """One cell under voltage for one reading.

    Assumption: half way between both conductances, under the voltage of the largest digit.

    Examples
    --------
    >>> float(cell_read(CrossbarSpec()).pj)  # 0.04 V2 x 0.55 uS x 100 ns = 2.2 fJ
    0.0022
    """
    volts, low, high = (
        Fraction(str(value))
        for value in (spec.read_volts, spec.conductance_min_us, spec.conductance_max_us)
    )
    mean = (low + high) / 2
    return Figure(
        volts**2 * mean * spec.read_ns / FJ_PER_PJ,
        "read_volts^2 x mean conductance x read_ns (conductances: Yuan et al., ISLPED 2019)",
    )
