"""Does the fast array do what the slow one does?  Cycles, psums and every access, exactly."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.systolic.model import MACHINE
from arch.systolic.plan import plan
from arch.systolic.spec import SystolicSpec
from arch.systolic.tally import causes, tally
from tests.arch.systolic.cases import specs, tensors
from tests.reference.systolic import run_gemm
from tests.reference.systolic_layer import run_layer
from workloads.convolve import convolve
from workloads.layer import ConvLayer


def check_counts(planned, spec, counts):
    """All counters against those of the moving registers."""
    found = tally(planned, spec)
    for name, words in (
        ("ifmap", found.ifmap),
        ("filter", found.filter),
        ("psum", found.psum_writes),
        ("output", found.output_writes),
    ):
        assert words.words == counts[f"{name} words"], name
        assert words.accesses == counts[f"{name} vectors"], name
    assert found.psum_reads.words == counts["psum words read"]
    assert found.psum_reads.accesses == counts["psum vectors read"]
    for name, registers in (
        ("input", found.input_registers),
        ("weight", found.weight_registers),
    ):
        assert registers.writes == counts[f"operand write {name}"], name
        assert registers.reads == counts[f"operand read {name}"], name
    assert found.psum_registers.writes == counts["psum write"]
    assert found.psum_registers.reads == counts["psum read"]
    for cause, cycles in causes(planned, spec).items():
        assert cycles == counts[cause], cause


def run_passes(given_tensors, planned, spec):
    """The moving registers, images together as planned: psums, cycles, counts."""
    psums, cycles, counts, done = [], 0, Counter(), 0
    for one, times in planned.passes:
        for _ in range(times):
            slow = run_layer(
                given_tensors.layer,
                given_tensors.activations[done : done + one.images],
                given_tensors.dense_weights(),
                spec.rows,
                spec.columns,
                spec.dataflow,
                spec.fold_overhead,
            )
            psums.append(slow.product)
            cycles += slow.cycles
            counts += slow.counts
            done += one.images
    assert done == given_tensors.images
    return np.concatenate(psums), cycles, counts


def check_layer(given_tensors, spec):
    planned = plan(given_tensors.layer, spec, given_tensors.images)
    psums, cycles, counts = run_passes(given_tensors, planned, spec)
    fast = MACHINE.run(given_tensors, spec)
    assert np.array_equal(fast.psums, psums)
    assert np.array_equal(fast.psums, convolve(given_tensors))
    assert fast.result.counters.compute_cycles == cycles
    check_counts(planned, spec, counts)


@settings(max_examples=60, deadline=None)
@given(tensors(), specs(port_bytes=64))
def test_layers_equal_the_moving_registers(given_tensors, spec):
    check_layer(given_tensors, spec)


@settings(max_examples=60, deadline=None)
@given(tensors(), st.sampled_from(("ws", "is")), st.data())
def test_preloaded_tiles_equal_the_moving_registers(given_tensors, dataflow, data):
    check_layer(given_tensors, data.draw(specs(dataflow, fold_overhead="preloaded", port_bytes=64)))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 12),
    specs("os", fold_overhead="stonne", port_bytes=64),
)
def test_stonne_overhead_equals_the_moving_registers(m, n, k, spec):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (m, k)), rng.integers(-9, 9, (k, n))
    slow = run_gemm(a, b, spec.rows, spec.columns, "os", "stonne")
    steps = plan(ConvLayer("gemm", C=k, K=n, H=m, W=1), spec)
    assert np.array_equal(slow.product, a @ b)
    assert steps.cycles == slow.cycles
    check_counts(steps, spec, slow.counts)


@settings(max_examples=60, deadline=None)
@given(tensors(images=1), specs(), st.data())
def test_small_buffers_change_steps_but_no_cycle_of_the_array(given_tensors, spec, data):
    """Cutting a fold into pieces neither adds nor removes cycles, words or psums."""
    layer = given_tensors.layer
    small = spec.model_copy(
        update={
            "ifmap_bytes": data.draw(st.integers(1000, 2000)),
            "filter_bytes": 2 * spec.units + data.draw(st.integers(0, 40)),
            "ofmap_bytes": 8 * spec.units + data.draw(st.integers(0, 200)),
        }
    )
    roomy, cramped = plan(layer, spec), plan(layer, small)
    assert cramped.cycles == roomy.cycles
    assert tally(cramped, small) == tally(roomy, spec)
    one, other = cramped.first.folds.lengths, roomy.first.folds.lengths
    assert np.array_equal(one.sum(axis=2), other.sum(axis=2))
    assert (one >= 0).all()
    assert np.array_equal(MACHINE.run(given_tensors, small).psums, convolve(given_tensors))


@pytest.mark.parametrize(
    ("dataflow", "cycles"),
    [("os", 5 + 3 + 4 - 2), ("ws", 2 + 2 * 3 + 4 - 2), ("is", 3 + 2 * 3 + 4 - 2)],
)
def test_one_fold_by_hand(dataflow, cycles):
    """2 pixels x 5 taps x 3 filters; one fold for os, two (5 taps on 3 rows) for ws and is."""
    spec = SystolicSpec(rows=3, columns=4, dataflow=dataflow)
    folds = 1 if dataflow == "os" else 2
    assert plan(ConvLayer("g", C=5, K=3, H=2, W=1), spec).cycles == folds * cycles - 1


@pytest.mark.parametrize(
    ("pixels", "cycles"),
    [
        # 3 rows take the first tile in; 2 or 7 words follow, yet no sooner than the next tile's
        # 3 rows; the last word passes 3 + 4 - 2 PEs more.
        (2, 3 + 3 + 2 + 5),
        (3, 3 + 3 + 3 + 5),
        (7, 3 + 7 + 7 + 5),
    ],
)
def test_preloaded_folds_follow_without_a_gap(pixels, cycles):
    """Two folds, 5 taps on 3 rows; a second group follows as a third and fourth fold."""
    spec = SystolicSpec(rows=3, columns=4, dataflow="ws", fold_overhead="preloaded")
    assert plan(ConvLayer("g", C=5, K=3, H=pixels, W=1), spec).cycles == cycles
    two = ConvLayer("g", C=10, K=6, H=pixels, W=1, groups=2)
    assert plan(two, spec).cycles == cycles + 2 * max(pixels, 3)
