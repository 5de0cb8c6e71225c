"""A pruned folder: fed to machines, put beside a compressed one, verified bit for bit."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

import escalate
from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.feed import Feed
from escalate.app.footprint import layer_table, size_table
from escalate.app.images import read_images
from escalate.app.machines import choose, choose_all
from escalate.app.simulate import run_choices, run_source
from escalate.app.sources import COMPRESSED, INT8, SourceError, fed_form, resolve
from escalate.app.verify import verify
from escalate.compressors.registry import compressors
from escalate.errors import CheckpointError
from escalate.integers import integer
from escalate.store import model_file
from reports.table import run_notes
from tests.escalate.app.tiny import tiny

METHODS = compressors()
PRUNED = METHODS["prune"].kind
MACHINES = ("basis_first", "systolic", "scnn", "sparten", "bit_tactical")


def pruned_folder(folder, **options):
    with one_thread():
        fields = {"method": "prune", "density": 0.3, "epochs": 1} | options
        return compress(tiny(), data=Data("digits", limit=64), out=folder, **fields)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A pruned folder; tests only read it."""
    return pruned_folder(tmp_path_factory.mktemp("pruned") / "tiny-pruned")


def sources(*made):
    return [str(each.folder) for each in made]


def test_the_folder_holds_the_pruned_model_and_the_plain_one(pruned):
    test = read_images("digits", 1, (8, 8))
    for kind, accuracy, size in (
        ("", pruned.compressed.accuracy, pruned.bytes),
        ("int8", pruned.int8.accuracy, pruned.int8_bytes),
    ):
        model = model_file.load(pruned.folder / kind)
        assert all(layer.weights is not None for layer in model.weights.values())
        assert integer.accuracy(model, test.pixels, test.labels) == accuracy
        files = [pruned.folder / kind / name for name in (model_file.TENSORS, model_file.MANIFEST)]
        assert sum(path.stat().st_size for path in files) == size
    assert pruned.bytes < pruned.int8_bytes
    assert pruned.method == "prune"


def test_every_machine_is_fed_a_pruned_folder(pruned):
    source = resolve(sources(pruned))
    model = model_file.load(pruned.folder)
    images = read_images("digits", 1, (8, 8), count=3)
    for name in MACHINES:
        found, kind = source.model_for(name)
        assert kind == PRUNED
        run = run_source(source, choose(name)[0], Feed("digits", 3))
        np.testing.assert_array_equal(run.logits, integer.predict(model, images.pixels))
        notes = run_notes(run.run)
        assert "fed the pruned model" in notes
        arrays = [layer.weights for layer in found.weights.values()]
        share = sum(map(np.count_nonzero, arrays)) / sum(array.size for array in arrays)
        assert (
            f"8-bit weights, {100 * share:.1f} % of them not 0, layers kept whole included" in notes
        )
        assert run.run.provenance["tensors"] == PRUNED


def test_a_pruned_folder_beside_a_compressed_one_feeds_machines_without_a_basis(compressed, pruned):
    for order in ((compressed, pruned), (pruned, compressed)):
        source = resolve(sources(*order))
        assert source.name == "tiny"
        kinds = {name: source.model_for(name)[1] for name in MACHINES}
        forms = {name: fed_form(name) for name in MACHINES}
        wanted = {n: COMPRESSED if form == COMPRESSED else PRUNED for n, form in forms.items()}
        assert kinds == wanted
    choices = choose_all(["basis_first", "systolic"])
    runs = run_choices(source, choices, Feed("digits", 2))
    alone = [
        run_source(resolve(sources(one)), choice, Feed("digits", 2))
        for one, choice in zip((compressed, pruned), choices, strict=True)
    ]
    for both, single in zip(runs, alone, strict=True):
        assert both.run.cycles == single.run.cycles
        np.testing.assert_array_equal(both.logits, single.logits)
    told = [[note for note in run_notes(each.run) if "fed the" in note] for each in runs]
    assert told == [["fed the compressed model"], ["fed the pruned model"]]
    frame = escalate.compare(sources(compressed, pruned), ["basis_first", "systolic"])
    assert not frame["notes"].str.contains("unrelated").any()


@pytest.mark.parametrize("name", [name for name, each in METHODS.items() if not each.basis])
def test_a_folder_of_any_method_without_a_basis_goes_beside(compressed, pruned, tmp_path, name):
    folder = tmp_path / name
    model = model_file.load(pruned.folder)
    model_file.save(replace(model, provenance={**model.provenance, "method": name}), folder)
    source = resolve([str(folder), str(compressed.folder)])
    assert (source.folder, source.beside) == (compressed.folder, folder)
    assert source.model_for("systolic")[1] == METHODS[name].kind
    assert source.bytes_for("systolic") == model_file.bytes_on_disk(folder)
    assert source.model_for("basis_first")[1] == COMPRESSED


def test_a_plain_folder_is_a_source_of_its_own(pruned):
    source = resolve([str(pruned.folder / INT8)])
    assert {source.model_for(name)[1] for name in MACHINES} == {INT8}


@pytest.mark.parametrize("name", MACHINES)
def test_the_machines_logits_are_torchs(pruned, name):
    proof = verify(pruned.folder, choose(name)[0], Feed("digits", 4))
    assert (proof.images, proof.logits, proof.layers) == (4, 40, 5)


def test_the_footprint_counts_the_bytes_of_the_files(pruned):
    model = model_file.load(pruned.folder)
    rows = {row["layer"]: row for row in layer_table(model)}
    assert {row["form"] for row in rows.values()} == {"8 bit"}
    assert rows["first"]["density"] > 0.9  # kept whole, as is the depthwise layer
    thin = [rows[name] for name in ("second", "point", "last")]
    left = sum(round(row["density"] * row["weights"]) for row in thin)
    total = 6 * 4 * 9 + 8 * 6 + 10 * 128  # as pruned; filters may have gone since
    assert left == pytest.approx(0.3 * total, abs=3)
    counted = {row["counted"]: row for row in size_table(model)}
    assert counted["on disk"]["stored_bytes"] == pruned.bytes
    assert counted["on disk"]["compression_ratio"] == pruned.compression_ratio


def test_folders_that_do_not_belong_together_are_refused(compressed, pruned, tmp_path):
    one, other = f"{compressed.folder} (compressed)", f"{pruned.folder} (pruned)"
    for some, told in (
        ((pruned, pruned), f"{other}, {other}"),
        ((compressed, compressed), f"{one}, {one}"),
        ((compressed, compressed, pruned), f"{one}, {one}, {other}"),
    ):
        with pytest.raises(SourceError) as refusal:
            resolve(sources(*some))
        assert str(refusal.value).startswith(f"{told}: wanted one folder of method escalate")
    with pytest.raises(SourceError, match=r"or be a compressed model folder and one without"):
        resolve([str(compressed.folder), "resnet18"])
    with pytest.raises(SourceError, match=r"a folder without manifest\.json\.gz"):
        resolve([str(compressed.folder), str(tmp_path)])
    other = tmp_path / "other"
    layers = (nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))
    data = Data("digits", limit=16)
    compress(nn.Sequential(*layers), data=data, out=other, method="prune", epochs=0)
    with pytest.raises(SourceError, match=f"{other}: was not made from the network of"):
        resolve([str(compressed.folder), str(other)])


def test_a_damaged_story_is_named(pruned, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(pruned.folder, folder)
    (folder / "provenance.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"provenance\.json: is torn"):
        resolve([str(folder)]).model_for("systolic")
    (folder / "provenance.json").unlink()
    assert model_file.load_provenance(folder) == {}
    assert resolve([str(folder)]).model_for("systolic")[1] == INT8  # nothing says it is pruned


class KilledError(RuntimeError):
    pass


def test_a_killed_pruning_is_continued(tmp_path):
    def content(name):
        return [(tmp_path / name / file).read_bytes() for file in ("model.safetensors",)]

    def kill(report):
        raise KilledError

    options = {"epochs": 2, "ramp": 0.5}
    pruned_folder(tmp_path / "whole", **options)
    with pytest.raises(KilledError):
        pruned_folder(tmp_path / "killed", progress=kill, **options)
    epochs = []
    pruned_folder(
        tmp_path / "killed", resume=True, progress=lambda r: epochs.append(r.epoch), **options
    )
    assert epochs == [2]
    assert content("killed") == content("whole")
