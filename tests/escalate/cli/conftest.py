import os

import pytest

from escalate.cli import terminal
from escalate.cli.main import main
from tests.escalate.app.tiny import tiny_folder


@pytest.fixture(autouse=True)
def no_beat(monkeypatch):
    """No lines about work that takes long: what stderr holds must not depend on the processor."""
    monkeypatch.setattr(terminal, "BEAT", 3600.0)


@pytest.fixture(scope="session")
def compressed(tmp_path_factory):
    """A compressed model folder; tests only read it."""
    return tiny_folder(tmp_path_factory.mktemp("tiny") / "tiny").folder


@pytest.fixture
def escalate(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["escalate", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", os.environ.get("COLUMNS", "100"))
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run
