"""Does Eyeriss land where its chip and its paper do?  What lies outside is known and explained."""

from collections import Counter

import pytest

from escalate.app.validation.eyeriss import checks

pytestmark = pytest.mark.validation

OUTSIDE = {("power, mW", f"AlexNet conv{n}") for n in (1, 2, 3, 4, 5)}
OUTSIDE |= {("power by prices fitted to the chip, mW", f"AlexNet conv{n}") for n in (2, 3)}
OUTSIDE |= {
    ("DRAM energy, 1e9 MACs", f"AlexNet {name}, batch 16")
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1")
}


@pytest.fixture(scope="module")
def found():
    return list(checks())


def test_every_published_number_is_inside_its_band_or_explained(found):
    outside = {(check.quantity, check.case) for check in found if check.verdict == "outside"}
    assert outside == OUTSIDE
    assert all(check.reason for check in found if check.verdict != "inside")
    counted = Counter(check.verdict for check in found)
    assert counted == {"inside": 46, "outside": 13, "lower bound": 17, "reported": 31}


def test_active_pes_are_the_chips(found):
    exact = [check for check in found if check.quantity == "active PEs"]
    assert [check.ours for check in exact] == [154, 135, 156, 156, 156]


def test_cycles_of_the_printed_mappings_are_nn_dataflows(found):
    exact = [
        check
        for check in found
        if check.quantity == "cycles of multiplications" and check.band.kind == "exact"
    ]
    assert len(exact) == 10
    assert all(check.ours == check.published for check in exact)


def test_glb_traffic_has_the_digits_that_the_chip_printed(found):
    """To 0.1 MB, much closer than the band; conv3 by the mapping of conv4."""
    traffic = {
        (check.quantity, check.case): (check.ours, check.published)
        for check in found
        if check.quantity.startswith("GLB traffic") and check.verdict == "inside"
    }
    assert len(traffic) == 5
    assert all(abs(ours - published) <= 0.0501 for ours, published in traffic.values())


def test_latency_is_no_less_than_the_multiplications_and_no_more_than_the_chips(found):
    judged = [check for check in found if check.quantity == "processing latency, ms"]
    assert len(judged) == 6
    verdicts = {check.case.partition(",")[0]: check.verdict for check in judged}
    assert verdicts.pop("VGG-16") == "lower bound"  # 0.4 of the chip's says little
    assert set(verdicts.values()) == {"inside"}
    assert all(check.ratio > 0.87 for check in judged if check.case.startswith("AlexNet"))
