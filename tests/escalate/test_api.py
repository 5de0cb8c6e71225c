"""The names of the Python API are there, load nothing before use, and give frames."""

import subprocess
import sys

import pytest

import escalate

LAZY = "import sys, escalate; print([m for m in ('torch', 'pandas', 'numba') if m in sys.modules])"


def test_importing_costs_nothing():
    found = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", escalate.API)
def test_every_function_is_there(name):
    assert callable(getattr(escalate, name))
    assert name in escalate.__all__
    assert name in dir(escalate)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'frobnicate'"):
        _ = escalate.frobnicate


def test_curves_come_as_a_frame():
    frame = escalate.sensitivity("digits_cnn", calibration_images=16).frame()
    assert {"layer", "form", "stored_bytes", "divergence", "on_hull"} <= set(frame.columns)
    assert frame.groupby("layer")["on_hull"].any().all()
