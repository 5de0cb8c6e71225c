"""Does the fast machine do what the slow one does, in psums and in every counter?"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arch.basis_first.model import simulate
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from arch.machine import LayerRun, Neighbours
from tests.reference.basis_first import ReferenceInfeasible, ReferenceResult, reference_layer
from tests.reference.basis_first_steps import Fused
from tests.strategies import NAMED, cases
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

EXACT = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# The fast machine splits these by tensor; the reference counts them together.
EVENTS = {
    ("ca_unit", "add", "intermediate"): "ca_adds",
    ("scale_multiplier", "multiply", "intermediate"): "scale_multiplies",
    ("intermediate_fifo", "write", "intermediate"): "fifo_writes",
    ("intermediate_fifo", "read", "intermediate"): "fifo_reads",
    ("mac_row", "multiply", "psum"): "multiplies",
    ("adder_tree", "add", "psum"): "tree_adds",
    ("psum_buffer", "write", "psum"): "psum_writes",
    ("psum_buffer", "read", "psum"): "psum_reads",
    ("requantizer", "multiply", "output"): "requantizes",
    ("coefficient_buffer", "write", "coefficient"): "coefficient_buffer_writes",
    ("coefficient_buffer", "read", "coefficient"): "coefficient_buffer_reads",
    ("vector_buffer", "write", "input"): "vector_buffer_writes",
    ("vector_buffer", "read", "input"): "vector_buffer_reads",
    ("input_glb", "write", "input"): "glb_input_writes",
    ("input_glb", "read", "input"): "glb_input_reads",
    ("output_glb", "write", "output"): "glb_output_writes",
    ("output_glb", "read", "output"): "glb_output_reads",
}
TRAFFIC = {
    ("glb", "input", "read"): "glb_input_read_bytes",
    ("glb", "input", "write"): "glb_input_write_bytes",
    ("glb", "output", "write"): "glb_output_write_bytes",
    ("glb", "output", "read"): "glb_output_read_bytes",
    ("vector_buffer", "input", "write"): "vector_buffer_write_bytes",
    ("vector_buffer", "input", "read"): "vector_buffer_read_bytes",
    ("coefficient_buffer", "coefficient", "read"): "coefficient_buffer_read_bytes",
}


def compare(run: LayerRun, expected: ReferenceResult) -> None:
    """Every number that both models give."""
    counters, extras = run.result.counters, run.result.extras
    assert run.psums is not None
    assert np.array_equal(run.psums, expected.psums)
    for name in ("cycles", "compute", "drain", "pipeline", "memory_stall"):
        field = name if name == "cycles" else f"{name}_cycles"
        assert getattr(counters, field) == getattr(expected, field), field
    assert extras["loop_order"] == expected.order
    assert (extras["tile_rows"], extras["tile_columns"]) == expected.tile
    for field in ("tiles", "k_tiles", "passes", "steps", "broadcast_pixels"):
        assert extras[field] == getattr(expected, field), field
    assert extras["window_vectors"] == expected.window_vectors
    assert counters.stage1_pairs == expected.pairs
    assert extras["ca_cycles"] == expected.t_ca_sum
    assert counters.causes == expected.causes
    assert counters.peak_bandwidth == expected.peak_bandwidth
    for tensor, size in expected.dram.items():
        way = "write" if tensor == "output" else "read"
        assert counters.traffic[("dram", tensor, way)] == size, tensor
    assert counters.traffic[("metadata", "input", "read")] == expected.metadata_read_bytes
    assert counters.traffic[("metadata", "output", "write")] == expected.metadata_written_bytes
    assert run.output_planes == expected.output_planes
    assert run.input_on_chip == expected.input_on_chip
    assert run.output_stays == expected.output_stays
    for key, name in EVENTS.items():
        assert counters.events[key] == expected.events[name], name
    for key, name in TRAFFIC.items():
        assert counters.traffic[key] == expected.events[name], name


def check(
    case: LayerTensors,
    fields: dict[str, object],
    planes: tuple[int, ...] | None,
    fused: Fused | None = None,
) -> ReferenceResult | None:
    """Run both machines; both must refuse, or agree."""
    offers = fused or Fused()
    spec = BasisFirstSpec(layer_fusion="on" if fused else "off", **fields)
    around = Neighbours(planes, offers.on_chip, offers.stays, offers.stored)
    try:
        expected = reference_layer(case, fields, planes, fused=offers)
    except ReferenceInfeasible:
        try:
            simulate(case, spec, around)
        except OperandError:
            return None
        raise AssertionError("the reference refuses what the fast machine runs") from None
    run = simulate(case, spec, around)
    compare(run, expected)
    assert np.array_equal(run.psums, convolve(case))
    return expected


@EXACT
@given(cases(simple=True))
def test_equals_reference_on_simple_layers(drawn) -> None:
    check(*drawn)


@EXACT
@given(cases(orders=NAMED))
def test_equals_reference_everywhere(drawn) -> None:
    check(*drawn)


@settings(EXACT, max_examples=60)
@given(cases(orders=NAMED), st.builds(Fused, st.booleans(), st.booleans(), st.booleans()))
def test_equals_reference_when_fused(drawn, fused) -> None:
    check(*drawn, fused)


def test_auto_compares_all_cuts_where_the_widest_is_refused() -> None:
    """V of 265 channels leaves 15 bits.  Of two cuts into three, the wider takes 179 cycles.

    Blocks do not wait for each other; where V fits, the widest cut would not be compared.
    """
    rng = np.random.default_rng(0)
    layer = ConvLayer("cut", C=265, K=1, H=3, W=3, R=3, S=3, padding=(1, 1, 1, 1))
    case = LayerTensors(
        layer,
        rng.integers(0, 2, (1, 265, 3, 3)).astype(np.uint8),
        basis=np.ones((2, 3, 3), np.int8),
        coefficients=rng.integers(-1, 2, (1, 265, 2)).astype(np.int8),
    )
    found = check(case, {"intermediate_bits": 15, "dram_latency_ns": 0}, None)
    assert found is not None
    assert (found.passes, found.cycles) == (3, 174)


def test_an_output_row_completes_behind_all_rows_before_it() -> None:
    """Input row y feeds output rows y and y + 4: row 4 waits for input row 3, which row 3 needs."""
    layer = ConvLayer("far", C=2, K=2, H=4, W=3, R=2, S=1, padding=(4, 4, 0, 0), dilation=4)
    rng = np.random.default_rng(0)
    case = LayerTensors(
        layer,
        rng.integers(1, 9, (1, 2, 4, 3)).astype(np.uint8),
        basis=np.ones((1, 2, 1), np.int8),
        coefficients=np.ones((2, 2, 1), np.int8),
    )
    fields = {"loop_order": "coefficient_outer", "input_glb_bytes": 18, "dram_burst_bytes": 1}
    fields["dram_bandwidth_bytes_per_s"] = 10**8  # 72 cycles a row
    found = check(case, fields, None)
    assert found is not None
    assert found.steps == 4  # a step for each input row
    rows = [record.store_bytes // (3 * 3) for record in found.step_records]
    assert rows == [1, 1, 1, 5]


def test_a_batch_moves_no_more_bytes_than_its_images_alone() -> None:
    """One plan for both images would save cycles and fetch the input more often."""
    rng = np.random.default_rng(0)
    layer = ConvLayer("batch", C=6, K=5, H=5, W=5, R=3, S=3, padding=(1, 1, 1, 1))
    case = LayerTensors(
        layer,
        rng.integers(0, 2, (2, 6, 5, 5)).astype(np.uint8),
        basis=np.ones((2, 3, 3), np.int8),
        coefficients=rng.integers(-1, 2, (5, 6, 2)).astype(np.int8),
    )
    fields = {"pe_blocks": 1, "slices_per_block": 1, "input_glb_bytes": 1024}
    fields |= {"output_glb_bytes": 1024, "dram_latency_ns": 1000}
    found = check(case, fields, None)
    assert found is not None
    images = [replace(case, activations=case.activations[n : n + 1].copy()) for n in range(2)]
    alone = [simulate(image, BasisFirstSpec(**fields)).result.counters for image in images]
    assert sum(found.dram.values()) <= sum(one.dram_bytes for one in alone)


def test_coefficient_outer_loads_a_tile_once_for_each_k_tile() -> None:
    """Four of six rows feed outputs; 8 B fit half the buffer, the image's 12 B do not."""
    layer = ConvLayer("rows", C=1, K=2, H=6, W=1, stride=3)
    ones = np.ones((1, 1, 6, 1), np.uint8), np.ones((2, 1, 1, 1), np.int8)
    case = LayerTensors(layer, ones[0], weights=ones[1])
    fields = {"pe_blocks": 1, "input_glb_bytes": 16, "dram_burst_bytes": 1}
    for order, loads in (("coefficient_outer", 2), ("input_outer", 1)):
        found = check(case, {**fields, "slices_per_block": 1, "loop_order": order}, None)
        assert found is not None
        assert (found.k_tiles, found.tiles) == (2, 1)
        assert found.dram["input"] == 8 * loads


def test_strips_narrowed_for_psums_still_hold_an_input_row() -> None:
    """Strips of 3 outputs need 16 B of input, strips of 2 need up to 20 B, of 1 need 15 B."""
    layer = ConvLayer("strips", C=4, K=1, H=1, W=6, S=3, padding=(0, 0, 1, 1))
    x = np.ones((1, 4, 1, 6), np.uint8)
    x[..., [0, 5]] = 0
    case = LayerTensors(
        layer, x, basis=np.ones((1, 1, 3), np.int8), coefficients=np.ones((1, 4, 1), np.int8)
    )
    fields = {"loop_order": "coefficient_outer", "input_glb_bytes": 32, "psum_buffer_bytes": 8}
    found = check(case, fields, None)
    assert found is not None
    assert found.tile == (1, 1)


@pytest.mark.parametrize("order", ["auto", "coefficient_outer", "input_outer"])
def test_bypass_needs_no_channel_tile(order: str) -> None:
    """A vector buffer too small for 64 channels holds the three of a pass."""
    layer = ConvLayer("b", C=3, K=2, H=3, W=3, R=3, S=3, padding=(1, 1, 1, 1))
    ones = np.ones((1, 3, 3, 3), np.uint8), np.ones((2, 3, 3, 3), np.int8)
    fields = {"vector_buffer_bytes": 4, "coefficient_buffer_bytes": 1, "loop_order": order}
    assert check(LayerTensors(layer, ones[0], weights=ones[1]), fields, None) is not None


@settings(EXACT, max_examples=6)
@given(cases(orders=("auto",)))
def test_auto_equals_the_best_of_all_its_plans(drawn) -> None:
    """The reference times every plan; the fast machine leaves out what its bounds allow."""
    check(*drawn)
