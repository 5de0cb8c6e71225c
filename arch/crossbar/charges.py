"""Traffic on chip, actions and what each costs."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from arch.buffers import Buffers, banked
from arch.charges import Key, common_prices
from arch.cited import Figure
from arch.crossbar.converters import adc, converter_price, dac, shift_add
from arch.crossbar.spec import CrossbarSpec
from arch.crossbar.tally import Tally
from arch.energy import EnergyTable, Price
from arch.prices import price, price_list
from arch.steps import Steps

FJ_PER_PJ = 1000


def buffers(spec: CrossbarSpec) -> Buffers:
    """The banks of the three buffers.

    Examples
    --------
    >>> buffers(CrossbarSpec())["input_buffer"]
    Buffer(size_bytes=16384, port_bytes=32, instances=24)
    """
    return {
        f"{name}_buffer": banked(getattr(spec, f"{name}_bytes"), spec.bank_bytes, spec.port_bytes)
        for name in ("input", "weight", "output")
    }


def _bytes(side: Mapping[str, np.ndarray], tensor: str) -> int:
    return int(side[tensor].sum())


def traffic(done: Steps, counts: Tally, spec: CrossbarSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); ``glb`` is the three buffers, on both sides."""
    weights, outputs = _bytes(done.loads, "weight"), _bytes(done.stores, "output")
    psums = _bytes(done.loads, "psum") + _bytes(done.stores, "psum")
    return {
        ("glb", "input", "write"): _bytes(done.loads, "input"),
        ("glb", "input", "read"): counts.strip_words * spec.operand_bytes,
        ("glb", "weight", "write"): weights,
        ("glb", "weight", "read"): weights,
        ("glb", "psum", "write"): psums,
        ("glb", "psum", "read"): psums,
        ("glb", "output", "write"): outputs,
        ("glb", "output", "read"): outputs,
    }


def events(done: Steps, counts: Tally, spec: CrossbarSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor); runs of a step pass a port side by side."""

    def accesses(sizes: np.ndarray) -> int:
        return int((-(-sizes // spec.port_bytes)).sum())

    table: dict[Key, int] = {
        ("input_buffer", "write", "input"): accesses(done.loads["input"]),
        ("input_buffer", "read", "input"): counts.strip_accesses,
        ("input_register", "write", "input"): counts.row_words,
        ("input_register", "read", "input"): counts.row_words,
        ("dac", "drive", "input"): counts.drives,
        ("cell", "read", "psum"): counts.cell_reads,
        ("cell", "write", "weight"): counts.cell_writes,
        ("adc", "convert", "psum"): counts.conversions,
        ("shift_add", "add", "psum"): counts.conversions,
        ("accumulator", "add", "psum"): counts.sums,
    }
    psums = accesses(done.loads["psum"]) + accesses(done.stores["psum"])
    for buffer, tensor, count in (
        ("weight_buffer", "weight", accesses(done.loads["weight"])),
        ("output_buffer", "psum", psums),
        ("output_buffer", "output", accesses(done.stores["output"])),
    ):
        table[buffer, "write", tensor] = table[buffer, "read", tensor] = count
    return table


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


def prices(spec: CrossbarSpec) -> EnergyTable:
    """What each action costs, by the tables that the spec names.

    Cells cost the same at every node; converters and the shift-and-add behind them are ISAAC's.
    """
    cost = price_list(spec)
    register = cost.register(8 * spec.operand_bytes)
    write = Figure(Fraction(str(spec.write_pj)), "field write_pj")
    table: dict[tuple[str, str], Price] = {
        ("input_register", "read"): register,
        ("input_register", "write"): register,
        ("dac", "drive"): converter_price(dac(spec.dac_bits), spec),
        ("cell", "read"): price(cell_read(spec)),
        ("cell", "write"): price(write),
        ("adc", "convert"): converter_price(adc(spec.adc_bits), spec),
        ("shift_add", "add"): converter_price(shift_add(spec.psum_bits), spec),
        ("accumulator", "add"): cost.add(spec.psum_bits),
    }
    return {**common_prices(cost, buffers(spec)), **table}
