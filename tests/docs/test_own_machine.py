"""Does the worked example of docs/own_machine.md work as the page says, installed as a package?"""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from arch.foreign import offers
from arch.machine import machine
from escalate.app.machines import choose
from escalate.app.results import read_runs
from tests.escalate.app.tiny import tiny_folder
from tests.installed import installed
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "own_machine"
PAGE = (ROOT / "docs" / "own_machine.md").read_text("utf-8")
SOURCE = (EXAMPLE / "lane_skip.py").read_text("utf-8")
PROJECT = (EXAMPLE / "pyproject.toml").read_text("utf-8")
RECIPE = ("--synthetic", "coefficients=0.2,weights=0.35,activations=0.45")


@pytest.fixture
def lane_skip(tmp_path, monkeypatch):
    """The example, installed for one test."""
    points = tomllib.loads(PROJECT)["project"]["entry-points"]["escalate.machines"]
    folder = installed(tmp_path / "site", "escalate-lane-skip", {"lane_skip": SOURCE}, points)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    offers.cache_clear()
    yield machine("lane_skip")
    offers.cache_clear()
    del sys.modules["lane_skip"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


def test_the_page_shows_the_file_from_its_first_line_to_its_last():
    assert lines("\n".join(blocks("python"))) == lines(SOURCE)
    assert [block.strip() for block in blocks("toml")] == [PROJECT.strip()]


LAYERS = [
    ConvLayer("dense", C=5, K=7, H=6, W=5, R=3, S=3, padding=(1, 1, 1, 1)),
    ConvLayer("grouped", C=6, K=9, H=7, W=7, R=3, S=2, stride=2, padding=(0, 1, 2, 0), groups=3),
    ConvLayer("dilated", C=2, K=3, H=8, W=8, R=3, S=3, dilation=2),
    ConvLayer("uneven", C=2, K=3, H=8, W=9, R=3, S=2, stride=(1, 2), dilation=(2, 3)),
    ConvLayer("linear", C=9, K=4, H=1, W=1),
]


def tensors_of(layer):
    rng = np.random.default_rng(1)
    pixels = rng.integers(1, 200, (2, layer.C, layer.H, layer.W)).astype(np.uint8)
    pixels[rng.random(pixels.shape) < 0.7] = 0
    weights = rng.integers(-128, 128, layer.weight_shape).astype(np.int8)
    return LayerTensors(layer, pixels, weights)


def slow_cycles(tensors, lanes):
    """Compute cycles, output by output."""
    layer, total = tensors.layer, 0
    top, bottom, left, right = layer.padding
    pixels = np.pad(tensors.activations, ((0, 0), (0, 0), (top, bottom), (left, right)))
    tiles = -(-(layer.K // layer.groups) // lanes)
    for image in pixels:
        for group in np.split(image, layer.groups):
            for p in range(layer.P):
                for q in range(layer.Q):
                    y, x = p * layer.strides[0], q * layer.strides[1]
                    skip, over = layer.dilations
                    far_y, far_x = y + skip * layer.R, x + over * layer.S
                    window = group[:, y:far_y:skip, x:far_x:over]
                    total += tiles * max(1, int((window != 0).sum()))
    return total


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("fields", [{}, {"lanes": 2}, {"lanes": 2, "input_bytes": 200}])
def test_psums_and_cycles(lane_skip, layer, fields):
    spec = lane_skip.spec_type(**fields)
    tensors = tensors_of(layer)
    run = lane_skip.run(tensors, spec)
    counters = run.result.counters
    assert (run.psums == convolve(tensors)).all()
    assert counters.compute_cycles == slow_cycles(tensors, spec.lanes)
    assert counters.units == spec.lanes
    assert counters.causes["mac"] == counters.multiplies
    stored = counters.traffic_bytes("dram", tensor="output")
    assert stored >= layer.K * layer.P * layer.Q * 2


def test_what_does_not_fit_is_refused_by_name(escalate, lane_skip):
    settings = ("--machine", "lane_skip", "--set", "weight_bytes=64")
    code, out, err = escalate("simulate", "digits_cnn", *RECIPE, *settings)
    assert (code, out) == (2, "")
    assert err == (
        "error: stem.0: a step needs 288 B of the weight buffer, half of weight_bytes holds 32 B\n"
    )


def test_the_commands_know_it(escalate, lane_skip, tmp_path):
    code, out, err = escalate("machines", "--format", "json")
    (row,) = [row for row in json.loads(out)["machines"] if row["machine"] == "lane_skip"]
    assert (code, err, row["problem"]) == (0, "", None)
    code, out, _ = escalate("machines", "show", "lane_skip", "--set", "lanes=8")
    (tmp_path / "mine.toml").write_text(out)
    assert choose(str(tmp_path / "mine.toml"))[0].label == "default with lanes=8"
    machines = ("--machines", f"basis_first,systolic,lane_skip,{tmp_path / 'mine.toml'}")
    arguments = ("compare", "digits_cnn", *RECIPE, *machines, "--baseline", "systolic")
    code, out, err = escalate(*arguments, "--out", tmp_path / "out", "--format", "json")
    rows = json.loads(out)["rows"]
    assert (code, err) == (0, "")
    assert [row["machine"] for row in rows] == ["basis_first", "systolic", *["lane_skip"] * 2]
    assert rows[3]["cycles"] > rows[2]["cycles"] > 0
    assert all(row["area_mm2"] > 0 for row in rows)
    assert [run.machine for run in read_runs(tmp_path / "out")] == [r["machine"] for r in rows]
    code, out, err = escalate("report", tmp_path / "out", "--out", tmp_path / "page")
    assert (code, err) == (0, "")
    assert "lane_skip" in (tmp_path / "page" / "report.html").read_text("utf-8")


def test_a_file_of_own_prices_may_name_it(escalate, lane_skip, tmp_path):
    text = '[[price]]\ncomponent = "lane"\naction = "add"\npJ = 9\nsource = "me"\nmachine = {!r}\n'
    arguments = ("simulate", "digits_cnn", *RECIPE, "--machine", "lane_skip", "--energy-table")
    (tmp_path / "prices.toml").write_text(text.format("lane_skip"))
    assert escalate(*arguments, tmp_path / "prices.toml")[0] == 0
    (tmp_path / "prices.toml").write_text(text.format("abacus"))
    code, _, err = escalate(*arguments, tmp_path / "prices.toml")
    assert code == 2
    assert "machine = 'abacus': unknown, allowed are basis_first, " in err
    assert err.endswith(", lane_skip\n")


def test_it_classifies_as_the_integer_network_does(escalate, lane_skip, tmp_path):
    folder = tiny_folder(tmp_path / "tiny").folder
    code, out, err = escalate("verify", folder, "--machine", "lane_skip", "--count", 3)
    assert (code, err) == (0, "")
    assert "on lane_skip: 30 logits of 3 images" in out


def test_assumed_fields_are_found(escalate, lane_skip):
    code, out, err = escalate(
        "assumptions", "digits_cnn", *RECIPE, "--machine", "lane_skip", "--format", "json"
    )
    assert (code, err) == (0, "")
    assert "weight_bytes" in {row["field"] for row in json.loads(out)["rows"]}


@pytest.mark.slow
def test_pip_installs_it(tmp_path):
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation")
    target = tmp_path / "site"
    project = tmp_path / "own_machine"
    project.mkdir()
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (project / file.name).write_bytes(file.read_bytes())
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, *quiet, "--target", target, project], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "escalate.cli.main", "machines", "show", "lane_skip"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{target}:{ROOT}"},
    )
    assert done.stdout.startswith("# lane_skip: vector unit")


BROKEN = "class Abacus:\n    name = 'abacus'\n\nMACHINE = Abacus()\n"
BASIS = """
from dataclasses import replace

from arch.basis_first.model import BasisFirst


class Twin(BasisFirst):
    name = "twin"
    summary = "Basis-First under another name"

    def run(self, *arguments):
        done = super().run(*arguments)
        return replace(done, result=replace(done.result, machine=self.name))

MACHINE = Twin()
"""


@pytest.fixture
def others(tmp_path, monkeypatch):
    """A machine that lacks nearly everything, and one that multiplies by a basis."""
    points = {"abacus": "abacus_beads:MACHINE", "twin": "twin_machine:MACHINE"}
    modules = {"abacus_beads": BROKEN, "twin_machine": BASIS}
    folder = installed(tmp_path / "others", "odd-machines", modules, points)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    offers.cache_clear()
    yield
    offers.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)


def test_a_machine_that_cannot_be_used_is_listed_with_its_problem(escalate, others):
    place = "machine 'abacus': entry point abacus = abacus_beads:MACHINE of odd-machines: "
    problem = place + "Abacus has no summary, source, spec_type, presets, eats_shapes, eats_basis, "
    code, out, err = escalate("machines")
    assert (code, err) == (0, "")
    assert f"note: {problem}" in out
    assert "cannot be used" in out
    code, out, err = escalate("machines", "--format", "json")
    problems = {row["machine"]: row["problem"] for row in json.loads(out)["machines"]}
    assert problems["abacus"].startswith(problem)
    assert {name for name, told in problems.items() if told} == {"abacus"}
    for arguments in (
        ("simulate", "digits_cnn", *RECIPE, "--machine", "abacus"),
        ("compare", "digits_cnn", *RECIPE, "--machines", "systolic,abacus"),
        ("machines", "show", "abacus"),
    ):
        code, out, err = escalate(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {problem}")
        assert err.count("\n") == 1
    assert escalate("simulate", "digits_cnn", "--machine", "systolic")[0] == 0


def test_a_machine_that_eats_a_basis_is_fed_compressed_models(escalate, others, tmp_path):
    folder = tiny_folder(tmp_path / "tiny").folder
    machines = ("--machines", "basis_first,twin,systolic", "--format", "json")
    code, out, err = escalate("compare", folder, *machines)
    assert (code, err) == (0, "")
    ours, twin, systolic = json.loads(out)["rows"]
    assert (twin["machine"], twin["cycles"]) == ("twin", ours["cycles"])
    assert "fed the compressed model" in twin["notes"]
    assert "fed the int8 model" in systolic["notes"]
