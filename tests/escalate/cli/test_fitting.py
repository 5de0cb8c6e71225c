"""Do tables and help texts fit the terminal, and does nothing that is copied break?"""

import pytest
import typer.main

from escalate.cli.fitting import be_wide, fitted
from escalate.cli.help_text import split
from escalate.cli.main import app

COMMANDS = sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize(
    ("columns", "first_left_out"), [(50, "stride"), (80, "groups"), (120, None)]
)
def test_a_table_has_whole_columns_only(escalate, monkeypatch, columns, first_left_out):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = escalate("networks", "show", "resnet18")
    assert (code, err) == (0, "")
    lines = out.splitlines()[2:]
    rows = [line for line in lines if not line.startswith("with --wide also: ")]
    assert max(map(len, rows)) <= columns
    assert len(rows) == 2 + 21  # of each layer one line
    left_out = ", ".join(lines[len(rows) :]).removeprefix("with --wide also: ").split(", ")
    assert (left_out[0] or None) == first_left_out


def test_wide_tables_have_all_columns_and_cells(escalate, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = escalate("networks", "show", "resnet18", "--wide")
    assert "dense MACs" in out
    assert "with --wide" not in out
    assert len(out.splitlines()) == 2 + 2 + 21


def test_long_texts_fold_at_blanks_and_numbers_never(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    be_wide(False)
    text = "many words of no great length in a row that goes on"
    assert fitted([["n", "a"], ["what", text], ["count", "12 345"]], [False, False, True]) == (
        [1, 24, 6],
        50,
    )
    assert len(fitted([["x" * 60], ["1"]], [False, True])[0]) == 1  # one is always there


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_stand_whole_in_the_help(escalate, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = escalate(command, "--help")
    assert code == 0
    lines = out.splitlines()
    _, examples = split(typer.main.get_command(app).commands[command].help)
    assert examples
    for example in examples:
        assert f"   {example}" in lines
    assert max(map(len, lines[: lines.index(" Examples:")])) <= 80
