"""Are kernels kept where they should be, and compiled again when what they are made of changes?"""

import os
import subprocess
import sys
from pathlib import Path

from arch.eyeriss import search
from arch.jit import sources
from arch.sparten import kernels as sparten

FILL = """
import sys
import numpy as np
from arch.sparten.kernels import count_chunks

first = int(sys.argv[1])
counts = np.zeros((1, 1), np.int64)
count_chunks(np.full((1, 1, 1), first, np.uint64), counts)
print(counts[0, 0])
"""


PLACE = "from arch.jit import cache_folder; print(cache_folder())"


def place(**variables):
    """Where a process would keep its kernels."""
    found = subprocess.run(
        [sys.executable, "-c", PLACE],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stderr == ""
    return Path(found.stdout.strip())


def test_processes_share_a_temporary_place_where_the_wanted_one_cannot_be_written(tmp_path):
    variables = {"ESCALATE_CACHE": "/dev/null/cache", "TMPDIR": str(tmp_path)}
    first = place(**variables)
    assert first.parent == tmp_path / f"escalate-{os.getuid()}"
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert place(**variables) == first


def test_a_temporary_place_that_others_may_write_is_not_trusted(tmp_path):
    planted = tmp_path / f"escalate-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    found = place(ESCALATE_CACHE="/dev/null/cache", TMPDIR=str(tmp_path))
    assert not found.is_relative_to(planted)
    assert found.parent.stat().st_mode & 0o777 == 0o700


def test_processes_may_fill_one_cache_at_once(tmp_path):
    environment = {**os.environ, "ESCALATE_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", FILL, str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in (1, 3, 7)
    ]
    told = [process.communicate()[0].strip() for process in started]
    assert told == ["1", "2", "3"]
    assert all(process.returncode == 0 for process in started)
    assert list(tmp_path.rglob("lock"))


def test_a_kernel_is_stale_when_a_module_that_it_imports_changes():
    """SparTen's kernels call arch.wide's helpers; Eyeriss's search stands on two files more."""

    def names(module):
        return {path.name for path in sources(Path(module.__file__))}

    assert names(sparten) == {"kernels.py", "wide.py", "jit.py", "threads.py", "user_folder.py"}
    assert {"search.py", "timing.py", "kernels.py"} <= names(search)
    assert "model.py" not in names(search)
