"""Does every command look at the same pictures in the same way, with the same classes?"""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.fed_images import fed_images
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.score import score
from escalate.app.simulate import run_source
from escalate.app.sources import ModelSource
from escalate.app.verify import verify
from escalate.errors import CheckpointError, DataError
from escalate.store import model_file
from reports.table import run_notes
from tests.escalate.app.tiny import tiny
from workloads.load import digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ORDER = sorted(WORDS)  # in which as many class folders as outputs are numbered
SIGHT = {"size": (8, 8), "mean": (0.0,), "std": (127.5,), "units": 255}


def pictures(folder, split, each, names=WORDS):
    """So many handwritten digits of each class, in a folder per class."""
    found = digits(split)
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number, place in enumerate(np.flatnonzero(found.labels == label)[:each]):
            grey = (found.pixels[place, 0].astype(int) * 255 // 16).astype(np.uint8)
            Image.fromarray(grey).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    pictures(folder / "train", "train", 3)
    pictures(folder / "val", "test", 2)
    return folder


@pytest.fixture(scope="module")
def made(split, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "model"
    return compress(tiny(), data=Data(str(split), **SIGHT), out=out, epochs=0)


def source(folder):
    return ModelSource("made", folder)


def labels(folder, asked=None, classes=None):
    return fed_images(source(folder), model_file.load(folder), asked, None, classes).labels


def test_the_val_part_is_looked_at_by_every_command(made, split):
    rows = score(made.folder)
    assert [row["images"] for row in rows] == [20, 20]
    assert rows[0]["accuracy"] == made.compressed.accuracy
    assert made.images == 20
    found = run_source(source(made.folder), choose("systolic")[0], Feed(count=12))
    assert found.run.provenance["images"] == f"folder:{split}"
    assert found.labels.tolist() == [number // 2 for number in range(12)]
    assert verify(made.folder, choose("systolic")[0], Feed(count=2)).correct is not None
    fed = fed_images(source(made.folder), model_file.load(made.folder), None, 3)
    with Image.open(split / "val" / ORDER[0] / "0.png") as first:
        np.testing.assert_array_equal(fed.pixels[0, 0], np.asarray(first))


def test_the_same_pictures_keep_their_classes_in_every_layout(made, split, tmp_path):
    assert labels(made.folder).tolist() == [number // 2 for number in range(20)]
    some = tmp_path / "some"
    for name in ("two", "nine"):
        shutil.copytree(split / "val" / name, some / name)
    wanted = [ORDER.index(name) for name in ("nine", "nine", "two", "two")]
    assert labels(made.folder, str(some)).tolist() == wanted
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(split / "val" / "two" / "0.png", flat / "x.png")
    (flat / "labels.csv").write_text(f"file,class_index\nx.png,{ORDER.index('two')}\n")
    assert labels(made.folder, str(flat)).tolist() == [ORDER.index("two")]
    names = tmp_path / "names.txt"
    names.write_text("\n".join(WORDS))
    assert labels(made.folder, str(some), str(names)).tolist() == [9, 9, 2, 2]
    names.write_text("\n".join(WORDS[:9]))
    with pytest.raises(DataError, match="9 names of classes, the network has 10 outputs"):
        labels(made.folder, str(some), str(names))


def test_classes_of_unknown_names_are_told_and_never_guessed(made, split, tmp_path):
    (tmp_path / "strange").mkdir()
    shutil.copytree(split / "val" / "two", tmp_path / "strange" / "zwei")
    asked = str(tmp_path / "strange")
    with pytest.raises(DataError, match="zwei: no class of that name in the model"):
        score(made.folder, asked)
    found = run_source(source(made.folder), choose("systolic")[0], Feed(asked))
    assert found.correct is None
    assert any("zwei: no class of that name in the model" in n for n in run_notes(found.run))


@pytest.mark.parametrize("folders", [3, 12])
def test_class_folders_that_are_not_the_outputs_teach_nothing(tmp_path, folders):
    for number in range(folders):
        (tmp_path / "in" / f"{number:02d}").mkdir(parents=True)
        Image.new("L", (8, 8), 20 * number).save(tmp_path / "in" / f"{number:02d}" / "1.png")
    data = Data(str(tmp_path / "in"), **SIGHT)
    told = f"{folders} class folders, the network has 10 outputs; say which is which by --classes"
    with pytest.raises(DataError, match=f"{told} .*: no labels to retrain with"):
        compress(tiny(), data=data, out=tmp_path / "out", epochs=1)
    made = compress(tiny(), data=data, out=tmp_path / "out", epochs=0)
    assert made.compressed.accuracy is None
    assert any(told in note for note in made.notes)
    with pytest.raises(DataError, match=told):
        score(made.folder)


def test_how_pictures_are_seen_is_kept_and_told(made, split, tmp_path):
    assert made.sight == (
        f"folder:{split}, short side to 9, centre 8 x 8; (x - 0) / (0.5), black 0, white 1"
    )
    about = json.loads((made.folder / "provenance.json").read_text())
    assert about["preprocessing"] == {"resize": None}
    assert about["classes"] == ORDER
    data = Data(str(split), resize=11, **SIGHT)
    other = compress(tiny(), data=data, out=tmp_path / "out", epochs=0)
    fed = fed_images(source(other.folder), model_file.load(other.folder), None, 1)
    with Image.open(split / "val" / ORDER[0] / "0.png") as first:
        larger = np.asarray(first.resize((11, 11), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(fed.pixels[0, 0], larger[2:10, 2:10])
    assert fed.fitted == "short side to 11, centre 8 x 8"


def test_units_of_mean_and_deviation(split):
    plain = Data(str(split), size=(8, 8), mean=(0.2,), std=(0.5,)).settings()
    bytes_ = Data(str(split), size=(8, 8), mean=(51.0,), std=(127.5,), units=255).settings()
    assert bytes_ == plain
    assert Data(str(split), mean=(0.0,), std=(1.0,), units=255).settings().std == (1 / 255,)


BAD = [
    ({"mean": (123.68,), "std": (58.4,)}, r"--mean: 123.68, wanted 0..1, in units of 0..1; for pi"),
    ({"mean": (0.4,), "std": (58.4,)}, r"--std: 58.4, wanted 1e-06..1, in units of 0..1; for pix"),
    ({"mean": (300,), "std": (58.4,), "units": 255}, r"--mean: 300, wanted 0..255, in units of 0"),
    ({"mean": (0.5,)}, "--mean and --std go together"),
    ({"units": 255}, "--units 255: goes with --mean and --std"),
    ({"units": 2}, "--units: 2, wanted 1 or 255"),
    ({"size": (8, 100_000)}, r"--crop: 100000, wanted 1..16384"),
    ({"size": (8, 8), "resize": 7}, r"--resize: 7, wanted 8 \(the crop's longer side\)..16384"),
    ({"resize": 10**9}, r"--resize: 1000000000, wanted 224"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_refused_preprocessing(fields, message):
    with pytest.raises(DataError, match=message):
        Data("photos", **fields)


def test_models_that_say_nothing_of_it_are_read_and_told(made, split, tmp_path):
    model = model_file.load(made.folder / "int8")
    about = {k: v for k, v in model.provenance.items() if k not in ("preprocessing", "classes")}
    model_file.save(replace(model, provenance=about), tmp_path / "old")
    assert labels(tmp_path / "old").tolist() == labels(made.folder).tolist()
    run = run_source(source(tmp_path / "old"), choose("systolic")[0], Feed()).run
    assert (
        f"images: folder:{split}, short side to 9, centre 8 x 8, assumed: the model does not say"
        in run_notes(run)
    )


@pytest.mark.parametrize(
    "told",
    [{"preprocessing": {"resize": 3}}, {"preprocessing": {"resize": "9"}}, {"classes": ["a", "b"]},
     {"classes": 10 * ["a"]}, {"classes": 3}],
)  # fmt: skip
def test_what_a_model_cannot_have_kept_is_refused(made, tmp_path, told):
    model = model_file.load(made.folder)
    changed = replace(model, provenance={**model.provenance, **told})
    model_file.save(changed, tmp_path / "changed")
    with pytest.raises(CheckpointError, match=next(iter(told))):
        labels(tmp_path / "changed")
