"""Are rows compared as they should be, and is what is not there None?"""

from types import SimpleNamespace

import numpy as np

from arch.errors import OperandError
from escalate.app.fronts.points import Recipe, points_of
from escalate.app.fronts.rows import aligned, best_costs, machine_rows, weight_bytes, with_front
from escalate.app.machines import choose_all
from escalate.app.simulate import Simulation
from tests.reports.runs import run

GOALS = ("stored_bytes", "latency_s", "energy_j")
POINT = points_of(["prune"], [10.0], Recipe())[1]
CHOICES = choose_all(["systolic", "scnn", "sparten"])


def simulated(**rest):
    rest.setdefault("provenance", {"tensors": "pruned"})
    return Simulation(run(**rest), 0.0)


def row(accuracy, *costs, agreement=0.5):
    costs = dict(zip(GOALS, costs, strict=True))
    return {"accuracy": accuracy, "agreement": agreement, **costs}


def test_the_front_by_brute_force():
    random = np.random.default_rng(0)
    rows = [row(*map(float, random.integers(0, 4, 4))) for _ in range(40)]

    def vector(each):
        return np.array([-each["accuracy"], *(each[name] for name in GOALS)])

    for each, marked in zip(rows, with_front(rows), strict=True):
        mine = vector(each)
        beaten = any((vector(o) <= mine).all() and (vector(o) < mine).any() for o in rows)
        assert marked["on_front"] == (not beaten)


def test_without_labels_agreement_counts():
    rows = [row(None, 1, 1.0, 1.0, agreement=share) for share in (0.9, 0.8)]
    assert [each["on_front"] for each in with_front(rows)] == [True, False]


def test_a_row_that_lacks_something_beats_nobody():
    rows = [row(None, None, None, None, agreement=None), row(0.1, 9, 9.0, 9.0)]
    assert [each["on_front"] for each in with_front(rows)] == [None, True]


def test_refusals_are_rows_and_the_best_is_the_first_of_equals():
    slow = simulated(sizes=(("conv1", 900, 0),))
    outcomes = [OperandError("conv1: too wide"), simulated(), simulated()]
    rows = machine_rows(POINT, CHOICES, outcomes)
    assert [each["best"] for each in rows] == [False, True, False]
    assert [each["problem"] for each in rows] == ["conv1: too wide", None, None]
    assert best_costs(rows)["machine"] == "scnn"
    rows = machine_rows(POINT, CHOICES, [slow, simulated(), slow])
    assert best_costs(rows)["machine"] == "scnn"
    rows = machine_rows(POINT, CHOICES[:2], outcomes[:1] * 2)
    told = "no machine runs it: systolic: conv1: too wide; scnn: conv1: too wide"
    assert best_costs(rows) == {"problem": told}


def test_weights_are_what_is_read_of_them_from_dram():
    assert weight_bytes(run()) == 2 * 960 // 8  # the toy machine's coefficients, two layers
    counters = SimpleNamespace(traffic={("dram", "input", "read"): 5, ("glb", "weight", "read"): 7})
    assert weight_bytes(SimpleNamespace(results=[SimpleNamespace(counters=counters)])) is None


def test_counts_that_a_machine_does_not_have_are_0_and_those_of_no_run_none():
    rows = [
        {"problem": None, "dram_weight_read_bytes": 3, "notes": "x"},
        {"problem": None},
        {"problem": "refused"},
    ]
    found = aligned(rows)
    assert [each["dram_weight_read_bytes"] for each in found] == [3, 0, None]
    assert [each["notes"] for each in found] == ["x", None, None]
