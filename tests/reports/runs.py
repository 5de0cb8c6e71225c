"""Hand-made runs: counters that obey every law, for tests of what is printed about them."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pydantic import Field

from arch.counters import Counters, LayerResult
from arch.energy import Price, charges
from arch.machine import Resources
from arch.simulate import NetworkRun
from arch.spec import MachineSpec
from workloads.layer import ConvLayer

PRICES = {
    ("dram", "access"): Price(32_000_000, "a made-up DRAM"),
    ("buffer", "read"): Price(1_300_000, "a made-up SRAM"),
    ("multipliers", "multiply"): Price(200_000, "a made-up multiplier"),
    ("adders", "add"): Price(62_500, "a made-up adder"),
}
RESOURCES = Resources(
    multipliers=576,
    adders=3072,
    sram_bytes=256 * 1024,
    area={"buffer": 900_000_000_000, "multipliers": 300_000_000_000, "adders": 50_000_000_000},
)


class ToySpec(MachineSpec):
    """A machine with one field of its own."""

    pe_blocks: int = Field(4, ge=1, description="output channels in flight")


def counters(busy: int, stall: int, *, macs: int, dram: int) -> Counters:
    """Four units: ``busy`` cycles of work, five of pipeline, ``stall`` waiting for memory."""
    cycles = busy + 5 + stall
    work = min(3 * busy, 4 * busy)
    return Counters(
        cycles=cycles,
        compute_cycles=busy,
        drain_cycles=0,
        pipeline_cycles=5,
        memory_stall_cycles=stall,
        macs=macs,
        effectual_ops=macs // 7,
        multiplies=macs // 50,
        units=4,
        causes={
            "mac_bound": work,
            "ca_bound": 4 * busy - work,
            "idle": 4 * 5,
            "dram": 4 * stall,
        },
        traffic={
            ("dram", "input", "read"): dram // 2,
            ("dram", "coefficient", "read"): dram // 8,
            ("dram", "output", "write"): dram // 4,
            ("glb", "input", "read"): dram,
        },
        events={
            ("dram", "access", "input"): dram // 2,
            ("dram", "access", "output"): dram // 4,
            ("buffer", "read", "input"): dram,
            ("multipliers", "multiply", "psum"): macs // 50,
            ("adders", "add", "psum"): macs // 7,
        },
        peak_bandwidth=Fraction(dram * 4_000_000, 3),
    )


def run(
    sizes: Sequence[tuple[str, int, int]] = (("conv1", 100, 20), ("conv2", 300, 4)),
    *,
    machine: str = "toy",
    preset: str = "iso",
    network: str = "tiny",
    provenance: Mapping[str, Any] | None = None,
    resources: Resources = RESOURCES,
) -> NetworkRun:
    """A run of layers given as (name, busy cycles, stall cycles)."""
    spec = ToySpec()
    results = tuple(
        LayerResult(
            layer=ConvLayer(name, C=8 * (i + 1), K=16, H=6, W=6),
            images=1,
            machine=machine,
            spec=spec,
            mode="decomposed",
            counters=counters(
                busy, stall, macs=ConvLayer("x", C=8 * (i + 1), K=16, H=6, W=6).macs, dram=960
            ),
            extras={"loop_order": "input_outer", "tiles": 3},
            provenance={
                "origin": "captured",
                "digest": f"{i:064x}",
                "notes": ["no requantizer"],
                "activations": {"type": "int8", "nonzeros": 3, "values": 4},
            },
        )
        for i, (name, busy, stall) in enumerate(sizes)
    )
    bills = tuple(charges(result.counters, PRICES) for result in results)
    made = {"version": "0.1.0", "seed": 0} if provenance is None else provenance
    return NetworkRun(network, machine, preset, spec, resources, results, bills, made)
