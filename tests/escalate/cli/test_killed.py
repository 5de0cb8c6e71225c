"""A retraining that is really killed goes on, and ends with the bytes of one that was not."""

import resource
import signal
import subprocess
import sys
import time

import pytest

from escalate.app.compress import retraining_file

FILES = ("model.safetensors", "manifest.json.gz")
PATIENCE_S = 120
RETRAINING = ("--epochs", "10", "--limit", "400", "--threads", "1", "--ratio", "30")


def command(out, *more):
    arguments = ("compress", "digits_cnn", *RETRAINING, "--out", str(out), *more)
    return [sys.executable, "-m", "escalate.cli.main", *arguments]


def content(folder):
    return [(folder / name).read_bytes() for name in FILES]


@pytest.mark.slow
def test_a_process_killed_in_the_middle_of_a_retraining_resumes(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(whole), check=True, capture_output=True)
    process = subprocess.Popen(command(broken), stdout=subprocess.DEVNULL)
    state, begun = retraining_file(broken), time.monotonic()
    while not state.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not broken.exists()
    subprocess.run(command(broken, "--resume"), check=True, capture_output=True)
    assert content(broken) == content(whole)
    assert not state.exists()


def refuse_large_files():
    """What a full disk does to a process, for files above 100 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path):
    out = tmp_path / "model"
    arguments = ("--epochs", "0", "--limit", "32", "--ratio", "20")
    first = [*command(out), *arguments]
    subprocess.run(first, check=True, capture_output=True)
    before = content(out)
    for epochs in ("0", "1"):
        again = [*command(out), *arguments, "--epochs", epochs]
        done = subprocess.run(again, preexec_fn=refuse_large_files, capture_output=True, text=True)
        assert done.returncode == 2
        (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
        assert "cannot be written: File too large" in error
        assert "Traceback" not in done.stderr
        assert content(out) == before
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
