"""Does the whole job run, and does it notice a machine that computes something else?"""

import json

import numpy as np
import pytest

from arch.errors import InvariantError
from escalate.app import demo as module
from escalate.app.demo import Sizes, demo
from escalate.app.results import read_runs
from escalate.integers import integer

SMALL = Sizes(images=2, training_epochs=1, retraining_epochs=1, training_images=64)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    seen = []
    out = tmp_path_factory.mktemp("demo") / "out"
    return demo(out, sizes=SMALL, watch=lambda *step: seen.append(step)), out, seen


def test_one_row_for_each_thing_it_describes(made):
    result, out, _ = made
    assert [(row["form"], row["machine"]) for row in result.rows] == [
        ("FP32", "(torch)"),
        ("8 bit", "systolic"),
        ("compressed", "basis_first"),
        ("compressed", "basis_first tiny"),
    ]
    original, dense, small, tiny = result.rows
    assert original["compression_ratio"] == 1.0
    assert dense["speedup"] == 1.0
    assert small["speedup"] == dense["latency_s"] / small["latency_s"]
    assert small["accuracy"] == result.model.compressed.accuracy
    assert small["compression_ratio"] == result.model.compression_ratio
    assert tiny["cycles"] > small["cycles"]
    assert tiny["memory_stall_cycles"] > small["memory_stall_cycles"]
    assert small["macs"] == dense["macs"] == tiny["macs"]
    assert {run.results[0].images for run in result.runs} == {2}
    about = json.loads((out / "model" / "provenance.json").read_text())
    assert about["checkpoint"]["file"] == "network.safetensors"


def test_what_it_leaves_behind(made):
    result, out, _ = made
    assert {path.name for path in out.iterdir()} == {
        "report.html", "run.json", "layers.csv", "layers.parquet", "totals.csv",
        "totals.parquet", "totals.md", "totals.tex", "figures", "network.safetensors", "model",
    }  # fmt: skip
    assert [run.cycles for run in read_runs(out)] == [run.cycles for run in result.runs]
    page = (out / "report.html").read_text()
    assert "escalate demo" in page
    assert str(out.parent) not in page


def test_progress(made):
    steps = [what for what, _, _ in made[2]]
    assert list(dict.fromkeys(steps)) == ["training", "retraining", "systolic", "basis_first"]


def test_logits_of_another_network_are_noticed(made, tmp_path, monkeypatch):
    _, out, _ = made

    def other(model, images):
        return np.zeros((len(images), 10), np.int64)

    monkeypatch.setattr(integer, "predict", other)
    source = module.ModelSource("digits_cnn", out / "model")
    (choice,) = module.choose("systolic")
    with pytest.raises(InvariantError, match="systolic: the logits that follow from the machine"):
        module.proved(source, choice, module.Feed("digits", SMALL.images))
