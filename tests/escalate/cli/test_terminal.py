"""Does long work tell of itself where nobody watches, and only there?"""

import threading

import pytest

from escalate.cli import terminal


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(terminal, "BEAT", 0.001)


def work(capsys):
    """Compress for as long as it takes until a line came, but no longer than that."""
    told = ""
    with terminal.epoch_progress(3) as (_, step):
        step("conv1", 4, 12)
        for _ in range(2000):
            told += capsys.readouterr().err
            if told:
                break
            threading.Event().wait(0.005)
    return told


def test_a_log_gets_a_line_now_and_then(quick, capsys):
    assert work(capsys).startswith("curve of layer 5 of 12, conv1; epochs 0 of 3, ")


def test_a_quiet_log_gets_none(quick, capsys):
    terminal.be_quiet(True)
    try:
        with terminal.epoch_progress(3) as (_, step):
            step("conv1", 4, 12)
            threading.Event().wait(0.05)
    finally:
        terminal.be_quiet(False)
    assert capsys.readouterr().err == ""
