"""Does the worked example of docs/own_compressor.md work as the page says, as a package?"""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.fronts.points import Recipe, points_of
from escalate.app.images import DEFAULT
from escalate.app.sweeps.compress import compressions
from escalate.app.sweeps.file import read
from escalate.compressors.layers import changed
from escalate.compressors.registry import compressor, compressors, offers
from escalate.store.model_file import bytes_on_disk, load
from tests.docs.test_pages import called, understand
from tests.installed import installed
from workloads.layer import ConvLayer

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "own_compressor"
PAGE = (ROOT / "docs" / "own_compressor.md").read_text("utf-8")
MODULES = {
    name: (EXAMPLE / f"{name}.py").read_text("utf-8") for name in ("powers", "powers_convolution")
}
PROJECT = (EXAMPLE / "pyproject.toml").read_text("utf-8")
GROUP = "escalate.compressors"
SMALL = ("digits_cnn", "--limit", 64, "--epochs", 0, "--method", "powers")


def bring(folder, name, modules, points, monkeypatch):
    monkeypatch.syspath_prepend(str(installed(folder, name, modules, points, GROUP)))
    importlib.invalidate_caches()
    offers.cache_clear()


@pytest.fixture
def powers(tmp_path, monkeypatch):
    """The example, installed for one test."""
    points = tomllib.loads(PROJECT)["project"]["entry-points"][GROUP]
    bring(tmp_path / "site", "escalate-powers", MODULES, points, monkeypatch)
    yield compressor("powers")
    offers.cache_clear()
    for module in MODULES:
        sys.modules.pop(module, None)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


def test_the_page_shows_the_files_from_first_line_to_last():
    assert lines("\n".join(blocks("python"))) == lines("\n".join(MODULES.values()))
    assert [block.strip() for block in blocks("toml")] == [PROJECT.strip()]


def test_the_calls_of_the_page_are_understood(powers):
    found = list(called(PAGE))
    assert len(found) == 3
    for call in found:
        understand(call)


def made(powers, weights, count):
    layer = ConvLayer("a", C=4, K=len(weights), H=5, W=5, R=3, S=3)
    bias = np.zeros(layer.K, np.float32)
    return importlib.import_module("powers_convolution").PowersConvolution(
        layer, weights, bias, count
    )


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_integers_are_the_nearest_powers(powers, count):
    weights = np.random.default_rng(count).normal(size=(6, 4, 3, 3)).astype(np.float32)
    weights[2] = 0
    module = made(powers, weights, count)
    module.scale_channels(torch.linspace(0.5, 2.0, 6))
    integers = module.integers()
    codes = integers.weights.weights
    assert set(np.unique(np.abs(codes))) <= {0, *(2**n for n in range(count))}
    assert not codes[2].any()
    rebuilt = codes * integers.scales[:, None, None, None]
    np.testing.assert_allclose(module.weight().detach().numpy(), rebuilt, rtol=1e-5, atol=1e-7)
    sizes = np.abs(module.weights.detach().numpy().astype(np.float64))
    for k in (0, 5):
        for size, code in zip(sizes[k].ravel(), np.abs(codes[k]).ravel(), strict=True):
            ratio = size / integers.scales[k]
            if ratio < 0.5:
                assert code == 0
            else:
                gaps = [abs(np.log2(ratio) - n) for n in range(count)]
                assert gaps[int(code).bit_length() - 1] == pytest.approx(min(gaps))


def test_the_gradient_passes_straight_through(powers):
    module = made(powers, np.ones((2, 4, 3, 3), np.float32), 3)
    slope = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    (module.weight() * slope).sum().backward()
    assert torch.equal(module.weights.grad, slope)


def test_its_flags_stand_in_the_help(escalate, powers):
    code, out, err = escalate("compress", "--help")
    assert (code, err) == (0, "")
    assert "--powers" in out
    assert "Only powers" in out
    assert "powers: weights that are powers of two" in " ".join(out.replace("│", " ").split())


def test_it_compresses_and_machines_run_the_model(escalate, powers, tmp_path, monkeypatch):
    folder = tmp_path / "made"
    code, out, err = escalate("compress", *SMALL, "--powers", 3, "--out", folder)
    assert code == 0, err
    assert "powers of two" in out
    model = load(folder)
    assert model.provenance["options"]["powers"] == 3
    chosen = changed(model.graph, powers, powers.options(powers=3))
    assert 0 < len(chosen) < len(model.convs)
    for name, layer in model.weights.items():
        sizes = set(np.unique(np.abs(layer.weights)))
        assert (sizes <= {0, 1, 2, 4}) == (name in chosen)
    command = ("compare", folder, "--machines", "systolic,basis_first", "--format", "json")
    code, out, err = escalate(*command)
    assert (code, err) == (0, "")
    assert all(row["cycles"] > 0 for row in json.loads(out)["rows"])
    assert "fed the powers model" in out
    monkeypatch.setattr("escalate.compressors.registry.offers", dict)  # as if it were not installed
    code, out, err = escalate(*command)
    assert (code, out) == (2, "")
    assert f"{folder}: was made by 'powers', a method that is not installed" in err


def test_it_is_retrained_and_meets_a_size(powers, tmp_path):
    reports = []
    options = {"method": "powers", "ratio": 5.0, "epochs": 1, "batch": 16}
    compress(
        "digits_cnn",
        data=Data(DEFAULT, limit=64),
        out=tmp_path / "m",
        progress=reports.append,
        **options,
    )
    model = load(tmp_path / "m")
    assert len(reports) == 1
    assert model.provenance["asked"]["ratio"] == 5.0
    assert 1 <= model.provenance["options"]["powers"] <= 7
    assert bytes_on_disk(tmp_path / "m") <= 4 * model.provenance["original_parameters"] / 5 + 8


def test_options_of_others_are_refused(escalate, powers, tmp_path):
    def line(*more):
        code, out, err = escalate("compress", *SMALL, "--out", tmp_path / "out", *more)
        assert (code, out) == (2, "")
        return err

    assert "basis has no meaning for method powers" in line("--basis", 3)
    assert "--powers 8: wanted a whole number 1 to 7" in line("--powers", 8)
    assert "ratio and powers are both given" in line("--powers", 2, "--ratio", 9)
    assert "powers has no meaning for method prune" in line("--method", "prune", "--powers", 2)
    assert "smallest number of powers makes" in line("--ratio", 900)


def test_fronts_and_sweeps_know_it(powers, tmp_path):
    names = [point.name for point in points_of(["powers"], [9, 5], Recipe({"basis": 4}))]
    assert names == ["int8", "powers-5", "powers-9"]
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(
        'methods = ["powers", "escalate"]\nmachines = ["systolic"]\n'
        '[compress]\nnetwork = "digits_cnn"\npowers = [2, 3]\nbasis = 4\n'
    )
    found = compressions(read(sweep))
    assert [dict(each.options) for each in found] == [
        {"powers": 2, "method": "powers"},
        {"basis": 4, "method": "escalate"},
        {"powers": 3, "method": "powers"},
    ]


@pytest.mark.slow
def test_pip_installs_it(tmp_path):
    pip = (sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation")
    target, project = tmp_path / "site", tmp_path / "own_compressor"
    project.mkdir()
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (project / file.name).write_bytes(file.read_bytes())
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, *quiet, "--target", target, project], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "escalate.cli.main", "compress", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{target}:{ROOT}"},
    )
    assert "--powers" in done.stdout


BROKEN = {
    "raises": ("raise OSError('no disk')", "cannot be imported: OSError: no disk"),
    "klass": ("from powers import PowersOfTwo as COMPRESSOR", "PowersOfTwo is a class"),
    "other": ("COMPRESSOR = 3", "int is no escalate.compressors.compressor.Compressor"),
    "prune": ("from powers import COMPRESSOR", "'prune' is one of our compressors'"),
    "named": ("from powers import COMPRESSOR", "name is 'powers', wanted 'named'"),
    "mute": (
        "from powers import *\nclass Mute(PowersOfTwo):\n    name = 'mute'\n    form = None\n"
        "COMPRESSOR = Mute()",
        "form is None, wanted words",
    ),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_what_cannot_be_used_is_told_when_it_is_asked_for(
    escalate, powers, tmp_path, monkeypatch, name
):
    source, message = BROKEN[name]
    module = f"broken_{name}"
    points = {name: f"{module}:COMPRESSOR"}
    bring(tmp_path / "others", "odd-methods", {module: source}, points, monkeypatch)
    arguments = ("compress", "digits_cnn", "--out", tmp_path / "out", "--method", name)
    code, out, err = escalate(*arguments)
    assert (code, out) == (2, "")
    place = f"compressor {name!r}: entry point {name} = {module}:COMPRESSOR of odd-methods: "
    assert place in err
    assert message in err
    assert err.count("\n") == 1
    assert "powers" in compressors()
    assert escalate("compress", "--help")[0] == 0
    sys.modules.pop(module, None)
