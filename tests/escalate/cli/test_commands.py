"""Does a user get from a folder or a file to numbers, in every form?"""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from arch.machine import MACHINES
from escalate.app.networks import names, network
from tests.escalate.app import tiny as tiny_module

WIDTH = 100
STORED = ("model.safetensors", "manifest.json.gz")


@pytest.fixture
def own(tmp_path):
    """One layer of one's own."""
    rng = np.random.default_rng(0)
    path = tmp_path / "conv.npz"
    np.savez(
        path, activations=rng.integers(0, 3, (5, 6, 6)), weights=rng.integers(-9, 9, (4, 5, 3, 3))
    )
    return path


def fits(text):
    return max(map(len, text.splitlines())) <= WIDTH


def test_simulate_prints_a_table(escalate, compressed):
    code, out, err = escalate("simulate", compressed, "--count", 3)
    assert (code, err) == (0, "")
    assert out.startswith("Tiny on basis_first (default)\n")
    assert "answers by the psums of the machine " in out
    assert "when the model was made (95 % intervals):\n  accuracy " in out
    _, more, _ = escalate("simulate", compressed, "--count", 20)
    assert "of 20 images classified correctly by the psums of the machine" in more
    assert "note: fed the compressed model" in out
    assert fits(out)


def test_simulate_prints_json(escalate, compressed):
    code, out, err = escalate("simulate", compressed, "--format", "json", "--set", "lookahead=2")
    thing = json.loads(out)
    assert (code, err) == (0, "")
    assert (thing["network"], thing["machine"]) == ("Tiny", "basis_first")
    assert thing["source"]["preset"] == "default with lookahead=2"
    assert len(thing["layers"]) == 5
    _, out, _ = escalate(
        "simulate", compressed, "--machine", "systolic", "--preset", "iso,tiny", "--format", "json"
    )
    assert [run["source"]["preset"] for run in json.loads(out)["runs"]] == ["iso", "tiny"]


def test_simulate_fills_a_known_network_with_synthetic_tensors(escalate):
    recipe = ("--synthetic", "coefficients=0.1,activations=0.4", "--seed", 2, "--basis", 3)
    code, out, err = escalate("simulate", "digits_cnn", *recipe)
    assert (code, err) == (0, "")
    assert "note: synthetic tensors: coefficients 0.1, activations 0.4, weights 1.0, basis 3" in out


def test_simulate_prints_csv(escalate, own):
    code, out, err = escalate("simulate", own, "--machine", "systolic", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "")
    assert (row["network"], row["layer"], row["origin"]) == ("conv", "conv", "file")


def test_simulate_writes_a_folder_that_report_reads(escalate, own, tmp_path):
    assert escalate("simulate", own, "--out", tmp_path / "a")[0] == 0
    code, out, _ = escalate(
        "report", tmp_path / "a", tmp_path / "a", "--out", tmp_path / "both", "--title", "Both"
    )
    assert (code, out) == (0, f"{tmp_path / 'both' / 'report.html'}\n")
    frame = pd.read_parquet(tmp_path / "both" / "layers.parquet")
    assert frame["layer"].tolist() == ["conv", "conv"]
    assert "<title>Both" in (tmp_path / "both" / "report.html").read_text()


def test_compare(escalate, compressed, tmp_path):
    arguments = ("compare", compressed, "--machines", "basis_first,systolic:iso,systolic:tiny")
    code, out, err = escalate(*arguments, "--baseline", "systolic:iso")
    assert (code, err) == (0, "")
    assert fits(out)
    assert "baseline: systolic · iso" in out
    assert "note: systolic · iso, systolic · tiny: fed the int8 model" in out
    _, text, _ = escalate(*arguments, "--format", "json")
    thing = json.loads(text)
    assert thing["baseline"] == "basis_first"
    assert thing["rows"][0]["speedup"] == 1.0
    for name in ("accuracy", "agreement"):
        for row in thing["rows"]:
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    assert " (95 % intervals):\n  accuracy " in out
    wanted = {"machine", "preset", "cycles", "latency_s", "energy_j", "dram_bytes", "speedup"}
    wanted |= {"energy_efficiency", "multipliers", "adders", "sram_bytes", "area_mm2", "notes"}
    assert wanted <= set(thing["rows"][0])
    _, text, _ = escalate(*arguments, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["cycles"]) for row in rows] == [row["cycles"] for row in thing["rows"]]


def test_compare_knows_files_of_machines(escalate, compressed, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('machine = "basis_first"\npe_blocks = 8\n')
    arguments = ("--machines", f"basis_first,{path}", "--baseline", path, "--format", "json")
    code, text, _ = escalate("compare", compressed, *arguments)
    rows = json.loads(text)["rows"]
    assert code == 0
    assert [row["preset"] for row in rows] == ["default", "default with pe_blocks=8"]
    assert rows[1]["speedup"] == 1.0


@pytest.mark.parametrize("name", MACHINES)
def test_machines_show_prints_a_file_that_reads_back(escalate, own, tmp_path, name):
    code, text, err = escalate("machines", "show", name, "--set", "clock_hz=500000000")
    assert (code, err) == (0, "")
    path = tmp_path / "mine.toml"
    path.write_text(text)
    _, out, _ = escalate("simulate", own, "--machine", path, "--format", "json")
    thing = json.loads(out)
    assert thing["machine"] == name
    assert thing["source"]["spec"]["clock_hz"] == 500_000_000


def test_lists(escalate):
    code, out, _ = escalate("machines")
    assert code == 0
    assert all(name in out for name in MACHINES)
    assert fits(out)
    code, out, _ = escalate("networks")
    assert code == 0
    assert all(name in out for name in names())
    assert fits(out)


@pytest.mark.parametrize("name", ["digits_cnn", "resnet18", "mobilenet_v2"])
def test_networks_show(escalate, name):
    layers = network(name).shapes
    code, out, _ = escalate("networks", "show", name)
    assert code == 0
    assert fits(out)
    _, text, _ = escalate("networks", "show", name, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["macs"]) for row in rows] == [layer.macs for layer in layers]
    assert rows[0]["padding"] == ",".join(map(str, layers[0].padding))
    _, text, _ = escalate("networks", "show", name, "--format", "json")
    assert [layer["layer"] for layer in json.loads(text)["layers"]] == [ly.name for ly in layers]


FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
"""


def test_compress(escalate, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    out = tmp_path / "out"
    arguments = ("--epochs", 1, "--limit", 32, "--out", out, "--basis", 2, "--seed", 3)
    code, text, err = escalate("compress", f"{path}:build", *arguments)
    assert (code, err) == (0, "")
    assert "original, FP32" in text
    assert "mine: 359 images, 95 % intervals accuracy " in text
    assert "0 of 2 layers decomposed, 1 ternary without a basis, 1 at 8 bits or fewer" in text
    assert "this is no result of a decomposition" in text
    assert "images: digits, as they are; (x - 0) / (1), black 0, white 1" in text
    assert f"written to {out}" in " ".join(text.split())
    assert "note: untrained weights" in text
    assert fits(text)
    options = json.loads((out / "provenance.json").read_text())["options"]
    assert (options["basis"], options["epochs"], options["seed"]) == (2, 1, 3)


def test_compress_prunes_and_compare_takes_the_result_beside_a_compressed_one(escalate, tmp_path):
    out, common = tmp_path / "pruned", ("digits_cnn", "--epochs", 0, "--limit", 32)
    pruning = ("--method", "prune", "--density", 0.25, "--scope", "layer", "--out", out)
    code, text, err = escalate("compress", *common, *pruning)
    assert (code, err) == (0, "")
    assert "pruned, 8 bit" in text
    assert fits(text.partition("written to")[0])
    options = json.loads((out / "provenance.json").read_text())["options"]
    assert (options["method"], options["density"], options["scope"]) == ("prune", 0.25, "layer")
    assert escalate("compress", *common, "--basis", 2, "--out", tmp_path / "small")[0] == 0
    machines = ("--machines", "basis_first,systolic", "--baseline", "systolic")
    code, text, err = escalate("compare", tmp_path / "small", out, *machines)
    assert (code, err) == (0, "")
    assert "note: basis_first: fed the compressed model" in text
    assert "note: systolic: fed the pruned model" in text
    code, text, err = escalate("verify", out, "--count", 2)
    assert (code, err) == (0, "")
    code, text, err = escalate("footprint", out)
    assert (code, err) == (0, "")
    assert "on disk" in text
    assert "bits of each basis kernel" not in text


def test_compress_reads_options_from_a_file(escalate, tmp_path):
    path, out = tmp_path / "mine.toml", tmp_path / "out"
    path.write_text('epochs = 0\nseed = 4\nscales = "two_sided"\ncalibration = "percentile"\n')
    arguments = ("--config", path, "--seed", 9, "--held-out", 100, "--limit", 32, "--out", out)
    code, text, err = escalate("compress", "digits_cnn", *arguments)
    assert (code, err) == (0, "")
    assert "digits_cnn: 100 images" in text
    about = json.loads((out / "provenance.json").read_text())
    assert (about["options"]["scales"], about["options"]["seed"]) == ("two_sided", 9)
    assert about["options"]["calibration"] == "percentile"
    assert about["accuracy"]["images"] == 100
    uncut = ("--set", "loop_order=coefficient_outer")  # auto would cut the channels
    refused = escalate("simulate", out, "--count", 2, *uncut)
    assert refused[0] == 2
    assert "intermediate_bits = 20" in refused[2]  # p and n make the sums V wider
    assert escalate("simulate", out, "--count", 2, *uncut, "--set", "intermediate_bits=28")[0] == 0


def test_footprint(escalate, compressed):
    code, text, err = escalate("footprint", compressed)
    assert (code, err) == (0, "")
    assert fits(text)
    for word in ("on disk", "payload", "hardware", "ideal", "convolutions", "two level"):
        assert word in text
    _, text, _ = escalate("footprint", compressed, "--format", "json")
    found = json.loads(text)
    sizes = {row["counted"]: row for row in found["sizes"]}
    on_disk = sum((compressed / name).stat().st_size for name in STORED)
    assert sizes["on disk"]["stored_bytes"] == on_disk
    assert found["layers"][0]["layer"] == "first"
    _, text, _ = escalate("footprint", compressed, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["form"] for row in rows} == {"8 bit", "decomposed", "ternary"}
    assert all(float(row["bits_per_weight"]) > 0 for row in rows)
    assert sizes["ideal"]["stored_bytes"] <= min(row["stored_bytes"] for row in found["sizes"][:3])


def test_sensitivity(escalate, tmp_path):
    arguments = ("digits_cnn", "--images", 16, "--out", tmp_path / "curves")
    code, text, err = escalate("sensitivity", *arguments)
    assert (code, err) == (0, "")
    assert fits(text)
    assert "digits_cnn: measured on 16 training images, no labels used" in text
    frame = pd.read_csv(tmp_path / "curves" / "sensitivity.csv")
    assert set(frame["layer"]) == {layer.name for layer in network("digits_cnn").shapes}
    assert frame["on_hull"].any()
    assert "<svg" in (tmp_path / "curves" / "sensitivity.svg").read_text()
    _, text, _ = escalate("sensitivity", "digits_cnn", "--images", 16, "--format", "json")
    assert len(json.loads(text)["rows"]) == len(frame)


NETWORK = f"{tiny_module.__file__}:tiny"


def test_pareto(escalate, tmp_path):
    out = tmp_path / "front"
    arguments = ("--ratios", "2,3", "--epochs", 0, "--limit", 16, "--threads", 1, "--out", out)
    code, text, err = escalate("pareto", NETWORK, *arguments)
    assert (code, err) == (0, "")
    assert fits(text.partition("note:")[0])
    told = (
        "tiny: latency and energy of 1 image; accuracy of the original 10.0%\nA row has the costs"
    )
    assert told in text
    assert text.endswith(f"written to {out}\n")
    assert len(pd.read_csv(out / "pareto.csv")) == 3
    _, text, _ = escalate("pareto", NETWORK, *arguments, "--format", "json")
    rows = json.loads(text)["rows"]
    assert [(row["method"], row["ratio"]) for row in rows] == [
        ("int8", None),
        ("escalate", 2.0),
        ("escalate", 3.0),
    ]
    assert {row["machine"] for row in rows} == {"basis_first"}


def test_pareto_of_several_methods_with_a_recipe(escalate, tmp_path):
    config = tmp_path / "all.toml"
    config.write_text('basis = 3\n[prune]\nepochs = 0\n[rate_distortion]\nobjective = "baseline"\n')
    arguments = ("--methods", "prune,rate_distortion", "--ratios", "2.5,900", "--config", config)
    arguments += ("--machines", "systolic,eyeriss", "--limit", 16, "--threads", 1)
    arguments += ("--out", tmp_path / "front")
    code, text, err = escalate("pareto", NETWORK, *arguments)
    assert (code, err) == (0, "")
    assert fits(text.partition("note:")[0])
    assert "note: prune 900×: budget: the smallest density makes" in text
    code, text, err = escalate("pareto", NETWORK, *arguments, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text == (tmp_path / "front" / "pareto.csv").read_text()
    names = ["int8", "prune", "prune", "rate_distortion", "rate_distortion"]
    assert [row["method"] for row in rows] == names
    assert [row["cycles"] == "" for row in rows] == [False, False, True, False, True]
    thing = json.loads(escalate("pareto", NETWORK, *arguments, "--format", "json")[1])
    assert len(thing["machine_rows"]) == 2 * 3
    options = json.loads((tmp_path / "front/points/prune-2.5/provenance.json").read_text())["asked"]
    assert (options["epochs"], "basis" in options) == (0, False)


def test_demo_prints_one_table(escalate, monkeypatch, tmp_path):
    from escalate.app import compressed, demo, scores

    numbers = {"accuracy": 0.9694, "compression_ratio": 27.1, "cycles": 93_976}
    numbers |= {"latency_s": 0.000117, "dram_bytes": 389_000, "energy_j": 0.000139}
    numbers |= {"speedup": 1.23, "multipliers": 1024}
    forms = ["FP32", "8 bit", "compressed", "compressed"]
    machines = ["(torch)", "systolic", "basis_first", "basis_first tiny"]
    rows = [{"form": f, "machine": m, **numbers} for f, m in zip(forms, machines, strict=True)]
    del rows[0]["cycles"]
    same = scores.Scores(360, 0.9, 1.0, 40.0)
    model = compressed.Compressed(tmp_path, "digits_cnn", 4, 3, 1, 2, 1, same, same, same)
    monkeypatch.setattr(demo, "demo", lambda out, watch: demo.Demo(rows, (), model, 10))
    code, out, err = escalate("demo", "--out", tmp_path / "demo")
    assert (code, err) == (0, "")
    assert fits(out.partition("page:")[0])
    assert "basis_first tiny" in out
    assert f"page: {tmp_path / 'demo' / 'report.html'}" in out


def test_orders_prints_every_form(escalate):
    recipe = ("--synthetic", "coefficients=0.1,activations=0.4")
    code, out, err = escalate("orders", "digits_cnn", *recipe)
    assert (code, err) == (0, "")
    assert "all layers" in out
    assert "A: convolve first" in out
    assert "no two stages: stem.0" in out
    assert fits(out.split("note:")[0])
    thing = json.loads(escalate("orders", "digits_cnn", *recipe, "--format", "json")[1])
    rows = list(
        csv.DictReader(io.StringIO(escalate("orders", "digits_cnn", *recipe, "--format", "csv")[1]))
    )
    assert [row["layer"] for row in rows] == [*(r["layer"] for r in thing["layers"]), "all layers"]
    code, out, err = escalate("orders", "digits_cnn")
    assert (code, out) == (2, "")
    assert "orders needs tensors" in err


def test_assumptions_prints_every_form(escalate, tmp_path):
    recipe = ("digits_cnn", "--synthetic", "coefficients=0.1,activations=0.4")
    code, out, err = escalate("assumptions", *recipe, "--out", tmp_path / "assumed")
    assert (code, err) == (0, "")
    assert "mac_row_width" in out
    assert "refused: psum_bits = 64: wanted a whole number 2 to 32" in out
    assert fits(out.split("refused:")[0])
    assert {p.name for p in (tmp_path / "assumed").iterdir()} == {
        "assumptions.csv",
        "assumptions.svg",
    }
    thing = json.loads(escalate("assumptions", *recipe, "--format", "json")[1])
    assert len(thing["rows"]) > 20
    assert thing["rows"][0]["latency_ratio"] != 1
    rows = list(csv.DictReader(io.StringIO(escalate("assumptions", *recipe, "--format", "csv")[1])))
    assert len(rows) == len(thing["rows"]) + len(thing["refused"])
