"""Is every result there as a table, as CSV and as one JSON object, in words that are documented?"""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from escalate.app.encode import encode
from escalate.app.networks import network
from escalate.cli.main import app
from tests.escalate.app import tiny
from tests.escalate.capture.onnx_builder import Builder
from workloads.topology import read_topology

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "json.md"
RECIPE = ("--synthetic", "coefficients=0.1,activations=0.4")
NETWORK = f"{tiny.__file__}:tiny"
FEW = ("--methods", "rate_distortion", "--ratios", "2.5")


def commands():
    found = {(command.name,): command.callback for command in app.registered_commands}
    for group in app.registered_groups:
        found[group.name,] = group.typer_instance.registered_callback.callback
        for command in group.typer_instance.registered_commands:
            found[group.name, command.name] = command.callback
    return found


def test_every_command_that_prints_results_has_formats():
    lacking = {name for name, run in commands().items() if "shape" not in run.__annotations__}
    assert lacking == {("report",), ("machines", "show")}


@pytest.fixture(scope="module")
def words():
    """All words that the page explains, ``<...>`` standing for anything."""
    text = PAGE.read_text("utf-8") + (PAGE.parent / "columns.md").read_text("utf-8")
    names = re.findall(r"`([^`]+)`", text)
    return re.compile("|".join(re.sub(r"<[^>]*>", ".+", name) for name in names))


LIGHT = [
    ("machines",),
    ("networks",),
    ("networks", "show", "digits_cnn"),
    ("simulate", "digits_cnn", *RECIPE),
    ("simulate", "digits_cnn", "--machine", "systolic", "--preset", "iso,tiny"),
    ("compare", "digits_cnn", *RECIPE),
    ("orders", "digits_cnn", *RECIPE),
    ("assumptions", "digits_cnn", "--machine", "systolic"),
    ("validate", "--machines", "systolic"),
    ("footprint", "FOLDER"),
    ("score", "FOLDER", "--count", 3),
    ("verify", "FOLDER", "--count", 2),
    ("encode", "FLOATS", "--rate-penalty", 1, "--out", "t.vbq"),
    ("decode", "CODED"),
    ("pareto", NETWORK, *FEW, "--machines", "systolic", "--limit", 16, "--out", "front"),
    ("trace", "digits_cnn", "--machine", "systolic", "--layer", "stem.0", "--out", "t.json"),
]


def keys(thing):
    """Names of all entries, of entries inside them too; what a user named is left out."""
    if isinstance(thing, list):
        return set().union(*map(keys, thing)) if thing else set()
    if not isinstance(thing, dict):
        return set()
    inner = (value for name, value in thing.items() if name not in ("source", "extras"))
    return set(thing).union(*map(keys, inner))


@pytest.mark.parametrize("arguments", LIGHT, ids=lambda some: " ".join(map(str, some[:2])))
def test_json_and_csv(escalate, compressed, words, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "x.npy", np.array([0.5, -2.0]))
    coded = encode(tmp_path / "x.npy", out=tmp_path / "x.vbq", rate_penalty=0.1).path
    made = {"FOLDER": compressed, "FLOATS": tmp_path / "x.npy", "CODED": coded}
    arguments = [made.get(word, word) for word in arguments]
    code, out, err = escalate(*arguments, "--format", "json")
    assert (code, err) == (0, "")
    thing = json.loads(out)
    assert isinstance(thing, dict)
    assert not {name for name in keys(thing) if not words.fullmatch(name)}
    code, out, err = escalate(*arguments, "--format", "csv")
    assert (code, err) == (0, "")
    rows = list(csv.reader(io.StringIO(out)))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}


def test_networks_for_scalesim(escalate, tmp_path):
    code, out, err = escalate("networks", "show", "resnet18", "--format", "scalesim")
    assert code == 0
    assert err.startswith("note: conv1, layer1.0.conv1, ")
    assert err.endswith("padded: written with the input that their windows cover, zeros included\n")
    (tmp_path / "mine.csv").write_text(out)
    _, layers = read_topology(tmp_path / "mine.csv")
    assert sum(layer.macs for layer in layers) == network("resnet18").macs
    code, again, err = escalate("networks", "show", tmp_path / "mine.csv", "--format", "scalesim")
    assert (code, again, err) == (0, out, "")


def test_networks_for_timeloop(escalate, tmp_path):
    show = ("networks", "show", "resnet18", "--format", "timeloop")
    code, out, err = escalate(*show)
    assert (code, err) == (0, "")
    problems = list(yaml.safe_load_all(out))
    assert [entry["problem"]["shape"]["name"] for entry in problems] == [
        layer.name for layer in network("resnet18").shapes
    ]
    assert escalate(*show, "--out", tmp_path / "p") == (0, f"{tmp_path / 'p'}\n", "")
    files = sorted((tmp_path / "p").iterdir())
    assert [file.name for file in files][:2] == ["01_conv1.yaml", "02_layer1.0.conv1.yaml"]
    assert [yaml.safe_load(file.read_text()) for file in files] == problems
    code, out, err = escalate(*show, "--out", tmp_path / "p")
    assert (code, out) == (2, "")
    assert (
        err == f"error: --out {tmp_path / 'p'}: is there already, wanted a new or an empty folder\n"
    )


def test_out_goes_with_timeloop(escalate, tmp_path):
    code, _, err = escalate("networks", "show", "resnet18", "--out", tmp_path / "p")
    assert (code, err) == (2, "error: Invalid value for --out: goes with --format timeloop\n")


def test_own_tensors_and_compressed_folders_tell_their_densities(escalate, compressed, tmp_path):
    pixels, weights = np.ones((2, 3, 4, 4), int), np.zeros((5, 3, 3, 3), int)
    pixels[0], weights[0] = 0, 1
    np.savez(tmp_path / "mine.npz", activations=pixels, weights=weights)
    _, out, _ = escalate("networks", "show", tmp_path / "mine.npz", "--format", "timeloop")
    (found,) = yaml.safe_load_all(out)
    instance = found["problem"]["instance"]
    assert (instance["N"], instance["M"]) == (2, 5)
    shares = {name: entry["density"] for name, entry in instance["densities"].items()}
    assert shares == {"Weights": 0.2, "Inputs": 0.5}
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "scalesim")
    assert (code, err) == (0, "note: 2 images: the format has no batch\n")
    code, out, err = escalate("networks", "show", compressed, "--format", "timeloop")
    assert (code, err) == (0, "")
    assert len(list(yaml.safe_load_all(out))) == 5


def test_layers_that_scalesim_cannot_say_are_refused(escalate, tmp_path):
    pixels, weights = np.ones((3, 8, 8), int), np.ones((5, 3, 3, 3), int)
    np.savez(tmp_path / "mine.npz", activations=pixels, weights=weights, dilation=2)
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "scalesim")
    assert (code, out, err) == (2, "", "error: mine: dilation = 2, the format has none\n")


def test_steps_that_differ_are_shown_and_written(escalate, tmp_path):
    pixels, weights = np.ones((3, 9, 8), int), np.ones((5, 3, 3, 2), int)
    steps = {"stride": [2, 1], "dilation": [1, 3]}
    np.savez(tmp_path / "mine.npz", activations=pixels, weights=weights, **steps)
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "json")
    (row,) = json.loads(out)["layers"]
    assert (code, err) == (0, "")
    assert (row["stride"], row["dilation"], row["P"], row["Q"]) == ("2,1", "1,3", 4, 5)
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "timeloop")
    instance = yaml.safe_load(out)["problem"]["instance"]
    found = [instance[name] for name in ("Hstride", "Wstride", "Hdilation", "Wdilation")]
    assert found == [2, 1, 1, 3]
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "scalesim")
    assert (code, err) == (2, "error: mine: dilation = (1, 3), the format has none\n")
    del steps["dilation"]
    np.savez(tmp_path / "mine.npz", activations=pixels, weights=weights, **steps)
    code, out, err = escalate("networks", "show", tmp_path / "mine.npz", "--format", "scalesim")
    assert out.splitlines()[1] == "mine, 9, 8, 3, 2, 3, 5, 2, 1,"
    assert err.startswith("note: mine: strides that differ: a column 'Stride width'")


def test_quiet_keeps_results_and_errors(escalate, monkeypatch):
    show = ("networks", "show", "resnet18", "--format", "scalesim")
    _, loud, notes = escalate(*show)
    assert notes
    assert escalate("--quiet", *show) == (0, loud, "")
    assert escalate("-q", "networks", "show", "gone")[2].startswith("error: gone: no such network")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, out, err = escalate("--quiet", "simulate", "digits_cnn", *RECIPE)
    assert (code, err) == (0, "")
    assert "all layers" in out


def test_an_onnx_file_goes_to_other_simulators(escalate, tmp_path):
    b = Builder()
    out = b.add("Flatten", b.conv("image", 3, 4, 3, strides=[2, 2], pads=[1, 1, 1, 1]))
    path = b.save(tmp_path / "mine.onnx", b.add("Gemm", out, b.floats(120, 6)))
    code, out, err = escalate("networks", "show", path)
    assert (code, err) == (0, "")
    assert out.startswith("mine: shapes only\n")
    code, out, err = escalate("networks", "show", path, "--format", "timeloop")
    assert [entry["problem"]["instance"]["Q"] for entry in yaml.safe_load_all(out)] == [6, 1]
    code, out, err = escalate("networks", "show", path, "--format", "scalesim")
    assert code == 0
    assert [line.split(", ")[1:3] for line in out.splitlines()[1:]] == [["11", "13"], ["1", "1"]]
