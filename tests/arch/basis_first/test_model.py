"""Closed forms, properties, both sides of capacities, and every refusal of the machine."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from arch.basis_first.model import MACHINE, simulate
from arch.basis_first.prepare import prepare
from arch.basis_first.spec import BasisFirstSpec
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.machine import Neighbours
from arch.threads import using_threads
from reports.table import reread_notes
from tests.strategies import cases
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

NO_DRAM = {"dram_latency_ns": 0, "dram_bandwidth_bytes_per_s": 10**18}


def ones_layer(C: int = 16, K: int = 1, size: int = 4, M: int = 1, **spec) -> LayerTensors:
    """3x3, pad 1, everything one."""
    layer = ConvLayer("ones", C=C, K=K, H=size, W=size, R=3, S=3, padding=(1, 1, 1, 1))
    return LayerTensors(
        layer,
        np.ones((1, C, size, size), np.uint8),
        basis=np.ones((M, 3, 3), np.int8),
        coefficients=np.ones((K, C, M), np.int8),
    )


def test_interior_pixels_take_three_cycles() -> None:
    """16 channels fill one row: t_CA 1; t_MAC is the legal kernel rows: 2, 3, 3, 2."""
    run = simulate(ones_layer(), BasisFirstSpec(**NO_DRAM))
    counters = run.result.counters
    # The first vector arrives after 1 cycle, its sum takes 1: 4 columns x (2+3+3+2) follow.
    assert counters.compute_cycles == 2 + 4 * (2 + 3 + 3 + 2)
    assert counters.drain_cycles == 4
    assert run.result.counters.stage1_pairs == 16 * 16


@pytest.mark.parametrize(
    ("sizes", "per_pixel"),
    [
        ({"H": 1, "W": 20, "S": 7}, 3),  # ceil(7 taps / 3 MACs), one row
        ({"H": 20, "W": 1, "R": 7}, 7),  # seven rows of a tap
        ({"H": 20, "W": 1, "R": 7, "stride": (2, 1)}, 3.5),  # every other row meets 4, else 3 taps
        ({"H": 1, "W": 40, "S": 7, "dilation": (1, 2)}, 3),
    ],
)
def test_a_kernel_of_one_row_or_column(sizes, per_pixel) -> None:
    """Inception's 1x7 and 7x1: as many cycles as each kernel row's taps take; edges take less."""
    cycles = []
    for more in (0, 4):  # inner pixels
        longer = {side: sizes[side] + more for side in ("H", "W") if sizes[side] > 1}
        layer = ConvLayer("layer", C=16, K=16, **sizes | longer)
        case = LayerTensors(
            layer,
            np.ones((1, 16, layer.H, layer.W), np.uint8),
            basis=np.ones((2, layer.R, layer.S), np.int8),
            coefficients=np.ones((16, 16, 2), np.int8),
        )
        run = simulate(case, BasisFirstSpec(**NO_DRAM))
        np.testing.assert_array_equal(run.psums, convolve(case))
        cycles.append(run.result.counters.compute_cycles)
    assert cycles[1] - cycles[0] == 4 * per_pixel


def test_all_zero_input_takes_one_cycle_per_pixel() -> None:
    case = ones_layer()
    silent = LayerTensors(
        case.layer,
        np.zeros_like(case.activations),
        basis=case.basis,
        coefficients=case.coefficients,
    )
    run = simulate(silent, BasisFirstSpec(**NO_DRAM))
    assert run.result.counters.compute_cycles == 2 + 16
    assert run.result.counters.multiplies == 0
    assert not run.psums.any()


def test_cancelled_sums_are_zero() -> None:
    """+1 and -1 on equal channels: pairs are summed, V is 0, no multiply happens."""
    case = ones_layer(C=2)
    signs = np.array([[[1], [-1]]], np.int8)
    cancelled = LayerTensors(case.layer, case.activations, basis=case.basis, coefficients=signs)
    counters = simulate(cancelled, BasisFirstSpec()).result.counters
    assert counters.stage1_pairs == 32
    assert counters.effectual_ops == 2 * 10 * 10  # the weights of both channels, all legal taps
    assert counters.multiplies == 0
    assert counters.causes["mac"] == 16


def scaled(case: LayerTensors, **scales) -> LayerTensors:
    return replace(case, coefficients=case.coefficients.copy(), **scales)


def test_scales_cost_multiplies_and_stored_bytes_but_no_time() -> None:
    """16 pixels, 2 filters of 3 bases: one multiply per V with alpha, two with p and n."""
    plain = ones_layer(C=24, K=2, M=3)
    alpha = scaled(plain, alpha=np.full((2, 3), 5, np.uint8))
    sides = scaled(plain, two_sided=(7, 1))
    runs = [simulate(case, BasisFirstSpec()) for case in (plain, alpha, sides)]
    counters = [run.result.counters for run in runs]
    key = ("scale_multiplier", "multiply", "intermediate")
    assert [c.events[key] for c in counters] == [0, 16 * 6, 2 * 16 * 6]
    assert [c.multiplies for c in counters] == [counters[0].multiplies] * 3
    assert [c.compute_cycles for c in counters] == [counters[0].compute_cycles] * 3
    # 6 x (24 + 24) bits are 36 bytes; 6 more stay within one burst of 64.
    assert [c.traffic["dram", "coefficient", "read"] for c in counters] == [64, 64, 64]
    many = scaled(ones_layer(C=24, K=4, M=3), alpha=np.full((4, 3), 5, np.uint8))
    traffic = simulate(many, BasisFirstSpec(dram_burst_bytes=1)).result.counters.traffic
    assert traffic["dram", "coefficient", "read"] == 72 + 12
    assert np.array_equal(runs[1].psums, 5 * runs[0].psums)
    assert np.array_equal(runs[2].psums, 7 * runs[0].psums)
    price = MACHINE.prices(BasisFirstSpec())[key[:2]]
    assert price == MACHINE.prices(BasisFirstSpec())["mac_row", "multiply"]


def test_zero_is_tested_on_the_scaled_value() -> None:
    """X on two channels: 2 V+ - 1 V- is 0 where V- is twice V+, 1 V+ - 1 V- where they agree."""
    layer = ConvLayer("pair", C=2, K=1, H=1, W=2, R=1, S=3, padding=(0, 0, 1, 1))
    case = LayerTensors(
        layer,
        np.array([1, 4, 2, 4], np.uint8).reshape(1, 2, 1, 2),
        basis=np.ones((1, 1, 3), np.int8),
        coefficients=np.array([[[1], [-1]]], np.int8),
    )
    plain, sides = (simulate(c, BasisFirstSpec()) for c in (case, scaled(case, two_sided=(2, 1))))
    assert plain.psums.ravel().tolist() == [-1, -1]
    assert sides.psums.ravel().tolist() == [4, 4]
    for run in (plain, sides):
        assert run.result.counters.events["intermediate_fifo", "write", "intermediate"] == 1


def test_large_scaled_sums_are_exact() -> None:
    """Beyond 2^24 a float32 would round."""
    layer = ConvLayer("large", C=1001, K=1, H=1, W=1)
    pixels = np.full((1, 1001, 1, 1), 255, np.uint8)
    case = LayerTensors(
        layer,
        pixels,
        coefficients=np.ones((1, 1001, 1), np.int8),
        alpha=np.array([[255]], np.uint8),
    )
    run = simulate(case, BasisFirstSpec(intermediate_bits=32))
    assert run.psums.item() == 1001 * 255 * 255


@pytest.mark.parametrize(("packing", "cycles"), [("ideal", 1), ("window", 2), ("none", 3)])
def test_packing_bounds(packing, cycles) -> None:
    """Three rows with one element each, all in lane 0: one lane issues one row at a time."""
    layer = ConvLayer("rows", C=48, K=1, H=1, W=1)
    x = np.zeros((1, 48, 1, 1), np.uint8)
    x[0, [0, 16, 32]] = 1
    case = LayerTensors(layer, x, coefficients=np.ones((1, 48, 1), np.int8))
    run = simulate(case, BasisFirstSpec(packing=packing, lookahead=4, lookaside=0))
    assert run.result.extras["ca_cycles"] == {"ideal": 1, "window": 3, "none": 3}[packing]
    sideways = simulate(case, BasisFirstSpec(packing=packing))
    assert sideways.result.extras["ca_cycles"] == cycles - (packing == "window")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases())
def test_properties(drawn) -> None:
    """Bills add up, traffic covers the tensors, threads and zeroed elements change nothing else."""
    case, fields, planes = drawn
    spec = BasisFirstSpec.model_validate(fields)
    try:
        run = simulate(case, spec, Neighbours(planes))
    except OperandError:
        return
    counters = run.result.counters
    bill = charges(counters, MACHINE.prices(spec))
    assert sum(by_component(bill).values()) == total_attojoules(bill)
    assert sum(by_tensor(bill).values()) == total_attojoules(bill)
    events, outputs = counters.events, case.images * case.layer.K * case.layer.P * case.layer.Q
    reads, writes = (events["psum_buffer", way, "psum"] for way in ("read", "write"))
    assert writes - outputs <= reads <= writes
    needed = np.count_nonzero(case.coefficients) if case.coefficients is not None else 0
    assert counters.traffic["dram", "coefficient", "read"] * 8 >= needed
    with using_threads(1):
        alone = simulate(case, spec, Neighbours(planes))
    assert alone.result.counters == counters
    fewer = case.activations.copy()
    fewer[..., 0, 0] = 0
    thinner = simulate(
        LayerTensors(
            case.layer,
            fewer,
            weights=case.weights,
            basis=case.basis,
            coefficients=case.coefficients,
            requantizer=case.requantizer,
            alpha=case.alpha,
            two_sided=case.two_sided,
        ),
        BasisFirstSpec(**{**fields, "input_glb_bytes": 1 << 30, "output_glb_bytes": 1 << 30}),
    )
    roomy = simulate(
        case, BasisFirstSpec(**{**fields, "input_glb_bytes": 1 << 30, "output_glb_bytes": 1 << 30})
    )
    if thinner.result.extras["loop_order"] == roomy.result.extras["loop_order"]:
        assert thinner.result.counters.stage1_pairs <= roomy.result.counters.stage1_pairs


def test_network_seen_twice_is_the_same() -> None:
    case = ones_layer(C=40, K=40, size=9, M=6)
    first, second = (simulate(case, BasisFirstSpec()) for _ in range(2))
    assert first.result == second.result


def test_a_batch_is_told_image_by_image() -> None:
    """Three images: one silent, one dense, one between; each alone gives the batch's numbers."""
    case = ones_layer(C=40, K=3, size=5, M=2)
    x = np.concatenate([case.activations * 0, case.activations, case.activations])
    x[2, ::3] = 0
    for order in ("coefficient_outer", "input_outer"):
        spec = BasisFirstSpec(loop_order=order, pe_blocks=2, **NO_DRAM)  # two steps an image
        batch = simulate(replace(case, activations=x), spec).result
        alone = [simulate(replace(case, activations=x[n : n + 1]), spec).result for n in range(3)]
        for name, each in (
            ("stage1_pairs", [run.counters.stage1_pairs for run in alone]),
            ("ca_cycles", [run.extras["ca_cycles"] for run in alone]),
            ("compute_cycles", [run.counters.compute_cycles for run in alone]),
            ("multiplies", [run.counters.multiplies for run in alone]),
        ):
            got = [batch.extras[f"image_{name}_{how}"] for how in ("min", "max", "mean")]
            assert got == [min(each), max(each), sum(each) / 3], (order, name)
        assert not any(name.startswith("image_") for name in alone[0].extras)


def test_weights_of_a_batch_are_fetched_as_the_order_says() -> None:
    """Two k-tiles of coefficients, two images that do not fit: k-tile outer fetches each once."""
    case = ones_layer(C=64, K=64, size=6, M=1)
    x = np.concatenate([case.activations] * 3)
    fetched = {}
    for order in ("coefficient_outer", "input_outer"):
        spec = BasisFirstSpec(loop_order=order, pe_blocks=16, input_glb_bytes=4096)
        run = simulate(replace(case, activations=x), spec).result
        fetched[order] = run.counters.traffic["dram", "coefficient", "read"]
    one_k_tile = 16 * (64 + 64) // 8
    assert fetched["coefficient_outer"] == 4 * one_k_tile
    assert fetched["input_outer"] > fetched["coefficient_outer"]


def refused(case: LayerTensors, message: str, error: type = OperandError, **fields) -> None:
    with pytest.raises(error, match=message):
        simulate(case, BasisFirstSpec(**fields))


def test_refusals_name_layer_and_value() -> None:
    wide, named = ones_layer(C=200), {"loop_order": "coefficient_outer"}
    narrow = {"intermediate_bits": 16}
    refused(wide, "ones: intermediate of output channel 0 reaches 0..51000", **named, **narrow)
    assert simulate(wide, BasisFirstSpec(**narrow)).result.extras["passes"] == 2  # auto cuts C
    simulate(wide, BasisFirstSpec(intermediate_bits=17))
    refused(wide, r"ones: psum of output channel 0 reaches 0..459000", psum_bits=19)
    simulate(wide, BasisFirstSpec(psum_bits=20))
    doubled = scaled(wide, alpha=np.array([[2]], np.uint8))
    narrow = {"intermediate_bits": 17}
    refused(doubled, "intermediate of output channel 0 reaches 0..102000", **named, **narrow)
    refused(doubled, "psum of output channel 0 reaches 0..918000", psum_bits=20)
    simulate(doubled, BasisFirstSpec(intermediate_bits=18, psum_bits=21))
    sides = scaled(wide, two_sided=(2, 255))
    simulate(sides, BasisFirstSpec(intermediate_bits=18, psum_bits=21))
    refused(wide, "vector_buffer_bytes = 71 holds no channel", SpecError, vector_buffer_bytes=71)
    simulate(wide, BasisFirstSpec(vector_buffer_bytes=72))
    refused(wide, "one output column needs 4 B of psums", psum_buffer_bytes=3)
    simulate(wide, BasisFirstSpec(psum_buffer_bytes=4))
    outer = {"loop_order": "coefficient_outer"}
    refused(
        wide, "column needs 12 B of psums, psum_buffer_bytes is 11", psum_buffer_bytes=11, **outer
    )
    simulate(wide, BasisFirstSpec(psum_buffer_bytes=12, **outer))
    # A pixel is 25 mask bytes and 200 values; an edge column sees 2 columns, an inner one 3.
    refused(wide, "needs 675 B in half the input buffer", input_glb_bytes=1349)
    simulate(wide, BasisFirstSpec(input_glb_bytes=1350))
    inner = {"loop_order": "input_outer"}
    refused(wide, "one output needs 2025 B in half", input_glb_bytes=4049, **inner)
    refused(wide, "output_glb_bytes is 3", output_glb_bytes=3, **inner)
    simulate(wide, BasisFirstSpec(output_glb_bytes=4, **inner))
    with pytest.raises(OperandError, match=r"input planes \(3,\) do not add up to C = 200"):
        simulate(wide, BasisFirstSpec(), Neighbours((3,)))
    with pytest.raises(OperandError, match="needs tensors"):
        MACHINE.run_shape(wide.layer, BasisFirstSpec())


def test_ternary_one_by_one_needs_no_basis() -> None:
    layer = ConvLayer("fc", C=3, K=2, H=1, W=1)
    with pytest.raises(WorkloadError, match=r"fc: coefficients at \[0, 0, 0\] is 2"):
        LayerTensors(
            layer, np.ones((1, 3, 1, 1), np.uint8), coefficients=np.full((2, 3, 1), 2, np.int8)
        )


def test_shortcut_is_traffic_without_time() -> None:
    """9 pixels of 1 mask byte and 8 values round up to two bursts; no cycle is added."""
    layer = ConvLayer("add", C=1, K=8, H=3, W=3)
    plain = {
        "activations": np.ones((1, 1, 3, 3), np.uint8),
        "weights": np.ones((8, 1, 1, 1), np.int8),
    }
    without = simulate(LayerTensors(layer, **plain), BasisFirstSpec())
    shortcut = np.ones((1, 8, 3, 3), np.uint8)
    run = simulate(LayerTensors(layer, **plain, shortcut=shortcut), BasisFirstSpec())
    before, after = without.result.counters, run.result.counters
    assert after.traffic["dram", "shortcut", "read"] == 128
    assert after.events["dram", "byte", "shortcut"] == 128
    assert after.dram_bytes - before.dram_bytes == 128
    assert after.cycles == before.cycles


def test_a_tensor_read_too_often_is_told() -> None:
    """Four k-tiles stream an input that does not fit; a larger buffer keeps it."""
    case = ones_layer(C=64, K=80, size=8, M=1)
    named = {"loop_order": "coefficient_outer", "pe_blocks": 16}
    often, once = (
        simulate(case, BasisFirstSpec(**named, input_glb_bytes=size)).result
        for size in (2048, 1 << 16)
    )
    assert often.stored["input"] == 8 * 8 * (64 + 8) == once.stored["input"]
    assert 5 <= often.reads["input"] < 5.2
    assert reread_notes([often]) == ["read from DRAM more than 4 times: input (5.0 times)"]
    assert once.reads["input"] == 1
    assert reread_notes([once]) == []
    both = reread_notes([often, once])
    assert both == ["read from DRAM more than 4 times: input of ones (5.0 times)"]


def test_one_read_is_charged_whole_ports() -> None:
    """192 channels and 96 coefficients are 36 B: 5 accesses of 8 B, at 16 pixels and of 2 sums.

    The two sums are also written once, 5 accesses each.  A vector of 192 bytes and its mask of
    24 B fills 13.5 ports of 16 B, so 14 accesses in each of 2 blocks.
    """
    half = ones_layer(C=192, K=2, M=1)
    coefficients = half.coefficients.copy()
    coefficients[:, 1::2] = 0
    events = simulate(replace(half, coefficients=coefficients), BasisFirstSpec())
    counted = events.result.counters.events
    assert counted["coefficient_buffer", "read", "coefficient"] == 16 * 2 * 5
    assert counted["coefficient_buffer", "write", "coefficient"] == 2 * 5
    assert counted["vector_buffer", "write", "input"] == 16 * 2 * 14


def test_swapped_buffers_have_the_same_ports() -> None:
    """A vector of 7 B takes two reads of 4 B whichever GLB it lies in."""
    spec = BasisFirstSpec(layer_fusion="on", broadcast_bytes_per_cycle=4)
    case = ones_layer(C=6, K=2, M=1)
    for name, swapped in (("input_glb", False), ("output_glb", True)):
        run = simulate(case, spec, Neighbours(swapped=swapped))
        assert run.result.counters.events[name, "read", "input"] == 16 * 2


@pytest.mark.parametrize(
    ("order", "size", "steps"),
    [
        ("coefficient_outer", 288, 4),
        ("coefficient_outer", 287, 6),
        ("input_outer", 288, 8),
        ("input_outer", 287, 16),
    ],
)
def test_input_of_exactly_half_a_buffer_fits(order, size, steps):
    """A row of 4 pixels is 4 mask bytes and 32 values: 288 B hold four rows in each half."""
    layer = ConvLayer("one", C=8, K=2, H=8, W=4, R=3, S=3, padding=(1, 1, 1, 1))
    ones = np.ones((1, 8, 8, 4), np.uint8), np.ones(layer.weight_shape, np.int8)
    spec = BasisFirstSpec(loop_order=order, input_glb_bytes=size)
    assert len(prepare(LayerTensors(layer, *ones), spec).steps.steps) == steps
