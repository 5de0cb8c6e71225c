"""Is a script that would start itself again told so, at once?"""

import os
import subprocess
import sys

import pytest

SWEEP = """
networks = ["digits_cnn"]
machines = ["systolic"]
set.systolic = { rows = [8, 16], columns = [8, 16] }
"""
CALL = 'escalate.sweep("sweep.toml", out="out", workers=2)'
GUARDED = f'import escalate\nif __name__ == "__main__":\n    print({CALL}.points)\n'
NAMED = f"import escalate\nprint(__name__)\nprint({CALL}.points)\n"


def run(folder, text):
    (folder / "sweep.toml").write_text(SWEEP)
    (folder / "mine.py").write_text(text)
    return subprocess.run(
        [sys.executable, "mine.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path[1:]])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_without_a_guard_is_refused_before_anything_is_written(tmp_path):
    done = run(tmp_path, f"import escalate\n{CALL}\n")
    assert done.returncode == 1
    assert "workers = 2 start processes, each of which imports this script" in done.stderr
    assert 'put the call under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_guarded_script_runs_and_one_that_only_looks_so_is_told(tmp_path):
    (tmp_path / "good").mkdir()
    done = run(tmp_path / "good", GUARDED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")
    (tmp_path / "named").mkdir()
    done = run(tmp_path / "named", NAMED)
    assert "put the call under" in done.stderr
