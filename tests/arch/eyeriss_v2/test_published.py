"""Does Eyeriss v2 land where others measured it?  Bands stand in the published tables."""

import pytest

from escalate.app.validation.eyeriss_v2 import checks
from reports.publication import rows

pytestmark = pytest.mark.validation


@pytest.fixture(scope="module")
def found():
    return list(checks())


def test_nothing_is_outside_its_band(found):
    assert [check for check in found if check.verdict == "outside"] == []


def test_every_published_row_is_compared(found):
    cases = {(check.quantity, check.case) for check in found}
    for row in rows("eyeriss_v2_chip.csv"):
        assert (row["quantity"], row["case"]) in cases
    for row in rows("effectual_pairs.csv"):
        assert ("effectual pairs", row["case"]) in cases
    named = {case.split()[0] for _, case in cases}
    for row in rows("eyeriss_v2_pe.csv"):
        assert (row["layer"] in named) != (row["layer"] in {"L15", "L17", "L18", "L28"})


def test_real_masks_need_more_work_than_random_ones(found):
    """1 to 7 % more, as the counts of four layers show."""
    random = [check for check in found if "random masks" in check.quantity]
    assert len(random) == 4
    assert all(0.92 <= check.ratio <= 1.0 for check in random)
