"""Does the fast array do what the slow one does?  Cycles, psums and every access, exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.systolic.model import MACHINE
from arch.systolic.plan import plan
from arch.systolic.spec import SystolicSpec
from arch.systolic.tally import causes, grouped, tally
from tests.arch.systolic.cases import specs, tensors
from tests.reference.systolic import run_gemm, run_layer
from workloads.convolve import convolve
from workloads.layer import ConvLayer


def check_counts(steps, spec, counts):
    """All counters against those of the moving registers."""
    found = grouped(tally(steps, spec), steps.gemm.layer.groups)
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
    stream = {"os": steps.gemm.K, "ws": steps.gemm.M, "is": steps.gemm.N}[spec.dataflow]
    for cause, cycles in causes(steps, spec.units, stream).items():
        assert cycles * steps.gemm.layer.groups == counts[cause], cause


@settings(max_examples=60, deadline=None)
@given(tensors(), specs(port_bytes=64))
def test_layers_equal_the_moving_registers(given_tensors, spec):
    layer = given_tensors.layer
    slow = run_layer(
        layer,
        given_tensors.activations,
        given_tensors.dense_weights(),
        spec.rows,
        spec.columns,
        spec.dataflow,
    )
    fast = MACHINE.run(given_tensors, spec)
    assert np.array_equal(fast.psums, slow.product)
    assert np.array_equal(fast.psums, convolve(given_tensors))
    assert fast.result.counters.compute_cycles == slow.cycles
    check_counts(plan(layer, spec, given_tensors.images), spec, slow.counts)


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
@given(tensors(), specs(), st.data())
def test_small_buffers_change_steps_but_no_cycle_of_the_array(given_tensors, spec, data):
    """Cutting a fold into steps neither adds nor removes cycles, words or psums."""
    images, layer = given_tensors.images, given_tensors.layer
    small = spec.model_copy(
        update={
            "ifmap_bytes": data.draw(st.integers(1000, 2000)),
            "filter_bytes": 2 * spec.units + data.draw(st.integers(0, 40)),
            "ofmap_bytes": 8 * spec.units + data.draw(st.integers(0, 200)),
        }
    )
    roomy, cramped = plan(layer, spec, images), plan(layer, small, images)
    assert cramped.cycles == roomy.cycles
    assert np.array_equal(cramped.lengths.sum(axis=2), roomy.lengths.sum(axis=2))
    assert (cramped.lengths >= 0).all()
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
