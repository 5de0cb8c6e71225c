"""Does Eyeriss land where its chip and its paper do?  What lies outside is known and explained."""

import pytest

from escalate.app.validation.eyeriss import checks

pytestmark = pytest.mark.validation

OUTSIDE = {("power, mW", f"AlexNet conv{n}") for n in (1, 2, 3, 4, 5)}


def test_every_published_number_is_inside_its_band_or_explained():
    found = list(checks())
    outside = {(check.quantity, check.case) for check in found if check.verdict == "outside"}
    assert outside == OUTSIDE
    assert all(check.reason for check in found if check.verdict != "inside")
    counted = [check for check in found if check.verdict == "inside"]
    assert len(counted) == 30
    exact = [check for check in found if check.quantity == "active PEs"]
    assert [check.ours for check in exact] == [154, 135, 156, 156, 156]
