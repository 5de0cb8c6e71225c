"""Does a user get from a sweep's file to its page, and are mistakes told in lines?"""

import json

import pandas as pd
import pytest

SWEEP = """networks = ["digits_cnn"]
machines = ["basis_first", "systolic"]
[synthetic]
coefficients = 0.2
activations = 0.5
[set.basis_first]
lookahead = [1, 4]
"""


@pytest.fixture
def file(tmp_path):
    """A sweep of three points."""
    path = tmp_path / "s.toml"
    path.write_text(SWEEP)
    return path


def test_from_file_to_page(escalate, file, tmp_path):
    out = tmp_path / "results"
    code, told, err = escalate("sweep", file, "--out", out)
    assert (code, err) == (0, "")
    assert told.startswith("3 points, 1 network, 2 machines\nabout ")
    assert "3 computed in" in told
    code, told, err = escalate("report", out, "--out", tmp_path / "page", "--baseline", "systolic")
    assert (code, err) == (0, "")
    names = {path.name for path in (tmp_path / "page").iterdir()}
    assert names >= {"report.html", "layers.csv", "totals.parquet", "totals.md", "totals.tex"}
    totals = pd.read_parquet(tmp_path / "page" / "totals.parquet")
    assert totals["axis_lookahead"].dropna().tolist() == [1, 4]
    assert list((tmp_path / "page" / "figures").glob("*.svg"))
    assert "Synthetic tensors." in (tmp_path / "page" / "report.html").read_text()


def test_single_runs_and_sweeps_on_one_page(escalate, file, tmp_path):
    escalate("sweep", file, "--out", tmp_path / "results")
    escalate("simulate", "digits_cnn", "--machine", "systolic", "--out", tmp_path / "one")
    code, _, err = escalate(
        "report", tmp_path / "results", tmp_path / "one", "--out", tmp_path / "page"
    )
    assert (code, err) == (0, "")
    assert len(pd.read_csv(tmp_path / "page" / "totals.csv")) == 4


def test_a_dry_run_writes_nothing(escalate, file, tmp_path):
    code, told, _ = escalate("sweep", file, "--out", tmp_path / "results", "--dry-run")
    assert code == 0
    assert "3 points" in told
    assert "computed" not in told
    assert not (tmp_path / "results").exists()


def test_a_dry_run_counts_the_points_that_wait_for_compression(escalate, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('machines = ["basis_first", "scnn"]\n[compress]\nnetwork = "digits_cnn"\n')
    code, told, _ = escalate("sweep", path, "--out", tmp_path / "results", "--dry-run")
    assert code == 0
    assert told.startswith(
        "2 points, 1 network, 2 machines\n2 of the points wait for compression: "
    )
    _, text, _ = escalate("sweep", path, "--out", tmp_path / "r", "--dry-run", "--format", "json")
    assert list(json.loads(text)["waiting"].values()) == [2]


@pytest.mark.parametrize("command", ["simulate", "compare"])
def test_dry_runs_of_other_commands(escalate, tmp_path, command):
    words = (command, "digits_cnn", "--synthetic", "coefficients=0.2,activations=0.5")
    code, told, _ = escalate(*words, "--dry-run", "--out", tmp_path / "results")
    assert code == 0
    assert told.startswith("about ")
    assert not (tmp_path / "results").exists()
    _, told, _ = escalate(*words, "--dry-run", "--format", "json")
    assert set(json.loads(told)) == {"seconds_about", "peak_bytes_about", "layers_timed"}


def test_formats(escalate, file, tmp_path):
    out = tmp_path / "results"
    _, told, _ = escalate("sweep", file, "--out", out, "--format", "json")
    found = json.loads(told)
    assert (found["points"], found["computed"], found["there"]) == (3, 3, 0)
    _, told, _ = escalate("sweep", file, "--out", out, "--format", "csv")
    header, row = told.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["there"] == "3"


def test_every_mistake_has_its_line(escalate, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.replace("0.5", "1.5").replace("[1, 4]", "[1, -4]"))
    code, out, err = escalate("sweep", path, "--out", tmp_path / "results")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"error: {path}:7: lookahead = -4: ")
    assert lines[0].startswith(f"error: {path}:5: synthetic: activations is 1.5, wanted")
    assert not (tmp_path / "results").exists()


def test_a_missing_file_is_named(escalate, tmp_path):
    code, _, err = escalate("sweep", tmp_path / "none.toml")
    assert code == 2
    assert err == f"error: {tmp_path / 'none.toml'}: No such file or directory\n"


def test_what_a_report_leaves_out_is_told(escalate, file, tmp_path):
    out = tmp_path / "results"
    escalate("sweep", file, "--out", out)
    torn = next((out / "points").iterdir())
    torn.write_bytes(b"PAR1")
    code, _, err = escalate("report", out, "--out", tmp_path / "page")
    assert code == 0
    assert err.startswith(f"note: {torn}: torn or foreign: ")
    assert len(err.splitlines()) == 1
    assert len(pd.read_csv(tmp_path / "page" / "totals.csv")) == 2


def test_refusals_stand_on_the_page(escalate, file, tmp_path):
    text = file.read_text().replace("lookahead = [1, 4]", "input_glb_bytes = [64, 65536]")
    file.write_text(text)
    _, told, _ = escalate("sweep", file, "--out", tmp_path / "results")
    assert "1 refused" in told
    assert "note: refused: down.0: one input row" in told
    escalate("report", tmp_path / "results", "--out", tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text()
    assert "points refused by their machine" in page
