"""Do the times that are written down give the sums that the recurrences keep?"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from arch.basis_first import recurrence as field
from arch.basis_first.model import time_steps
from arch.basis_first.prepare import Prepared, prepare
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.timeline import record
from arch.errors import OperandError
from arch.machine import Neighbours
from tests.reference.basis_first_golden import GOLDEN, LAYERS, GoldenRow, conv, decomposed
from tests.strategies import cases
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CAUSES = {
    "mac": field.MAC,
    "ca": field.CA,
    "broadcast": field.BROADCAST,
    "slowest": field.SLOWEST,
}


def same_sums(prepared: Prepared) -> int:
    """Compare all steps; their compute cycles."""
    inputs = prepared.inputs
    times = time_steps(inputs)
    for n, wanted in enumerate(times):
        found = record(inputs, n)
        assert found.compute == wanted[field.COMPUTE]
        assert found.causes() == {name: wanted[at] for name, at in CAUSES.items()}
        assert (found.ca_end - found.ca_start).sum() == wanted[field.CA_SUM]
        assert found.pixel.size == prepared.steps.steps[n].broadcast_pixels
    return int(times[:, field.COMPUTE].sum())


@pytest.mark.parametrize(("shape", "x", "t", "sign", "fields", "golden"), LAYERS)
def test_compute_golden(shape, x, t, sign, fields, golden) -> None:
    C, K, H, M, stride = shape
    case = decomposed(conv(C, K, H, stride=stride), M, x, t, sign=sign)
    spec = BasisFirstSpec(loop_order="coefficient_outer", **fields)
    assert same_sums(prepare(case, spec)) == golden[0]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_golden_rows(row: GoldenRow) -> None:
    prepared = prepare(
        row.tensors, BasisFirstSpec.model_validate(row.fields), Neighbours(row.planes)
    )
    assert same_sums(prepared) == row.cycles[1]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(cases())
def test_any_layer(drawn) -> None:
    case, fields, planes = drawn
    try:
        prepared = prepare(case, BasisFirstSpec.model_validate(fields), Neighbours(planes))
    except OperandError:
        return
    same_sums(prepared)


def test_by_hand() -> None:
    """One slice with t_CA = 1, a FIFO of one entry, MAC cycles 1, 2 and 1 (legal taps of a 1x2).

    Each vector is a mask byte and a value, so it takes 2 cycles through a port of 1 byte.
    """
    layer = ConvLayer("hand", C=1, K=1, H=1, W=3, R=1, S=2)
    case = LayerTensors(
        layer,
        np.ones((1, 1, 1, 3), np.uint8),
        basis=np.ones((1, 1, 2), np.int8),
        coefficients=np.ones((1, 1, 1), np.int8),
    )
    spec = BasisFirstSpec(
        pe_blocks=1, broadcast_bytes_per_cycle=1, intermediate_fifo=1, mac_row_width=1
    )
    found = record(prepare(case, spec).inputs, 0)
    assert found.arrive.tolist() == [2, 4, 6]
    assert found.ca_start.tolist() == [[[2, 4, 6]]]
    assert found.ca_end.tolist() == [[[3, 5, 7]]]
    assert found.mac_start.tolist() == [[3, 5, 7]]
    assert found.mac_end.tolist() == [[4, 7, 8]]
    assert found.causes() == {"mac": 4, "ca": 2, "broadcast": 2, "slowest": 0}


def test_a_full_fifo_holds_the_ca_unit_and_a_full_window_the_broadcast() -> None:
    """MAC cycles are the legal taps, 5 or 6: one V waits, and one vector waits behind it."""
    layer = ConvLayer("held", C=1, K=1, H=1, W=6, R=1, S=9, padding=(0, 0, 4, 4))
    case = LayerTensors(
        layer,
        np.ones((1, 1, 1, 6), np.uint8),
        basis=np.ones((1, 1, 9), np.int8),
        coefficients=np.ones((1, 1, 1), np.int8),
    )
    spec = BasisFirstSpec(pe_blocks=1, intermediate_fifo=1, broadcast_window=1, mac_row_width=1)
    found = record(prepare(case, spec).inputs, 0)
    cycles = (found.mac_end - found.mac_start)[0]
    assert cycles.tolist() == [5, 6, 6, 6, 6, 5]
    assert found.ca_start[0, 0, 1:].tolist() == [3, 7, 13, 19, 25]
    assert found.mac_start[0].tolist() == [2, 7, 13, 19, 25, 31]
    assert found.arrive.tolist() == [1, 3, 5, 9, 15, 21]
    assert found.held.tolist() == [False, True, True, True, True, True]
