"""Does the fast machine give the golden values of its specification?"""

import pytest

from arch.basis_first.model import simulate
from arch.basis_first.spec import BasisFirstSpec
from arch.machine import Neighbours
from tests.reference.basis_first_golden import (
    GOLDEN,
    LAYERS,
    GoldenRow,
    conv,
    decomposed,
)


@pytest.mark.parametrize(("shape", "x", "t", "sign", "fields", "golden"), LAYERS)
def test_compute_golden(shape, x, t, sign, fields, golden) -> None:
    C, K, H, M, stride = shape
    case = decomposed(conv(C, K, H, stride=stride), M, x, t, sign=sign)
    run = simulate(case, BasisFirstSpec(loop_order="coefficient_outer", **fields))
    counters, extras = run.result.counters, run.result.extras
    sums = (run.result.counters.stage1_pairs, extras["ca_cycles"], int(run.psums.sum()))
    assert (counters.compute_cycles, *sums) == golden


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_further_rows(row: GoldenRow) -> None:
    run = simulate(row.tensors, BasisFirstSpec.model_validate(row.fields), Neighbours(row.planes))
    counters, extras = run.result.counters, run.result.extras
    dram = {key[1]: value for key, value in counters.traffic.items() if key[0] == "dram"}
    assert extras["loop_order"] == row.order
    assert row.shape == (
        (extras["tile_rows"], extras["tile_columns"]),
        *(extras[name] for name in ("tiles", "k_tiles", "passes", "steps")),
    )
    assert row.cycles == (
        counters.cycles,
        counters.compute_cycles,
        counters.drain_cycles,
        counters.pipeline_cycles,
        counters.memory_stall_cycles,
    )
    assert row.dram == tuple(dram[name] for name in ("input", "coefficient", "basis", "output"))
    assert row.sums == (run.result.counters.stage1_pairs, extras["ca_cycles"], int(run.psums.sum()))
    causes = ("mac", "ca", "broadcast", "slowest", "idle", "dram")
    assert row.causes == tuple(counters.causes[name] for name in causes)
