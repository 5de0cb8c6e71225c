"""Is every spoiled input taken, or refused in a line, in seconds?

In a process of its own: the cases' processes are copies of one that has computed nothing.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARDS, IN_SHARD = 8, 1250


def fuzz(first, cases, *more):
    command = [sys.executable, "-m", "tests.fuzz", "--first", str(first), "--cases", str(cases)]
    command += more
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_what_is_not_spoiled_is_accepted():
    fuzz(0, 26, "--unspoiled")


@pytest.mark.slow
def test_three_hundred_spoiled_inputs():
    fuzz(0, 300)


@pytest.mark.nightly
@pytest.mark.parametrize("shard", range(SHARDS))
def test_ten_thousand_spoiled_inputs(shard):
    fuzz(shard * IN_SHARD, IN_SHARD)
