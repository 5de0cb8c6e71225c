"""Are images counted by the integers that are stored, and are missing labels named?"""

import numpy as np
import pytest
from PIL import Image

from escalate.app.score import score
from escalate.errors import DataError
from escalate.integers import integer
from escalate.store.model_file import bytes_on_disk, load
from workloads import load as data


def test_each_form_is_held_against_the_labels(compressed):
    rows = score(compressed.folder, count=40)
    assert [row["form"] for row in rows] == ["compressed", "int8"]
    digits = data.digits("test")
    for row, folder in zip(rows, (compressed.folder, compressed.folder / "int8"), strict=True):
        logits = integer.predict(load(folder), digits.pixels[:40])
        assert row["correct"] == (logits.argmax(axis=1) == digits.labels[:40]).sum()
        assert row["accuracy"] == row["correct"] / 40
        assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
        assert row["stored_bytes"] == bytes_on_disk(folder)


def test_all_images_by_default(compressed):
    assert score(compressed.folder)[0]["images"] == len(data.digits("test").labels)


def test_images_without_labels_are_refused(compressed, tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="no labels"):
        score(compressed.folder, str(tmp_path))
