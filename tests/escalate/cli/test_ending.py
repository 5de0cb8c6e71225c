"""Does every command end as it should: one line for the user's troubles, a traceback for ours?"""

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from escalate.cli import ending

PATIENCE_S = 120


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory; fewer images at once"),
        (OverflowError("too large for C long"), "a number is too large to compute with: too large"),
        (RecursionError("maximum depth"), "the input is nested too deeply to be read"),
        (OSError(errno.ENOSPC, "x", "out/run.json"), "out/run.json: No space left on device"),
        (OSError(errno.ENOSPC, "x"), "standard output or a file: No space left on device"),
    ],
)
def test_troubles_of_the_host_are_one_line(escalate, monkeypatch, error, line):
    def broken():
        raise error

    monkeypatch.setattr("escalate.app.networks.network_rows", broken)
    code, out, err = escalate("networks")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {line}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: np.zeros(1 << 60, np.int8),
        lambda: np.zeros((1 << 40, 1 << 40)),
        lambda: torch.zeros(1 << 60),
        lambda: torch.zeros(1 << 62, 1 << 62),
    ],
)
def test_memory_that_cannot_be_had_is_told_whoever_wanted_it(allocate):
    with pytest.raises((MemoryError, RuntimeError, ValueError)) as caught:
        allocate()
    (line,) = ending.told(caught.value)
    assert line.startswith("out of memory; fewer images at once (--count, --limit) or smaller")


@pytest.mark.parametrize("error", [OSError("no number"), RuntimeError("broken"), KeyError("x")])
def test_what_nobody_foresaw_is_a_defect(error):
    assert ending.told(error) is None


def test_long_values_are_cut_and_what_is_around_them_stays(escalate, tmp_path):
    long = "a" * 3000
    for words in (("simulate", long), ("machines", "show", long), ("networks", f"--x{long}")):
        code, _, err = escalate(*words)
        assert code == 2
        assert len(err) < 1000
        assert "characters)" in err or "..." in err
    path = f"{tmp_path}/{'b' * 200}"
    assert path in escalate("simulate", path)[2]
    apostrophes = "the machine's first " + "word " * 40 + "and the model's last"
    assert ending.shortened(apostrophes) == apostrophes


def run(*arguments, limit=None, **rest):
    def refuse():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "escalate.cli.main", *map(str, arguments)]
    before = None if limit is None else refuse  # what a full disk does, for larger files
    return subprocess.run(command, preexec_fn=before, text=True, check=False, **rest)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    source = ("digits_cnn", "--machine", "systolic")
    results, full = tmp_path / "results", tmp_path / "full"
    assert run("simulate", *source, "--out", results, capture_output=True).returncode == 0
    commands = [
        ("simulate", *source, "--out", full),
        ("report", results, "--out", full),
        ("trace", *source, "--layer", "wide.0", "--out", tmp_path / "full.json"),
        ("networks", "show", "digits_cnn", "--format", "timeloop", "--out", full),
    ]
    for command in commands:
        done = run(*command, limit=100, capture_output=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr == f"error: {command[-1]}: File too large\n"
        assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_full_disk_behind_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = run("machines", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "error: standard output or a file: No space left on device\n"


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("simulate", "resnet18", "--machine", "systolic"), "out"),
        (("compare", "resnet18", "--machines", "systolic"), "out"),
        (("assumptions", "resnet18", "--machine", "systolic"), "out"),
        (("trace", "resnet18", "--machine", "systolic", "--layer", "conv1"), "out.json"),
        (("sensitivity", "digits_cnn"), "out"),
        (("compress", "digits_cnn"), "out"),
        (("pareto", "digits_cnn"), "out"),
        (("validate", "--machines", "systolic"), "out"),
        (("demo",), "out"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_any_work(
    escalate, monkeypatch, tmp_path, command, place
):
    def refuse(*_, **__):
        pytest.fail("work was begun")

    for work in ("arch.simulate.Session.run", "escalate.app.compress.prepare"):
        monkeypatch.setattr(work, refuse)
    (tmp_path / "file").write_text("")
    code, out, err = escalate(*command, "--out", tmp_path / "file" / place)
    assert (code, out) == (2, "")
    assert "file" in err
    assert "Not a directory" in err
    assert err.count("\n") == 1


def heard():
    """Signals end a child also where this process runs behind a shell, which ignores interrupts."""
    for each in ending.SIGNALS:
        signal.signal(each, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_leaves_nothing(tmp_path, number):
    command = [sys.executable, "-m", "escalate.cli.main", "demo", "--out", tmp_path / "demo"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heard)
    begun = time.monotonic()
    while not any(tmp_path.iterdir()):
        assert process.poll() is None
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.05)
    process.send_signal(number)
    assert process.communicate(timeout=PATIENCE_S)[1] == b""
    assert process.returncode == 128 + number
    assert os.listdir(tmp_path) == []


SWALLOWED = """
import ctypes
import os
import signal

from escalate.app import networks
from escalate.cli import main


def rows():
    @ctypes.CFUNCTYPE(None)
    def called_back():
        os.kill(os.getpid(), signal.SIGNAL)

    called_back()
    raise RuntimeError("no compiled object yet")


networks.network_rows = rows
main.main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_request_to_stop_that_a_library_swallows_is_no_traceback(name, code):
    program = SWALLOWED.replace("SIGNAL", name)
    command = [sys.executable, "-c", program, "networks"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=heard)
    assert (done.returncode, done.stderr) == (code, "")
