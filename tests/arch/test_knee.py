"""The knee: bandwidth never costs cycles, latency never saves any."""

import pytest

from arch.machine import Neighbours, machine
from arch.systolic.spec import PRESETS
from tests.reference.basis_first_golden import GOLDEN
from workloads.layer import ConvLayer

BANDWIDTHS = [400_000_000 << n for n in range(10)]
LATENCIES = [0, 1, 10, 100, 1000, 10_000]
LAYERS = [
    ConvLayer("conv", C=16, K=40, H=14, W=14, R=3, S=3, padding=(1, 1, 1, 1)),
    ConvLayer("pointwise", C=64, K=24, H=7, W=7),
    ConvLayer("depthwise", C=12, K=12, H=9, W=9, R=3, S=3, groups=12),
]
SYSTOLIC = [(layer, dataflow) for layer in LAYERS for dataflow in ("os", "ws", "is")]


def basis_first_cycles(row, **fields):
    found = machine("basis_first")
    spec = found.spec_type.model_validate({**row.fields, **fields})
    return found.run(row.tensors, spec, Neighbours(row.planes)).result.counters


def systolic_cycles(layer, dataflow, **fields):
    spec = PRESETS["tiny"].model_copy(update={"dataflow": dataflow, **fields})
    return machine("systolic").run_shape(layer, spec).result.counters


def assert_knee(counters):
    """Cycles fall with bandwidth down to what no bandwidth can save."""
    cycles = [each.cycles for each in counters]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > cycles[-1]
    first, last = counters[0], counters[-1]
    assert first.compute_cycles == last.compute_cycles
    assert first.memory_stall_cycles > last.memory_stall_cycles


@pytest.mark.parametrize("row", GOLDEN[:3], ids=lambda row: row.name)
def test_basis_first(row):
    assert_knee([basis_first_cycles(row, dram_bandwidth_bytes_per_s=b) for b in BANDWIDTHS])
    waits = [basis_first_cycles(row, dram_latency_ns=ns).cycles for ns in LATENCIES]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]


@pytest.mark.parametrize(("layer", "dataflow"), SYSTOLIC, ids=str)
def test_systolic(layer, dataflow):
    assert_knee(
        [systolic_cycles(layer, dataflow, dram_bandwidth_bytes_per_s=b) for b in BANDWIDTHS]
    )
    waits = [systolic_cycles(layer, dataflow, dram_latency_ns=ns).cycles for ns in LATENCIES]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]
