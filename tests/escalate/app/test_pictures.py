"""Pictures to learn from and others to compress: which, in what order, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from escalate.app.pictures import SIDE, read_pictures, tiled
from escalate.errors import DataError
from workloads.load import photos


def save(folder, count, side=SIDE):
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (side, side), (number, 0, 0)).save(folder / f"{number:02d}.png")


def test_photographs_are_apart():
    found = read_pictures("photos", count=2)
    first, second = photos().pixels
    np.testing.assert_array_equal(found.train[0], first)
    np.testing.assert_array_equal(found.test[1], second[:, :256, 256:512])


def test_the_last_fifth_of_a_folder_is_compressed(tmp_path):
    save(tmp_path / "mine", 11)
    found = read_pictures(str(tmp_path / "mine"), count=3, limit=4)
    assert found.train[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert found.test[:, 0, 0, 0].tolist() == [8, 9, 10]
    with pytest.raises(DataError, match="mine: has 3 pictures to compress, 4 were asked for"):
        read_pictures(str(tmp_path / "mine"), count=4)


def test_a_folder_that_is_split(tmp_path):
    (tmp_path / "mine").mkdir()
    save(tmp_path / "mine" / "train", 2)
    save(tmp_path / "mine" / "val", 4)
    found = read_pictures(str(tmp_path / "mine"), count=1, mosaic=2)
    assert found.train.shape == (2, 3, SIDE, SIDE)
    assert found.test.shape == (1, 3, 2 * SIDE, 2 * SIDE)
    assert found.test[0, 0, ::SIDE, ::SIDE].tolist() == [[0, 1], [2, 3]]


def test_mosaics_hold_every_pixel_once():
    pixels = np.arange(8 * 3 * 4 * 4, dtype=np.uint16).reshape(8, 3, 4, 4)
    found = tiled(pixels, 2)
    assert found.shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(found[1, :, 4:, :4], pixels[6])
    assert np.unique(found).size == pixels.size


def test_what_is_refused(tmp_path):
    with pytest.raises(DataError, match="digits: grey, wanted pictures in colour"):
        read_pictures("digits")
    save(tmp_path / "one", 1)
    with pytest.raises(DataError, match="one: has 1 picture, wanted one more"):
        read_pictures(str(tmp_path / "one"))
    with pytest.raises(ValueError, match="gone: no such folder"):
        read_pictures(str(tmp_path / "gone"))
    for wrong in ({"count": 0}, {"mosaic": 0}, {"limit": 0}):
        with pytest.raises(DataError, match="wanted 1"):
            read_pictures("photos", **wrong)
