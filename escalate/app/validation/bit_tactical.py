"""Bit-Tactical beside the ratios of its abstract."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import prod

import numpy as np

from arch.bit_tactical.model import MACHINE, work
from arch.bit_tactical.spec import PRESETS, BitTacticalSpec
from arch.energy import charges
from arch.undecomposed import fed, layer_run
from escalate.app.validation.check import Band, Check
from escalate.app.validation.layers import square
from reports.publication import row as one_row
from reports.publication import rows
from workloads.synthetic import sparse_int8, sparse_uint8
from workloads.tensors import LayerTensors

QUARTER, REPORTED = Band("share", 0.25), Band("reported")
MACHINES: Mapping[str, BitTacticalSpec] = {
    "dense": PRESETS["dense"],
    "front end": PRESETS["published"].model_copy(update={"back_end": "bit_parallel"}),
    "TCLp": PRESETS["published"],
}
ENERGY = (
    "as performance; memories, node and the energy of a serial lane are ours, the paper's could "
    "not be read"
)
AREA = (
    "a bit-serial tile has an adder of 20 bits for each of 4096 lanes, sixteen times as many as "
    "the bit-parallel one; larger memories, alike in both, would dilute that, and the paper's are "
    "not known"
)


@dataclass(frozen=True, slots=True)
class Total:
    """A network on one machine: cycles with and without waits for DRAM, attojoules likewise."""

    compute_cycles: int
    cycles: int
    chip_aj: int
    all_aj: int


def checks() -> Iterator[Check]:
    """Performance and energy of three pruned networks, and area, over the dense machine.

    Examples
    --------
    >>> area_check().published
    1.22
    """
    yield area_check()
    for network, layers in groupby(rows("pruned_layers.csv"), lambda row: row["network"]):
        yield from _ratios(network, totals(list(layers)))


def _published(quantity: str) -> tuple[float, str]:
    found = one_row("bit_tactical.csv", quantity=quantity)
    return float(found["published"]), found["source"]


def area_check() -> Check:
    """Area over the dense machine's."""
    published, source = _published("area")
    areas = [MACHINE.resources(MACHINES[name]).area_mm2 for name in ("TCLp", "dense")]
    quantity, ours = "area over dense", areas[0] / areas[1]
    return Check("bit_tactical", quantity, "chip", published, ours, QUARTER, source, AREA)


def tensors_of(row: Mapping[str, str], seed: int) -> LayerTensors:
    """Random bytes of the densities of one row."""
    layer = square(row)
    source = np.random.default_rng(seed)
    pixels = sparse_uint8(source, (layer.C, layer.H * layer.W), float(row["input_density"]))
    shape = (layer.K, prod(layer.weight_shape[1:]))
    weights = sparse_int8(source, shape, float(row["weight_density"]))
    return LayerTensors(
        layer,
        pixels.reshape(1, layer.C, layer.H, layer.W),
        weights.reshape(layer.weight_shape),
        origin="synthetic",
    )


def totals(layers: list[Mapping[str, str]]) -> dict[str, Total]:
    """Every machine on the same tensors; psums are left out, they cost no cycle."""
    parts: dict[str, list[Total]] = {name: [] for name in MACHINES}
    for seed, row in enumerate(layers):
        tensors = tensors_of(row, seed)
        weights = tensors.dense_weights()
        for name, spec in MACHINES.items():
            done = work(tensors, weights, None, spec)
            source = fed(tensors, spec, None)
            counters = layer_run("bit_tactical", "sparse", source, spec, done, None).result.counters
            spent = charges(counters, MACHINE.prices(spec))
            everything = sum(charge.attojoules for charge in spent)
            dram = sum(charge.attojoules for charge in spent if charge.component == "dram")
            parts[name].append(
                Total(counters.compute_cycles, counters.cycles, everything - dram, everything)
            )
    return {
        name: Total(*(sum(getattr(part, field) for part in found) for field in Total.__slots__))
        for name, found in parts.items()
    }


def _ratios(network: str, found: Mapping[str, Total]) -> Iterator[Check]:
    def ratio(name: str, field: str) -> float:
        return float(getattr(found["dense"], field) / getattr(found[name], field))

    case = f"{network}, published densities"
    speed, speed_source = _published("performance")
    saving, saving_source = _published("energy efficiency")
    front = ratio("front end", "compute_cycles")
    reason = (
        f"the front end alone gives {front:.2f}; random bytes then need 8 of 16 bits at nearly "
        f"every step, while {speed} would take {16 * front / speed:.1f} bits on average"
    )
    for band, quantity, field in (
        (QUARTER, "performance over dense", "compute_cycles"),
        (REPORTED, "performance over dense, with waits for DRAM", "cycles"),
    ):
        ours = ratio("TCLp", field)
        yield Check("bit_tactical", quantity, case, speed, ours, band, speed_source, reason)
    for band, quantity, field in (
        (QUARTER, "energy efficiency over dense, on chip", "chip_aj"),
        (REPORTED, "energy efficiency over dense, with DRAM", "all_aj"),
    ):
        ours = ratio("TCLp", field)
        yield Check("bit_tactical", quantity, case, saving, ours, band, saving_source, ENERGY)
