"""Does the machine land where its abstract says?  Bands stand in reports/published."""

import pytest

from escalate.app.validation.bit_tactical import checks

pytestmark = pytest.mark.validation

# What of the abstract our machine does not reach on these networks; each check says why.
OUTSIDE = {
    ("area over dense", "chip"),
    ("performance over dense", "VGG-16, published densities"),
    ("performance over dense", "GoogLeNet, published densities"),
    ("energy efficiency over dense, on chip", "GoogLeNet, published densities"),
}


def test_ratios_of_the_abstract():
    found = list(checks())
    assert {(c.quantity, c.case) for c in found if c.verdict == "outside"} == OUTSIDE
    assert all(check.reason for check in found)
    performance = [c for c in found if c.quantity == "performance over dense"]
    assert len(performance) == 3
    assert all(2 < check.ours < check.published for check in performance)
