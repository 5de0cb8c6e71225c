"""Does SCNN land where two simulators, a log and the paper do?  Bands stand in the tables."""

from functools import cache

import pytest

from escalate.app.validation import scnn

pytestmark = pytest.mark.validation


synthetic = cache(lambda: tuple(scnn.synthetic()))


def outside(checks):
    """Checks outside their band, and that there were any; each says why."""
    found = list(checks)
    assert found
    assert all(check.reason for check in found if check.verdict == "outside")
    return {(check.quantity, check.case) for check in found if check.verdict == "outside"}


def test_small_layers_equal_two_simulators():
    """DNNsim's halo of strided layers and losif63's cycles per channel are known to differ."""
    missed = outside(synthetic())
    quantities = {"cycles", "dense cycles"}
    assert {case for what, case in missed if what in quantities} == {
        "v11x11s4_67, 1024 psums",
        "v11x11s4_67, 6144 psums",
    }
    assert {what for what, _ in missed} == quantities | {"cycles without barrier"}
    assert len(missed) == 9


def test_full_size_layers_equal_two_simulators():
    missed = outside(scnn.full_size())
    dnnsim = {case for what, case in missed if what != "cycles without barrier"}
    assert dnnsim == {"alexnet conv1, 1024 psums", "alexnet conv1, 6144 psums"}
    assert len(missed) == 13


def test_exact_rows_are_many():
    """Nothing that must be equal hides behind a band."""
    exact = [check for check in synthetic() if check.band.kind == "exact"]
    assert len(exact) == 13 + 26 * 10 + 9 * 2
    assert {check.verdict for check in exact} == {"inside"}


def test_a_third_simulators_log():
    """Its masks are its own; four small draws stray from the product of densities."""
    missed = outside(scnn.kaist())
    assert {what for what, _ in missed} == {"PE-cycles", "products"}
    assert len(missed) == 6
    assert all("5x5" in case or "3a_pool_proj" in case for _, case in missed)


def test_late_layers_and_fully_connected_layers():
    assert not outside(scnn.late_layers())
    assert not outside(scnn.fully_connected())
    assert all(check.verdict == "reported" for check in scnn.chip_area())


@pytest.mark.slow
def test_speedups_and_density_sweep():
    missed = {case for _, case in outside(scnn.speedups())}
    assert missed == {
        "AlexNet",
        "VGG-16",
        "VGG-16, conflicts queued",
        "GoogLeNet, conflicts queued",
    }
    missed = outside(scnn.sweep())
    assert missed == {("performance over DCNN, densities 1.0 and 1.0", "GoogLeNet")}
