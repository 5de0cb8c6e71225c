"""Conservation, closed forms, bounds, refusals and presets of SparTen."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.dense import int8_weights
from arch.energy import by_component, by_tensor, charges, total_attojoules
from arch.errors import OperandError, SpecError
from arch.machine import Kept
from arch.pairs import effectual_pairs
from arch.sparten.join import all_joins
from arch.sparten.model import MACHINE
from arch.sparten.spec import PRESETS, SpartenSpec
from arch.spec import MachineSpec, override
from arch.systolic.spec import PRESETS as SYSTOLIC
from arch.systolic.spec import SystolicSpec
from arch.threads import using_threads
from tests.arch.sparten.cases import cases, sparse
from tests.reference.masks import mask
from workloads import hash_masks
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

CONV = ConvLayer("conv", C=16, K=24, H=8, W=8, R=3, S=3, padding=(1, 1, 1, 1))
SMALL = PRESETS["tiny"]


def made(layer, density=0.5, *, images=1, seed=7, **fields):
    rng = np.random.default_rng(seed)
    pixels = sparse(rng, (images, layer.C, layer.H, layer.W), density, 1, 256).astype(np.uint8)
    weights = sparse(rng, layer.weight_shape, density, -127, 0).astype(np.int8)
    return LayerTensors(layer, pixels, weights, **fields)


def ran(tensors, spec):
    return MACHINE.run(tensors, spec).result


@settings(max_examples=60, deadline=None)
@given(cases())
def test_nothing_leaks(case):
    tensors, spec = case
    result = ran(tensors, spec)
    counters = result.counters
    assert sum(counters.causes.values()) == spec.units * counters.cycles
    pairs = effectual_pairs(tensors.layer, tensors.activations, int8_weights(tensors))
    assert counters.effectual_ops == pairs <= counters.multiplies <= counters.macs
    if spec.skip == "both":
        assert counters.multiplies == pairs
    if spec.skip == "none":
        assert counters.multiplies == counters.macs
    glb = {key[1:]: size for key, size in counters.traffic.items() if key[0] == "glb"}
    for tensor in ("psum", "output"):
        assert glb[tensor, "read"] == glb[tensor, "write"]
    for tensor in ("input", "weight"):
        assert counters.traffic_bytes("dram", tensor=tensor) >= glb[tensor, "write"]
    lines = charges(counters, MACHINE.prices(spec))
    total = total_attojoules(lines)
    assert sum(by_component(lines).values()) == sum(by_tensor(lines).values()) == total > 0


def joined(tensors, spec, pixels=None):
    """Joins of the filters balanced as the spec says, all chunks in one pass."""
    given_pixels = tensors.activations if pixels is None else pixels
    return all_joins(tensors.layer, given_pixels, int8_weights(tensors), spec)[0]


@settings(max_examples=40, deadline=None)
@given(cases(balance="none"))
def test_the_more_wait_for_each_other_the_longer_it_takes(case):
    """Per filter group and output position; matches do not depend on who waits."""
    tensors, spec = case
    free, each, locked = (
        joined(tensors, spec.model_copy(update={"sync": sync}))
        for sync in ("asynchronous", "broadcast", "chunk")
    )
    images = slice(0, tensors.images)
    assert (free.times(1) <= each.times(1)).all()
    assert (each.occupied(1, images) <= locked.occupied(1, images)).all()
    for other in (each, locked):
        assert np.array_equal(other.matched, free.matched)
        assert np.array_equal(other.worked, free.worked)


@settings(max_examples=40, deadline=None)
@given(cases(skip="both", load_cycles=1, sync="asynchronous"), st.integers(0, 2**16))
def test_a_zero_more_never_adds_work(case, where):
    tensors, spec = case
    fewer = tensors.activations.copy()
    fewer.flat[where % fewer.size] = 0
    before, after = joined(tensors, spec), joined(tensors, spec, fewer)
    assert (after.times(1) <= before.times(1)).all()
    assert (after.matched <= before.matched).all()
    assert (after.windows.moved <= before.windows.moved).all()


@pytest.mark.parametrize("sync", ["asynchronous", "broadcast", "chunk"])
@pytest.mark.parametrize("balance", ["none", "software", "hardware"])
@pytest.mark.parametrize("order", ["channels_first", "taps"])
def test_without_a_zero_a_full_machine_meets_the_dense_bound(sync, balance, order):
    """Filters and positions fill all units: one product per unit and cycle."""
    layer = ConvLayer("full", C=16, K=16, H=5, W=10, R=2, S=3)
    spec = SMALL.model_copy(update={"sync": sync, "balance": balance, "chunk_order": order})
    counters = ran(made(layer, 1.0), spec).counters
    assert counters.multiplies == counters.macs == layer.macs
    assert counters.compute_cycles == layer.macs // spec.units
    assert counters.causes["mac"] == layer.macs
    dense = ran(made(layer, 0.3), spec.model_copy(update={"skip": "none"})).counters
    assert dense.compute_cycles == counters.compute_cycles


def test_two_units_by_hand():
    """Filters match 3 + 0 and 1 + 2 in two chunks of two taps: who waits decides."""
    layer = ConvLayer("hand", C=3, K=2, H=1, W=2, S=2)
    pixels = np.ones((1, 3, 1, 2), np.uint8)
    weights = np.array([[[1, 0]] * 3, [[1, 1], [0, 1], [0, 0]]], np.int8).reshape(2, 3, 1, 2)
    tensors = LayerTensors(layer, pixels, weights)
    base = {"clusters": 1, "units_per_cluster": 2, "balance": "none"}

    def cycles(**fields):
        return ran(tensors, SpartenSpec(**(base | fields))).counters.compute_cycles

    assert cycles(sync="asynchronous") == 3 + 1  # the chunk without a match takes its load
    assert cycles(sync="broadcast") == 3 + 2
    assert cycles(sync="chunk") == 3 + 2
    assert cycles(sync="asynchronous", load_cycles=3) == 6
    assert cycles(sync="asynchronous", chunk_order="taps") == 3
    assert cycles(units_per_cluster=1, balance="software") == 4 + 2


def test_pairs_balance_what_single_filters_do_not():
    """Four filters of 8, 6, 2 and 0 weights on two units: 8 + 6 apart, 8 + 0 and 6 + 2 paired."""
    layer = ConvLayer("pairs", C=8, K=4, H=1, W=1)
    weights = np.array([[c < n for c in range(8)] for n in (2, 8, 0, 6)], np.int8)
    tensors = LayerTensors(layer, np.ones((1, 8, 1, 1), np.uint8), weights.reshape(4, 8, 1, 1))
    for balance, cycles in (("none", 8 + 6), ("software", 8), ("hardware", 8)):
        spec = SpartenSpec(clusters=1, units_per_cluster=2, balance=balance)
        result = ran(tensors, spec)
        assert result.counters.compute_cycles == cycles, balance
        assert result.extras["filter_groups"] == (2 if balance == "none" else 1)
        moves = result.counters.events["permute_network", "move", "psum"]
        assert moves == (4 if balance == "hardware" else 0)


def test_depthwise_keeps_one_unit_of_a_cluster_at_work():
    layer = ConvLayer("dw", C=6, K=6, H=6, W=6, R=3, S=3, groups=6)
    counters = ran(made(layer, 1.0), SMALL).counters
    busy = sum(counters.causes[name] for name in ("mac", "load", "imbalance"))
    assert counters.causes["fragmentation"] == busy * (SMALL.units_per_cluster - 1)


def test_dram_holds_masks_values_and_pointers():
    """One pixel column of 20 channels is chunks of 16 and 4; 3 filters of 20 likewise."""
    layer = ConvLayer("bytes", C=20, K=3, H=1, W=2)
    pixels = np.zeros((1, 20, 1, 2), np.uint8)
    pixels[0, :5] = 1
    weights = np.zeros((3, 20, 1, 1), np.int8)
    weights[:, 18] = 1
    requantizer = Requantizer(np.ones(3, np.int32), np.array([0, 0, 9], np.int32), 0, 0, 255)
    spec = SMALL.model_copy(update={"dram_burst_bytes": 1})

    def bytes_of(tensors, **fields):
        counters = ran(tensors, spec.model_copy(update=fields)).counters
        return [counters.traffic_bytes("dram", tensor=t) for t in ("input", "weight", "output")]

    known = LayerTensors(layer, pixels, weights, requantizer=requantizer)
    inputs, filters = 2 * (2 + 1 + 2 * 4 + 5), 3 * (2 + 1 + 2 * 4 + 1)
    assert bytes_of(known) == [inputs, filters, 2 * (1 + 4 + 1)]
    assert bytes_of(known, skip="weights") == [40, filters, 6]
    assert bytes_of(known, skip="activations") == [inputs, 60, 2 * (1 + 4 + 1)]
    unknown = LayerTensors(layer, pixels, weights)
    assert bytes_of(unknown) == [inputs, filters, 6]


def test_fully_connected_layers_and_batches():
    layer = ConvLayer("fc", C=300, K=70, H=1, W=1)
    tensors = made(layer, 0.4, images=5)
    run = MACHINE.run(tensors, SMALL)
    assert np.array_equal(run.psums, convolve(tensors))
    assert run.result.images == 5
    assert run.output_planes == (70,)
    # The filters pass once: all five images are one step's output positions.
    assert run.result.counters.traffic["glb", "weight", "write"] < 2 * 300 * 70


def test_outputs_permuted_by_filter_keep_pairs_and_bytes():
    tensors = made(CONV)
    order = np.random.default_rng(1).permutation(CONV.K)
    other = LayerTensors(CONV, tensors.activations, np.ascontiguousarray(tensors.weights[order]))
    one, two = (
        ran(tensors, PRESETS["published"]).counters,
        ran(other, PRESETS["published"]).counters,
    )
    assert one.multiplies == two.multiplies
    assert one.traffic["dram", "weight", "read"] == two.traffic["dram", "weight", "read"]


def test_threads_change_no_integer():
    tensors = made(CONV, images=2)
    for sync in ("asynchronous", "broadcast", "chunk"):
        spec, found = SMALL.model_copy(update={"sync": sync}), []
        for threads in (1, 2, 3):
            with using_threads(threads):
                found.append(ran(tensors, spec).counters)
        assert found[0] == found[1] == found[2]


def test_psums_and_digest_are_shared():
    tensors, kept = made(CONV), Kept()
    first = MACHINE.run(tensors, SMALL, kept=kept)
    again = MACHINE.run(tensors, PRESETS["iso"], kept=kept)
    assert again.psums is first.psums
    assert first.result.provenance["digest"] == tensors.digest()


def test_a_lower_bandwidth_waits_whatever_the_plan():
    """The plan suits the bandwidth, so it may compute longer to wait less."""
    tensors = made(CONV)
    fast, slow = (
        ran(tensors, SMALL.model_copy(update={"dram_bandwidth_bytes_per_s": rate})).counters
        for rate in (25_600_000_000, 10**9)
    )
    assert slow.multiplies == fast.multiplies
    assert slow.cycles > fast.cycles
    assert slow.memory_stall_cycles > fast.memory_stall_cycles


def test_a_shape_alone_is_refused():
    with pytest.raises(OperandError, match="conv: sparten needs tensors, not only shapes"):
        MACHINE.run_shape(CONV, SMALL)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input_glb_bytes": 64}, r"conv: the input lines of one output row need \d+ B of input_g"),
        ({"filter_glb_bytes": 64}, r"conv: one chunk of a filter group needs \d+ B of filter_glb"),
        ({"output_glb_bytes": 64}, r"conv: one output row of 4 filters needs \d+ B of output_glb"),
    ],
)
def test_buffers_that_are_too_small_are_refused(fields, message):
    with pytest.raises(OperandError, match=message):
        MACHINE.run(made(CONV), SMALL.model_copy(update=fields))


def test_wide_weights_psums_and_outputs_are_refused():
    layer = ConvLayer("conv7", C=1, K=1, H=2, W=2, R=2, S=2)
    wide = LayerTensors(
        layer,
        np.ones((1, 1, 2, 2), np.uint8),
        basis=np.full((2, 2, 2), 100, np.int8),
        coefficients=np.ones((1, 1, 2), np.int8),
    )
    with pytest.raises(OperandError, match=r"conv7: the dense weight at \[0, 0, 0, 0\] is 200"):
        MACHINE.run(wide, SMALL)
    with pytest.raises(OperandError, match=r"conv: a psum of -\d+ leaves the 8 bits of psum_bits"):
        MACHINE.run(made(CONV), SMALL.model_copy(update={"psum_bits": 8}))
    requantizer = Requantizer(np.ones(24, np.int32), np.zeros(24, np.int32), 4, -1000, 1000)
    with pytest.raises(OperandError, match="conv: outputs are 2 bytes wide, wanted operand_bytes"):
        MACHINE.run(made(CONV, requantizer=requantizer), SMALL)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clusters": 0}, "clusters = 0: wanted a whole number 1 to"),
        ({"chunk": 0}, "chunk = 0"),
        ({"chunk": 256}, "half of filter_buffer_bytes holds 144 B, wanted a full chunk of 256"),
        ({"input_buffer_bytes": 100}, "half of input_buffer_bytes holds 50 B"),
        ({"operand_bytes": 2, "unit_port_bytes": 1, "chunk": 64}, "unit_port_bytes is 1, wanted"),
        (
            {"skip": "all"},
            "skip = 'all': wanted 'both', 'weights', 'activations' or 'none'",
        ),
        ({"sync": "never"}, "sync = 'never'"),
        ({"balance": "greedy"}, "balance = 'greedy'"),
        ({"load_cycles": 0}, "load_cycles = 0"),
        ({"cores": 2}, "unknown field 'cores'"),
    ],
)
def test_bad_fields_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        override(PRESETS["published"], fields)


def test_another_machines_spec_is_refused():
    with pytest.raises(TypeError, match="sparten: spec is a SystolicSpec, wanted a SpartenSpec"):
        MACHINE.run(made(CONV), SystolicSpec())


def test_iso_has_the_resources_of_the_other_iso_machines():
    resources = MACHINE.resources(PRESETS["iso"])
    assert next(iter(PRESETS)) == "iso"
    assert resources.sram_bytes == SYSTOLIC["iso"].sram_bytes == 589_824
    assert resources.multipliers == resources.adders == 1024
    for name in MachineSpec.model_fields:
        assert getattr(PRESETS["iso"], name) == getattr(SYSTOLIC["iso"], name), name


@pytest.mark.parametrize("name", PRESETS)
def test_presets_price_every_event(name):
    for skip, balance in itertools.product(("both", "none"), ("none", "hardware")):
        spec = PRESETS[name].model_copy(update={"skip": skip, "balance": balance})
        lines = charges(ran(made(CONV), spec).counters, MACHINE.prices(spec))
        assert {line.component for line in lines if not line.price.attojoules} == {"clock"}
        assert all(line.price.source for line in lines)
        assert min(MACHINE.resources(spec).area.values()) > 0


def test_masks_by_hash_are_those_of_the_tests():
    for shape, density, salt in (((2, 3, 5), 0.3, 4), ((7,), 1.0, 1), ((64,), 0.0, 9)):
        assert np.array_equal(hash_masks.mask(shape, density, salt), mask(shape, density, salt))


@pytest.mark.parametrize(("size", "entered"), [(72, 2304), (71, 9216)])
def test_a_filter_of_exactly_half_its_buffer_stays_there(size, entered):
    """36 B enter each of 32 clusters once in either run of rows, or for each of 256 outputs."""
    layer = ConvLayer("one", C=32, K=2, H=16, W=16)
    ones = np.ones((1, 32, 16, 16), np.uint8), np.ones(layer.weight_shape, np.int8)
    spec = override(PRESETS["iso"], {"filter_buffer_bytes": size, "chunk": 16})
    counters = MACHINE.run(LayerTensors(layer, *ones), spec).result.counters
    assert counters.events["filter_buffer", "write", "weight"] == entered
