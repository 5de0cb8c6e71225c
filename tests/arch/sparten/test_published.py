"""Does SparTen land where BitSim and its paper do?  Bands stand in the published tables."""

import pytest

from escalate.app.validation import sparten as validation
from reports.publication import remarks, rows

pytestmark = pytest.mark.validation


def test_bitsim_is_reproduced_exactly():
    found = list(validation.bitsim())
    assert len(found) == 8 * len(rows("sparten_bitsim.csv")) == 104
    assert [check for check in found if check.verdict != "inside"] == []


def test_speedups_land_where_the_paper_does_or_say_why():
    found = list(validation.speedups())
    judged = {check.quantity: check for check in found if check.verdict != "reported"}
    assert {name: check.verdict for name, check in judged.items()} == {
        "speedup over dense": "inside",
        "speedup over one-sided (weights)": "inside",
        "speedup over one-sided (activations)": "outside",
    }
    assert all(check.reason for check in found)
    weights, pixels = (
        judged[f"speedup over one-sided ({side})"] for side in ("weights", "activations")
    )
    assert weights.ours < weights.published < pixels.ours


@pytest.mark.slow
def test_the_speedup_over_scnn_is_judged_by_its_mean():
    found = list(validation.over_scnn())
    (judged,) = (check for check in found if check.verdict != "reported")
    assert judged.case == "geometric mean, conflicts stall"
    assert all(check.reason for check in found)
    by_case = {check.case: check.ours for check in found}
    assert by_case["VGG-16, conflicts queued"] < by_case["VGG-16, conflicts stall"]


def test_a_cluster_is_reported():
    found = list(validation.cluster())
    assert {check.verdict for check in found} == {"reported"}
    assert all(check.ours > 0 and check.reason for check in found)


@pytest.mark.parametrize(
    "file", ["sparten_bitsim.csv", "sparten_speedup.csv", "sparten_cluster.csv"]
)
def test_tables_say_what_is_accepted(file):
    assert any(line.startswith("accepted:") for line in remarks(file))
