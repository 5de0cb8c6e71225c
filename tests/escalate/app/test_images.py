"""Do images arrive as they are stored, and is everything else refused by name?"""

import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from escalate.app.images import canonical, kind, located, read_images
from escalate.app.labels import Classes
from escalate.errors import DataError
from workloads.errors import WorkloadError
from workloads.integer import ImageQuantizer
from workloads.load import digits


def picture(path, colour, size=(12, 10), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_digits_are_split_and_complete():
    train = read_images("digits", 1, (8, 8), split="train")
    test = read_images("digits", 1, (8, 8))
    assert len(train.pixels) + len(test.pixels) == len(load_digits().images)
    assert (test.pixels == digits("test").pixels).all()
    assert (test.labels == digits("test").labels).all()
    assert (test.pixels.dtype, test.pixels.max(), test.pixel_scale) == (np.uint8, 16, 1 / 16)


def test_digits_in_the_unit_and_size_of_another_network():
    image = ImageQuantizer(1 / 255, (0.0,) * 3, (1.0,) * 3, 1 / 255, 0, 255, (32, 32))
    images = read_images("digits", 3, (32, 32), count=2)
    assert images.pixels.shape == (2, 3, 32, 32)
    assert images.pixels.max() <= 16
    seen = images.seen_by(image)
    assert seen.max() == pytest.approx(int(images.pixels.max()) * 255 / 16)
    own = ImageQuantizer(1 / 16, (0.0,), (1.0,), 1 / 16, 0, 255, (8, 8))
    assert images.seen_by(own) is images.pixels


def test_photos():
    images = read_images("photos", 3, (64, 48))
    assert (images.pixels.shape, images.labels) == ((2, 3, 64, 48), None)
    assert images.pixels.std() > 30
    assert read_images("photos", 1, (64, 48)).pixels.shape == (2, 1, 64, 48)


def test_a_flat_folder_in_order_of_name_keeps_fitting_pixels(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    for name, array in zip(("b.png", "a.PNG"), pixels, strict=True):
        Image.fromarray(array).save(tmp_path / name, format="png")
    (tmp_path / "notes.txt").write_text("no image")
    images = read_images(str(tmp_path), 3, (6, 5))
    assert (images.pixels.transpose(0, 2, 3, 1) == pixels[::-1]).all()
    assert images.labels is None
    assert images.pixel_scale == 1 / 255
    with pytest.raises(DataError, match="no labels; wanted one subfolder per class"):
        images.known_labels()


def test_the_centre_of_a_larger_image_is_taken(tmp_path):
    array = np.zeros((32, 96, 3), np.uint8)
    array[:, 32:64] = 200
    Image.fromarray(array).save(tmp_path / "wide.png")
    pixels = read_images(str(tmp_path), 3, (28, 28)).pixels
    assert (pixels == 200).all()


def test_classes_from_subfolders_and_from_a_table(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "ant/1.png"):
        picture(tmp_path / "tree" / name, "red")
    assert read_images(str(tmp_path / "tree"), 3, (8, 8)).known_labels().tolist() == [0, 1, 1]
    for name in ("x.png", "y.png"):
        picture(tmp_path / "flat" / name, "red")
    table = tmp_path / "flat" / "labels.csv"
    table.write_text("file,class index,name\ny.png,7,seven\nx.png,3,three\n")
    images = read_images(str(tmp_path / "flat"), 3, (8, 8), count=1)
    assert images.labels.tolist() == [3]
    table.write_text("file,class index\nx.png,3\n")
    with pytest.raises(DataError, match=r"labels.csv: has no class for y.png"):
        read_images(str(tmp_path / "flat"), 3, (8, 8))
    table.write_text("file,class index\nx.png,cat\n")
    with pytest.raises(
        DataError, match=r"labels.csv: 'x.png,cat': wanted file and a class_index 0.."
    ):
        read_images(str(tmp_path / "flat"), 3, (8, 8))


def cifar(folder, name="test_batch", count=4, **changes):
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
    entries = {b"data": data, b"labels": list(range(count)), b"batch_label": b"x"}
    entries |= {key.encode(): value for key, value in changes.items()}
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(entries, protocol=2))
    return data


def test_cifar10(tmp_path):
    data = cifar(tmp_path)
    for batch in (1, 3):
        cifar(tmp_path, f"data_batch_{batch}", count=2)
    test = read_images(f"cifar10:{tmp_path}", 3, (32, 32))
    assert (test.pixels == data.reshape(-1, 3, 32, 32)).all()
    assert test.labels.tolist() == [0, 1, 2, 3]
    train = read_images(str(tmp_path), 3, (32, 32), split="train")
    assert (train.name, train.pixel_scale) == (f"cifar10:{tmp_path}", 1 / 255)
    assert train.labels.tolist() == [0, 1, 0, 1]


def test_kinds_of_images():
    words = ["digits", "photos", "cifar10:a/b", "a/b"]
    assert [kind(word) for word in words] == ["digits", "photos", "cifar10", "folder"]


@pytest.mark.parametrize("word", ["digits", "photos"])
def test_a_folder_of_a_bundled_name_stays_a_folder(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    assert canonical(word) == word
    (tmp_path / word).mkdir()
    (tmp_path / word / "notes.txt").touch()
    assert canonical(word) == word  # a folder without images, such as a compressed model
    assert canonical(f"./{word}") == f"folder:{tmp_path / word}"
    picture(tmp_path / word / "val" / "cat" / "1.png", "red")
    assert canonical(word) == canonical(f"{word}/") == f"folder:{tmp_path / word}"
    assert canonical(f"sklearn:{word}") == word
    assert located(word) == word  # as a model keeps it
    assert located(canonical(word)) == canonical(word)


def test_names_are_kept_in_full(tmp_path, monkeypatch):
    cifar(tmp_path / "batches")
    monkeypatch.chdir(tmp_path)
    names = [canonical(word) for word in ("mine", "cifar10:batches", "batches", "cifar10")]
    here = str(tmp_path)
    assert names == [
        f"folder:{here}/mine",
        f"cifar10:{here}/batches",
        f"cifar10:{here}/batches",
        f"folder:{here}/cifar10",
    ]
    for empty in ("", "  "):
        with pytest.raises(DataError, match="an empty name, wanted digits, photos, cifar10:DIR or"):
            canonical(empty)


def test_of_a_folder_that_is_split_each_command_looks_at_its_part(tmp_path):
    for part, red in (("train", 10), ("val", 200)):
        for name in ("ant", "bee"):
            picture(tmp_path / part / name / "1.png", (red, 0, 0), (8, 8))
    for split, red in (("train", 10), ("test", 200)):
        images = read_images(str(tmp_path), 3, (8, 8), split=split, classes=Classes(2))
        assert (images.pixels[:, 0] == red).all()
        assert images.labels.tolist() == [0, 1]
        assert images.classes == ("ant", "bee")
    (tmp_path / "val").rename(tmp_path / "test")
    with pytest.raises(DataError, match="has train and test in it, wanted train and val"):
        read_images(str(tmp_path), 3, (8, 8))


@pytest.mark.parametrize(
    ("crop", "resize", "shape"),
    [
        (224, None, (256, 341)),
        (227, None, (256, 341)),
        (227, 259, (259, 345)),
        (28, None, (32, 42)),
    ],
)
def test_the_short_side_is_scaled_and_the_centre_taken(tmp_path, crop, resize, shape):
    rng = np.random.default_rng(0)
    whole = Image.fromarray(rng.integers(0, 256, (300, 400, 3)).astype(np.uint8))
    whole.save(tmp_path / "1.png")
    high, wide = shape
    scaled = np.asarray(whole.resize((wide, high), Image.Resampling.BILINEAR))
    top, left = round((high - crop) / 2), round((wide - crop) / 2)
    wanted = scaled[top : top + crop, left : left + crop].transpose(2, 0, 1)
    found = read_images(str(tmp_path), 3, (crop, crop), resize=resize)
    np.testing.assert_array_equal(found.pixels[0], wanted)
    assert found.fitted == f"short side to {high}, centre {crop} x {crop}"


def test_refused_folders_and_counts(tmp_path):
    with pytest.raises(DataError, match="no such folder of images; also understood are digits"):
        read_images(str(tmp_path / "gone"), 3, (8, 8))
    with pytest.raises(DataError, match="holds no image"):
        read_images(str(tmp_path), 3, (8, 8))
    with pytest.raises(WorkloadError, match="holds no CIFAR-10 test batch"):
        read_images(f"cifar10:{tmp_path}", 3, (32, 32))
    picture(tmp_path / "one.png", "blue")
    with pytest.raises(DataError, match="holds 1 images, 2 were asked for"):
        read_images(str(tmp_path), 3, (8, 8), count=2)
    with pytest.raises(DataError, match="count is 0, wanted at least 1"):
        read_images("digits", 1, (8, 8), count=0)
    with pytest.raises(DataError, match="wants 4 channels, allowed are 1 and 3"):
        read_images("digits", 4, (8, 8))
