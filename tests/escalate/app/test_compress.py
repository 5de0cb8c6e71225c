"""Does a folder hold what was promised, and is a killed retraining continued?"""

import json

import pytest
import torch
from PIL import Image

import escalate
from escalate.app.compress import compress, retraining_file
from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.images import read_images
from escalate.app.modules import build, is_factory
from escalate.app.networks import DIGITS_CNN
from escalate.app.recipe import options_of
from escalate.capture.export import capture
from escalate.errors import CaptureError, DataError, DecompositionError
from escalate.integers import integer
from escalate.store import model_file
from tests.escalate.app.tiny import tiny


def test_the_folder_holds_both_models_and_their_story(compressed):
    test = read_images("digits", 1, (8, 8))
    for kind, accuracy, size in (
        ("", compressed.compressed.accuracy, compressed.bytes),
        ("int8", compressed.int8.accuracy, compressed.int8_bytes),
    ):
        folder = compressed.folder / kind
        model = model_file.load(folder)
        assert integer.accuracy(model, test.pixels, test.labels) == accuracy
        files = [folder / name for name in ("model.safetensors", "manifest.json.gz")]
        assert sum(path.stat().st_size for path in files) == size
        assert model.provenance["accuracy"]["original"] == compressed.original.accuracy
        assert model.provenance["network"] == "Tiny"
    parameters = sum(p.numel() for p in tiny().parameters())
    assert compressed.compression_ratio == 4 * parameters / compressed.bytes
    assert compressed.int8_ratio == 4 * parameters / compressed.int8_bytes
    assert not retraining_file(compressed.folder).exists()


def test_the_original_accuracy_is_the_modules_own(compressed):
    test = read_images("digits", 1, (8, 8))
    with torch.no_grad():
        logits = tiny()(torch.from_numpy(test.pixels / 16).float())
    expected = float((logits.argmax(dim=1).numpy() == test.labels).mean())
    assert compressed.original.accuracy == expected


class KilledError(RuntimeError):
    pass


def kill_after_one(report):
    raise KilledError


def test_a_killed_retraining_is_continued(tmp_path):
    def run(name, **more):
        data = Data("digits", limit=64)
        folder = tmp_path / name
        with one_thread():
            compress(tiny(), data=data, out=folder, epochs=2, basis=4, **more)
        return [(folder / file).read_bytes() for file in ("model.safetensors", "manifest.json.gz")]

    whole = run("whole")
    with pytest.raises(KilledError):
        run("killed", progress=kill_after_one)
    assert retraining_file(tmp_path / "killed").exists()
    assert not (tmp_path / "killed").exists()
    epochs = []
    assert run("killed", resume=True, progress=lambda r: epochs.append(r.epoch)) == whole
    assert epochs == [2]
    with pytest.raises(KilledError):
        run("again", progress=kill_after_one)
    run("again", progress=lambda r: epochs.append(r.epoch))
    assert epochs == [2, 1, 2]


FACTORY = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))

def number():
    return 3

def broken():
    raise RuntimeError("no such luck\\nsecond line")
"""


def test_a_function_in_a_file_is_a_network(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    assert is_factory(f"{path}:build")
    out = tmp_path / "out"
    options = {"data": Data("digits", limit=32), "out": out, "epochs": 0}
    made = escalate.compress(f"{path}:build", **options)
    assert made.network == "mine"
    assert made.notes[:1] == (
        "untrained weights unless the module brings its own: no checkpoint was given",
    )
    assert made.notes[1] == "0 of 2 layers decomposed: this is no result of a decomposition"
    told = "0 of 2 layers decomposed, 1 ternary without a basis, 1 at 8 bits or fewer"
    assert made.layers_told == told
    about = json.loads((out / "provenance.json").read_text())
    assert about["network"] == f"{path}:build"
    assert len(about["file_sha256"]) == 64
    assert escalate.simulate(made)["layer"].tolist() == ["0", "3"]


def test_a_model_is_called_after_its_function(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(FACTORY.replace("def build", "def small"))
    data = Data("digits", limit=32)
    assert compress(f"{path}:small", data=data, out=tmp_path / "a", epochs=0).network == "small"


def test_a_processor_without_bfloat16_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.compress.has_bfloat16", lambda device: False)
    options = {"data": Data("digits", limit=16), "out": tmp_path / "a", "precision": "bfloat16"}
    told = compress(tiny(), epochs=1, **options).notes
    assert any(note.startswith("precision bfloat16: this processor has no such") for note in told)
    assert not any("bfloat16" in note for note in compress(tiny(), epochs=0, **options).notes)


def test_a_model_far_below_its_size_says_why(tmp_path):
    made = compress(tiny(), data=Data("digits", limit=32), out=tmp_path / "a", epochs=0, ratio=1.2)
    assert made.compression_ratio > 1.1 * 1.2
    (note,) = (each for each in made.notes if "instead of 1.2x" in each)
    assert note.endswith("no layer had a larger form that fits when forms were chosen; mixed lets "
                         "layers keep up to 8 bits")  # fmt: skip


def test_refused_networks(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    cases = {
        "abacus": "abacus: no such network, wanted path/to/file.py:factory, an .onnx file or dig",
        f"{path}:gone": "the file defines no function 'gone'",
        f"{path}:number": r"returned a int, wanted a torch.nn.Module",
        f"{path}:broken": "RuntimeError: no such luck$",
        f"{tmp_path / 'gone.py'}:build": r"gone.py: no such file",
    }
    for text, message in cases.items():
        with pytest.raises(CaptureError, match=message):
            build(text, 0)
    path.write_text("def (")
    with pytest.raises(CaptureError, match=r"mine.py:build: SyntaxError"):
        build(f"{path}:build", 0)


def test_refused_options():
    cases = {
        "basis": (0, "--basis 0: wanted a whole number 1 to 65536"),
        "density": (1.5, r"--density 1.5: wanted a number above 0, to 1"),
        "epochs": (-1, "--epochs -1: wanted a whole number 0 to 1e6"),
        "method": (
            "zip",
            "--method zip: wanted 'escalate', '",
        ),
    }
    for name, (value, message) in cases.items():
        with pytest.raises(DecompositionError, match=message):
            options_of({name: value})
    with pytest.raises(DecompositionError, match="density and threshold are both given"):
        options_of({"density": 0.2, "threshold": 0.1})
    assert options_of({"basis": None}).basis is None


def test_folders_of_images_with_and_without_a_split(tmp_path):
    for part, count in (("train", 3), ("val", 2)):
        for index in range(count):
            path = tmp_path / "split" / part / str(index % 2) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9), (40 * index, 80, 120)).save(path)
    train, test, apart = Data(str(tmp_path / "split"), size=(8, 8)).read()
    assert (len(train.pixels), len(test.pixels), apart) == (3, 2, True)
    train, test, apart = Data(str(tmp_path / "split" / "val"), size=(8, 8), limit=1).read()
    assert (len(train.pixels), len(test.pixels), apart) == (1, 2, False)
    (tmp_path / "test_batch").touch()
    assert Data(str(tmp_path)).name == f"cifar10:{tmp_path}"
    assert Data(str(tmp_path)).settings().size == (32, 32)


def test_unlabelled_images_calibrate_but_do_not_retrain(tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.ReLU())
    data = Data("photos", size=(8, 8))
    with pytest.raises(DataError, match="photos: no labels to retrain with"):
        compress(module, data=data, out=tmp_path / "out")
    made = compress(module, data=data, out=tmp_path / "out", epochs=0)
    assert (made.original.accuracy, made.compressed.accuracy) == (None, None)
    assert made.notes[0] == "accuracy on the very images that calibrated the network"


def test_the_listed_digits_network_is_the_one_that_is_built():
    captured = capture(build("digits_cnn", 0), torch.zeros(1, 1, 8, 8), "digits_cnn")
    nodes = captured.graph.convs
    assert tuple(node.layer for node in nodes) == DIGITS_CNN.shapes
    for node, entry in zip(nodes, DIGITS_CNN.layers, strict=True):
        assert captured.graph.producers(node.inputs[0]) == entry.producers
    assert captured.original_parameters == DIGITS_CNN.parameters
