"""Does a source give the runs it should, and do the machine's psums classify?"""

import json
import re

import numpy as np
import pytest
import torch

import escalate
from arch.errors import SpecError
from arch.machine import MACHINES, machine
from escalate.app.feed import parse_synthetic
from escalate.app.images import read_images
from escalate.app.machines import choose, choose_all
from escalate.app.networks import DIGITS_CNN
from escalate.app.simulate import Feed, Request, run_source
from escalate.app.sources import (
    COMPRESSED,
    INT8,
    ModelSource,
    ShapeSource,
    SourceError,
    TensorSource,
    fed_form,
    resolve,
)
from escalate.integers import integer
from escalate.store import model_file
from reports.table import run_notes
from workloads.errors import WorkloadError
from workloads.requantize import Requantizer


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Two layers of one's own in two files."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    np.savez(
        folder / "one.npz",
        activations=rng.integers(0, 3, (5, 6, 6)),
        basis=rng.integers(-3, 4, (2, 3, 3)),
        coefficients=rng.integers(-1, 2, (4, 5, 2)),
    )
    np.savez(
        folder / "two.npz",
        activations=rng.integers(0, 2, (5, 6, 6)),
        coefficients=rng.integers(-1, 2, (4, 5, 1)),
    )
    return [str(folder / "one.npz"), str(folder / "two.npz")]


def test_torch_keeps_its_threads(compressed):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)  # as many as no kernel here has
        run_source(resolve([str(compressed.folder)]), choose("basis_first")[0])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_machines_with_a_basis_exist():
    assert {name for name in MACHINES if machine(name).eats_basis} == {"basis_first"}
    assert {fed_form(name) for name in MACHINES} == {COMPRESSED, INT8}


@pytest.mark.parametrize("name", MACHINES)
def test_the_machines_psums_give_the_logits_of_the_integer_network(compressed, name):
    source = resolve([str(compressed.folder)])
    (choice,) = choose(name)
    found = run_source(source, choice, Feed("digits", 5))
    model, kind = source.model_for(name)
    images = read_images("digits", 1, (8, 8), count=5)
    assert (found.logits == integer.predict(model, images.pixels)).all()
    assert found.correct == int((found.logits.argmax(axis=1) == images.labels).sum())
    assert found.run.provenance["correct"] == found.correct
    assert f"fed the {kind} model" in run_notes(found.run)
    assert [result.layer.name for result in found.run.results] == [
        node.name for node in model.graph.convs
    ]
    assert {result.images for result in found.run.results} == {5}


def test_images_default_to_the_models_own_data_and_others_are_called_unrelated(compressed):
    source = resolve([str(compressed.folder)])
    (choice,) = choose("systolic")
    assert run_source(source, choice).run.provenance["images"] == "digits"
    foreign = run_source(source, choice, Feed("photos"))
    assert foreign.labels is None
    assert foreign.correct is None
    assert "unrelated images: photos, the network was made for digits" in run_notes(foreign.run)


def test_own_tensors(own):
    source = resolve(own)
    assert isinstance(source, TensorSource)
    assert source.name == "one and 1 more"
    for choice in choose_all(["basis_first", "systolic"]):
        run = run_source(source, choice).run
        assert [result.layer.name for result in run.results] == ["one", "two"]
        assert {result.provenance["origin"] for result in run.results} == {"file"}
    with pytest.raises(SourceError, match="is no compressed model, it looks at no images"):
        run_source(source, choice, Feed("digits"))
    with pytest.raises(SourceError, match="--count: one and 1 more brings its own activations"):
        run_source(source, choice, Feed(count=2))


def test_shapes_run_on_machines_that_skip_nothing(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, "
        "Num Filter, Strides,\nconv, 8, 8, 3, 3, 4, 8, 1,\n"
    )
    source = resolve([str(path)])
    assert isinstance(source, ShapeSource)
    assert source.name == "net"
    (systolic,) = choose("systolic")
    run = run_source(source, systolic, Feed(count=3)).run
    assert run.macs == 3 * source.layers[0].macs
    assert run_notes(run) == ["shapes only, no tensors"]
    (basis_first,) = choose("basis_first")
    with pytest.raises(SourceError, match="net: basis_first needs tensors, not only shapes"):
        run_source(source, basis_first)
    recipe = parse_synthetic("weights=0.5", count=2)
    assert run_source(source, basis_first, Feed(synthetic=recipe)).run.macs == 2 * run.macs // 3


def test_a_known_network_is_a_list_of_shapes():
    source = resolve(["digits_cnn"])
    assert isinstance(source, ShapeSource)
    assert source.layers == DIGITS_CNN.shapes
    assert resolve(["resnet18"]).network.macs == 1_814_073_344


def test_published_densities_are_asked_for_by_name():
    recipe = parse_synthetic("weights=han,activations=han", seed=2)
    assert (recipe.weights, recipe.activations, recipe.seed) == ("han", "han", 2)
    with pytest.raises(WorkloadError, match="coefficients is 'han', wanted a density"):
        parse_synthetic("coefficients=han")


def test_synthetic_tensors_say_so_and_share_their_activations():
    source = resolve(["digits_cnn"])
    feed = Feed(synthetic=parse_synthetic("coefficients=0.2,activations=0.5", basis=3, seed=7))
    runs = [run_source(source, c, feed).run for c in choose_all(["basis_first", "systolic"])]
    told = "coefficients 0.2, activations 0.5, weights 1.0, basis 3, seed 7, images 1, kind iid"
    for run in runs:
        assert f"synthetic tensors: {told}" in run_notes(run)
        assert {result.provenance["origin"] for result in run.results} == {"synthetic"}
    assert [run.provenance["tensors"] for run in runs] == ["compressed", "int8"]
    assert [result.mode for result in runs[0].results] == [
        "bypass", "decomposed", "decomposed", "decomposed", "bypass", "pointwise", "decomposed",
        "pointwise",
    ]  # fmt: skip
    assert run_source(source, choose("basis_first")[0], feed).run == runs[0]


BAD_RECIPES = [
    ("coefficients=2", WorkloadError, "coefficients is 2, wanted a density 0..1"),
    ("coefficients", SourceError, "--synthetic: 'coefficients': wanted coefficients=D"),
    ("colour=1", SourceError, "--synthetic: 'colour=1': wanted coefficients=D"),
    ("kind=odd", WorkloadError, "kind is 'odd', allowed are iid, channel"),
    (None, SourceError, "--basis: goes with --synthetic, which was not given"),
]


@pytest.mark.parametrize(("text", "error", "message"), BAD_RECIPES)
def test_refused_recipes(text, error, message):
    with pytest.raises(error, match=message):
        parse_synthetic(text, basis=4)


def test_recipes_for_sources_with_tensors_are_refused(own, compressed):
    recipe = parse_synthetic("activations=0.5")
    for words in (own, [str(compressed.folder)]):
        with pytest.raises(SourceError, match=r"--synthetic: .* has tensors of its own"):
            run_source(resolve(words), choose("systolic")[0], Feed(synthetic=recipe))


def test_threads_change_nothing(own):
    choices = choose("basis_first")
    runs = [Request(resolve(own), choices, threads=n).run()[0].run for n in (1, 2)]
    assert runs[0] == runs[1]
    with pytest.raises(SpecError, match=r"--threads: 1000, wanted 1\.\."):
        Request(resolve(own), choices, threads=1000).run()


def test_progress_counts_layers(own):
    seen = []
    Request(resolve(own), choose("systolic")).run(lambda *step: seen.append(step))
    assert seen == [("systolic", 0, 2), ("systolic", 1, 2)]


def test_refused_sources(tmp_path, compressed):
    cases = {
        "gone": "gone: no such network, folder or file, wanted a compressed model folder, .npz",
        str(tmp_path): "a folder without manifest.json.gz, wanted a compressed model folder",
    }
    for text, message in cases.items():
        with pytest.raises(SourceError, match=message):
            resolve([text])
    with pytest.raises(SourceError, match="SOURCE missing"):
        resolve([])
    with pytest.raises(SourceError, match=r"b: several sources at once must all be .npz files"):
        resolve(["a.npz", "b"])
    model, _ = resolve([str(compressed.folder)]).model_for("basis_first")
    model_file.save(model, tmp_path / "alone")
    alone = ModelSource("alone", tmp_path / "alone")
    with pytest.raises(SourceError, match="systolic is fed the plain 8-bit network, but there is"):
        alone.model_for("systolic")


def test_frames_from_python(own, compressed):
    frame = escalate.simulate(own, machine="systolic", presets=["iso", "tiny"])
    assert frame[["preset", "layer"]].to_numpy().tolist() == [
        ["iso", "one"], ["iso", "two"], ["tiny", "one"], ["tiny", "two"],
    ]  # fmt: skip
    changed = escalate.simulate(compressed, fields={"pe_blocks": 2}, count=2)
    assert set(changed["preset"]) == {"default with pe_blocks=2"}
    assert set(changed["notes"].str.partition(":")[0]) == {"", "read from DRAM more than 4 times"}
    about = json.loads(changed["provenance_json"][0])
    changed, fed, stored, lost = about["notes"]
    assert (changed, fed) == ("machine changed: pe_blocks=2", "fed the compressed model")
    assert stored.startswith("coefficients in DRAM are ")
    assert re.fullmatch(r"SQNR .* dB; .* loses most, .* dB alone", lost)
    synthetic = escalate.simulate("digits_cnn", synthetic="coefficients=0.1,activations=0.4")
    assert set(synthetic["origin"]) == {"synthetic"}
    both = escalate.compare(compressed, ["basis_first", "systolic"], baseline="systolic")
    assert both["speedup"].tolist()[1] == 1.0
    assert both["speedup"][0] == pytest.approx(both["latency_s"][1] / both["latency_s"][0])
    assert both["macs"].nunique() == 1


def test_different_networks_side_by_side_are_called_unrelated(compressed, tmp_path):
    from escalate.app.compare import run_all

    source = resolve([str(compressed.folder)])
    choices = choose_all(["basis_first", "systolic"])
    related = run_all(Request(source, choices))
    assert not any("unrelated" in note for s in related for note in run_notes(s.run))
    for folder, name, sha in (
        (tmp_path, "basis_first", "a"),
        (tmp_path / "int8", "systolic", "b"),
    ):
        model, _ = source.model_for(name)
        model.provenance["network_sha256"] = sha
        model_file.save(model, folder)
    mixed = run_all(Request(ModelSource("mixed", tmp_path), choices))
    note = "unrelated tensors: the machines were fed different networks"
    assert all(note in run_notes(s.run) for s in mixed)


@pytest.mark.parametrize("name", MACHINES)
def test_psums_are_requantized_once(compressed, monkeypatch, name):
    source = resolve([str(compressed.folder)])
    (choice,) = choose(name)
    calls, own = [], Requantizer.apply

    def counted(self, psums):
        calls.append(id(self))
        return own(self, psums)

    monkeypatch.setattr(Requantizer, "apply", counted)
    found = run_source(source, choice, Feed("digits", 2))
    assert len(calls) == len(set(calls)) == len(found.run.results)
