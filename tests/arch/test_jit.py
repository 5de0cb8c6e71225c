"""Do waiting threads sleep, unless the user said otherwise, and is the environment left alone?"""

import os
import subprocess
import sys

import pytest

CODE = (
    "import os, arch.jit, numba; numba.get_num_threads(); print(os.environ.get('OMP_WAIT_POLICY'))"
)


def imported(**variables):
    """What importing says on stdout, and GNU OpenMP's settings on stderr as it is loaded."""
    there = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment = {**there, "OMP_DISPLAY_ENV": "TRUE", **variables}
    found = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    if "OMP_WAIT_POLICY" not in found.stderr:
        pytest.skip("this build of Numba does not load GNU OpenMP")
    return found.stdout.strip(), found.stderr


def test_threads_wait_asleep():
    told, settings = imported()
    assert told == "None"
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in settings


def test_the_users_own_choice_stays():
    told, settings = imported(OMP_WAIT_POLICY="active")
    assert told == "active"
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in settings
