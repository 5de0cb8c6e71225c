"""Do the loaders give the images as they are, and name every file that is not one?"""

import pickle
import re

import numpy as np
import pytest
from PIL import Image

from workloads.errors import WorkloadError
from workloads.load import Images, cifar10, digits, image_folder, photos


def test_digits_are_split_by_class():
    train, test = digits("train"), digits("test")
    assert train.pixels.dtype == test.pixels.dtype == np.uint8
    assert train.classes == tuple("0123456789")
    for label in range(10):
        ours, theirs = (test.labels == label).sum(), (train.labels == label).sum()
        assert abs(ours / (ours + theirs) - 0.2) < 0.005
    both = np.concatenate([train.pixels, test.pixels]).reshape(-1, 64)
    assert len(both) == 1797
    assert both.sum() == 1797 * 64 * 4.884164579855314
    again = digits("test")
    np.testing.assert_array_equal(again.pixels, test.pixels)
    assert not np.array_equal(digits("test", seed=1).pixels, test.pixels)


def test_photos_are_the_photographs():
    images = photos()
    assert images.labels is None
    assert images.pixels[0, :, 0, 0].tolist() == [174, 201, 231]


def picture(path, size=(20, 16), colour=(200, 100, 50), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)


def test_a_flat_folder_has_no_labels(tmp_path):
    picture(tmp_path / "b.png", colour=(1, 2, 3))
    picture(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("not an image")
    images = image_folder(tmp_path, (8, 6))
    assert images.pixels.shape == (2, 3, 8, 6)
    assert images.labels is None
    assert images.pixels[:, :, 4, 3].tolist() == [[200, 100, 50], [1, 2, 3]]
    assert images.source == str(tmp_path)


def test_class_folders_give_labels(tmp_path):
    picture(tmp_path / "dog" / "x" / "1.jpg")
    picture(tmp_path / "cat" / "2.PNG", mode="L")
    picture(tmp_path / "cat" / "1.png", mode="RGBA")
    images = image_folder(tmp_path, (8, 8))
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1]


def test_pictures_of_the_wanted_size_are_taken_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = image_folder(tmp_path, (6, 9)).pixels[0]
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))


def test_the_centre_of_a_larger_picture_is_cut_out(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 40)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = image_folder(tmp_path, (14, 14), channels=1).pixels[0, 0]
    np.testing.assert_array_equal(found, pixels[1:15, 13:27])


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_any_picture_covers_any_crop(tmp_path, size):
    picture(tmp_path / "a.png", size=size)
    assert image_folder(tmp_path, (9, 13)).pixels[0, 0].tolist() == [[200] * 13] * 9


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(WorkloadError, match=r"gone: no such folder"):
        image_folder(tmp_path / "gone", (8, 8))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(WorkloadError, match=re.escape(f"{tmp_path}: holds no image (.bmp, ")):
        image_folder(tmp_path, (8, 8))
    picture(tmp_path / "loose.png")
    with pytest.raises(WorkloadError, match="channels is 2, wanted 1 or 3"):
        image_folder(tmp_path, (8, 8), channels=2)
    picture(tmp_path / "cat" / "a.png")
    with pytest.raises(WorkloadError, match=r"loose\.png: an image beside the class folders"):
        image_folder(tmp_path, (8, 8))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_bad_pictures_are_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(WorkloadError, match=r"a\.png: cannot be read as an image: "):
        image_folder(tmp_path, (8, 8))


def test_torn_pictures_are_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    for name in ("a.png", "a.jpg"):
        path = tmp_path / name
        Image.fromarray(pixels).save(path)
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(WorkloadError, match=r"cannot be read as an image: .*truncated"):
            image_folder(tmp_path, (8, 8))
        path.unlink()


def cifar_batch(path, count=3, protocol=2, **changes):
    rng = np.random.default_rng(count)
    data = rng.integers(0, 256, (count, 3072)).astype(np.uint8)
    entries = {"data": data, "labels": list(range(count)), "batch_label": "a batch"} | changes
    path.write_bytes(pickle.dumps({k.encode(): v for k, v in entries.items()}, protocol))
    return entries["data"]


@pytest.mark.parametrize("protocol", range(6))
def test_cifar_batches_of_every_pickle_protocol(tmp_path, protocol):
    first = cifar_batch(tmp_path / "data_batch_1", 3, protocol)
    third = cifar_batch(tmp_path / "data_batch_3", 2, protocol)
    cifar_batch(tmp_path / "test_batch", 1, protocol)
    images = cifar10(tmp_path, "train")
    np.testing.assert_array_equal(
        images.pixels, np.concatenate([first, third]).reshape(-1, 3, 32, 32)
    )
    assert images.labels.tolist() == [0, 1, 2, 0, 1]
    assert images.classes == tuple("0123456789")
    assert "data_batch_1, data_batch_3" in images.source
    assert len(cifar10(tmp_path, "test").pixels) == 1


def test_cifar_classes_have_names(tmp_path):
    cifar_batch(tmp_path / "test_batch")
    names = [b"airplane", b"automobile", "bird"]
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 2))
    assert cifar10(tmp_path, "test").classes == ("airplane", "automobile", "bird")
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({}, 2))
    with pytest.raises(WorkloadError, match=r"batches\.meta: label_names is no list"):
        cifar10(tmp_path, "test")


BAD_BATCHES = {
    "no array": ({"data": [1, 2]}, r"test_batch: data is list, wanted uint8 \(N, 3072\)"),
    "shape": ({"data": np.zeros((3, 3071), np.uint8)}, r"data is uint8 \(3, 3071\), wanted"),
    "type": ({"data": np.zeros((3, 3072), np.int64)}, r"data is int64 \(3, 3072\), wanted"),
    "objects": (
        {"data": np.zeros(3, object)},
        r"cannot be read as a plain pickle: UnpicklingError: an array of type \|O8",
    ),
    "few labels": ({"labels": [1]}, "labels is no list of 3 integers"),
    "word labels": ({"labels": ["a", "b", "c"]}, "labels is no list of 3 integers"),
    "large labels": (
        {"labels": [0, 1, 10]},
        r"cifar10:test .*: labels run from 0 to 10, there are 10 classes",
    ),
    "code": (
        {"batch_label": re.compile("x")},
        r"UnpicklingError: re\._compile is needed, which is refused",
    ),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_bad_cifar_batches_are_named(tmp_path, case):
    changes, message = BAD_BATCHES[case]
    cifar_batch(tmp_path / "test_batch", **changes)
    with pytest.raises(WorkloadError, match=message) as caught:
        cifar10(tmp_path, "test")
    assert "\n" not in str(caught.value)


def test_a_missing_split_is_named(tmp_path):
    cifar_batch(tmp_path / "test_batch")
    with pytest.raises(WorkloadError, match="no CIFAR-10 train batch, wanted data_batch_1 or"):
        cifar10(tmp_path, "train")


def test_something_else_than_a_dictionary_is_named(tmp_path):
    (tmp_path / "test_batch").write_bytes(pickle.dumps([1]))
    with pytest.raises(WorkloadError, match="test_batch: holds a list, wanted a dictionary"):
        cifar10(tmp_path, "test")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pixels", np.zeros((1, 2, 2), np.uint8), r"pixels are uint8 \(1, 2, 2\), wanted uint8"),
        ("pixels", np.zeros((0, 1, 2, 2), np.uint8), r"pixels are .*with N >= 1"),
        ("pixels", np.zeros((2, 1, 2, 2)), "pixels are float64"),
        ("labels", np.zeros(3, np.int64), r"labels are int64 \(3,\), wanted int64 \(2,\)"),
        ("labels", np.zeros(2, np.int32), r"labels are int32 \(2,\), wanted"),
        ("labels", np.array([0, -1]), "labels run from -1 to 0, there are 1 classes"),
    ],
)
def test_images_refuse_nonsense(field, value, message):
    fields = {"pixels": np.zeros((2, 1, 2, 2), np.uint8), "labels": np.zeros(2, np.int64)}
    fields[field] = value
    with pytest.raises(WorkloadError, match=f"here: {message}"):
        Images(**fields, source="here", classes=("a",))
