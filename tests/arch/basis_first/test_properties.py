"""What must hold for any layer and machine, whatever the numbers are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from arch.basis_first.model import simulate
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from arch.machine import LayerRun, Neighbours
from tests.arch.basis_first.test_reference import check
from tests.strategies import cases
from workloads.tensors import LayerTensors

FAST = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SEEDS = st.integers(0, 2**32 - 1)
ROOMY = {  # one tile, so that a change of the tensors changes no halo
    "input_glb_bytes": 1 << 30,
    "output_glb_bytes": 1 << 30,
    "psum_buffer_bytes": 1 << 30,
    "loop_order": "coefficient_outer",
}


def run(case: LayerTensors, fields: dict, planes: tuple[int, ...] | None = None) -> LayerRun | None:
    try:
        return simulate(case, BasisFirstSpec(**fields), Neighbours(planes))
    except OperandError:
        return None


@FAST
@given(cases(), SEEDS)
def test_zeroing_a_coefficient_never_adds_a_pair(drawn, seed) -> None:
    case, fields, _ = drawn
    assume(case.coefficients is not None and case.coefficients.any())
    where = np.random.default_rng(seed).choice(np.flatnonzero(case.coefficients))
    fewer = case.coefficients.copy()
    fewer.ravel()[where] = 0
    before, after = (
        run(each, fields | ROOMY) for each in (case, replace(case, coefficients=fewer))
    )
    assume(before is not None)
    assert after.result.counters.stage1_pairs <= before.result.counters.stage1_pairs


@FAST
@given(cases(), SEEDS)
def test_permuting_output_channels_keeps_pairs(drawn, seed) -> None:
    """Within their groups, so that each still reads the same input."""
    case, fields, _ = drawn
    layer = case.layer
    order = np.arange(layer.K).reshape(layer.groups, -1)
    order = np.random.default_rng(seed).permuted(order, axis=1).ravel()

    def turned(array):
        return None if array is None else np.ascontiguousarray(array[order])

    permuted = replace(
        case,
        weights=turned(case.weights),
        coefficients=turned(case.coefficients),
        alpha=turned(case.alpha),
        requantizer=None,
    )
    before, after = (run(each, fields | ROOMY) for each in (case, permuted))
    assume(before is not None)
    assert np.array_equal(after.psums, before.psums[:, order])
    assert after.result.counters.multiplies == before.result.counters.multiplies
    assert after.result.counters.effectual_ops == before.result.counters.effectual_ops
    assert after.result.counters.stage1_pairs == before.result.counters.stage1_pairs


@FAST
@given(cases())
def test_twice_the_bandwidth_never_adds_cycles(drawn) -> None:
    case, fields, planes = drawn
    faster = fields | {"dram_bandwidth_bytes_per_s": 2 * fields["dram_bandwidth_bytes_per_s"]}
    before, after = (run(case, each, planes) for each in (fields, faster))
    assume(before is not None)
    assert after.result.counters.cycles <= before.result.counters.cycles


@FAST
@given(cases(), st.integers(1, 5))
def test_more_fifo_never_adds_cycles(drawn, more) -> None:
    case, fields, planes = drawn
    deeper = fields | {"intermediate_fifo": fields["intermediate_fifo"] + more}
    before, after = (run(case, each, planes) for each in (fields, deeper))
    assume(before is not None)
    assert after.result.counters.cycles <= before.result.counters.cycles


@pytest.mark.nightly
@settings(FAST, max_examples=4000, derandomize=False)
@given(cases())
def test_equals_reference_on_thousands_of_layers(drawn) -> None:
    check(*drawn)
