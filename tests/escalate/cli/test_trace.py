"""escalate trace: from a folder or a file to a trace that says what simulate says."""

import json

import numpy as np
import pytest

from arch.counters import LayerResult
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.machines import choose
from escalate.app.simulate import run_source
from escalate.app.sources import resolve
from escalate.app.trace import MOST_EVENTS
from tests.reports.trace_file import check_basis_first, check_phases, check_requests, read


@pytest.fixture
def own(tmp_path):
    """One layer of one's own."""
    rng = np.random.default_rng(0)
    path = tmp_path / "conv.npz"
    np.savez(
        path, activations=rng.integers(0, 3, (5, 6, 6)), weights=rng.integers(-9, 9, (4, 5, 3, 3))
    )
    return path


def simulated(
    source, machine: str, layer: str, *settings: str, feed: Feed | None = None
) -> LayerResult:
    """What ``escalate simulate`` has for the layer."""
    (choice,) = choose(machine, (), settings)
    run = run_source(resolve([str(source)]), choice, feed).run
    return next(result for result in run.results if result.layer.name == layer)


@pytest.mark.parametrize("layer", ["second", "depthwise", "last"])
def test_a_layer_of_a_compressed_model(layer, escalate, compressed, tmp_path):
    path = tmp_path / "new" / "trace.json.gz"
    code, out, err = escalate("trace", compressed, "--layer", layer, "--out", path)
    assert (code, err) == (0, "")
    wanted = simulated(compressed, "basis_first", layer)
    cycles = wanted.counters.cycles
    assert out.startswith(f"{path}: {layer}, cycles 0..{cycles} of {cycles}, ")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    found = read(path)
    check_basis_first(found, wanted)
    about = found.about
    assert (about["network"], about["layer"]) == ("tiny", layer)
    assert about["time"] == "1 microsecond of this trace is 1 cycle"
    assert (about["clock_hz"], about["cycles"]) == (wanted.spec.clock_hz, cycles)
    assert about["causes"] == dict(wanted.counters.causes)
    assert about["spec"] == wanted.spec.model_dump(mode="json")
    assert about["provenance"]["digest"] == wanted.provenance["digest"]


def test_own_tensors_a_changed_machine_and_a_window(escalate, own, tmp_path):
    path = tmp_path / "trace.json"
    line = ("trace", own, "--layer", "conv", "--out", path, "--set", "pe_blocks=2")
    code, _, err = escalate(*line, "--threads", 1)
    assert (code, err) == (0, "")
    wanted = simulated(own, "basis_first", "conv", "pe_blocks=2")
    check_basis_first(read(path), wanted)
    text = path.read_bytes()
    assert escalate(*line)[0] == 0
    assert path.read_bytes() == text
    assert str(tmp_path).encode() not in text
    code, out, _ = escalate(*line, "--from-cycle", 100, "--to-cycle", 250)
    assert code == 0
    assert f"cycles 100..250 of {wanted.counters.cycles}, " in out
    found = read(path)
    assert (found.about["from_cycle"], found.about["to_cycle"]) == (100, 250)
    assert sum(found.cycles("cat", ("PE blocks",)).values()) == 2 * 150
    assert found.last == 250


def test_the_systolic_array_on_tensors_and_shapes(escalate, compressed, tmp_path):
    path = tmp_path / "trace.json"
    for source, layer in ((compressed, "point"), ("digits_cnn", "stem.0")):
        code, _, err = escalate(
            "trace", source, "--layer", layer, "--machine", "systolic", "--out", path
        )
        assert (code, err) == (0, "")
        wanted = simulated(source, "systolic", layer)
        check_phases(read(path), wanted)
        check_requests(read(path), wanted)


def test_synthetic_tensors_are_called_so(escalate, tmp_path):
    path, recipe = tmp_path / "trace.json", "coefficients=0.2,activations=0.5"
    layer = resolve(["digits_cnn"]).layers[-1].name
    code, out, err = escalate(
        "trace", "digits_cnn", "--layer", layer, "--out", path, "--synthetic", recipe, "--seed", 3
    )
    assert (code, err) == (0, "")
    assert out.endswith(" events, synthetic tensors\n")
    feed = Feed(synthetic=parse_synthetic(recipe, seed=3))
    found = read(path)
    check_basis_first(found, simulated("digits_cnn", "basis_first", layer, feed=feed))
    assert found.about["provenance"]["origin"] == "synthetic"


def test_too_many_events_are_refused_with_a_window_that_fits(escalate, own, tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.trace.MOST_EVENTS", 500)
    path = tmp_path / "trace.json"
    line = ("trace", own, "--layer", "conv", "--out", path)
    code, out, err = escalate(*line)
    assert (code, out) == (2, "")
    assert err.startswith("error: conv: cycles 0..")
    assert " events, allowed are 500; try --from-cycle 0 --to-cycle " in err
    assert not path.exists()
    code, _, err = escalate(*line, *err.partition("try ")[2].split())
    assert (code, err) == (0, "")
    assert len(json.loads(path.read_text())["traceEvents"]) > 100


REFUSED = [
    (("--layer", "abacus"), "--layer: conv has no 'abacus', it has conv"),
    (("--out", "trace.txt"), "--out trace.txt: wanted a name that ends in .json or .json.gz"),
    (("--from-cycle", 10**9), "--from-cycle 1000000000: conv has cycles 0.."),
    (("--from-cycle", 9, "--to-cycle", 9), "--to-cycle 9: wanted more than --from-cycle 9"),
    (("--from-cycle", -1), "Invalid value for '--from-cycle'"),
    (("--machine", "abacus"), "unknown machine 'abacus'"),
    (("--images", "digits"), "--images: conv is no compressed model, it looks at no images"),
    (("--machine", "systolic", "--preset", "iso,tiny"), "--preset: iso, tiny: wanted one"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals_are_one_line(arguments, message, escalate, own, tmp_path):
    line = ("trace", own, "--layer", "conv", "--out", tmp_path / "trace.json", *arguments)
    code, out, err = escalate(*line)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*trace*"))


def test_a_folder_in_the_way_and_shapes_for_a_machine_that_needs_tensors(escalate, own, tmp_path):
    folder = tmp_path / "trace.json"
    folder.mkdir()
    code, _, err = escalate("trace", own, "--layer", "conv", "--out", folder)
    assert (code, err) == (2, f"error: --out {folder}: is a folder, wanted a file\n")
    path = tmp_path / "shape.json"
    code, _, err = escalate("trace", "digits_cnn", "--layer", "stem.0", "--out", path)
    assert (code, err.count("\n")) == (2, 1)
    assert "basis_first needs tensors, not only shapes" in err


def test_the_layers_of_a_model_are_listed(escalate, compressed, tmp_path):
    path = tmp_path / "trace.json"
    code, _, err = escalate("trace", compressed, "--layer", "conv9", "--out", path)
    assert code == 2
    assert "no 'conv9', it has first, second, depthwise, point, last" in err


def test_machines_that_cannot_be_traced(escalate, own, tmp_path, monkeypatch):
    monkeypatch.delattr("arch.basis_first.model.BasisFirst.trace")
    monkeypatch.delattr("arch.model.Model.trace")  # as a machine made without the base
    path = tmp_path / "trace.json"
    code, out, err = escalate("trace", own, "--layer", "conv", "--out", path)
    assert (code, out) == (2, "")
    assert err == "error: basis_first cannot be traced: its machine has no trace\n"


def test_it_explains_itself(escalate):
    code, out, err = escalate("trace", "--help")
    assert (code, err) == (0, "")
    assert "escalate trace demo/model --layer" in out
    assert f"{MOST_EVENTS:,} events" in " ".join(out.split())
    code, _, err = escalate("trace", "x", "--out", "y.json")
    assert (code, err) == (2, "error: Missing option '--layer'.\n")
