"""Does a reader that was written from docs/format.md find the integers that ours finds?"""

import re
from pathlib import Path

import numpy as np
import pytest

from escalate.recipe.integers import stored_in
from escalate.store.manifest import Entry, Image, Kernel, Manifest
from escalate.store.model_file import load, save
from tests.reference.model_reader import Bytes, integers, read
from tests.workloads.models import every_operator, random_integers
from workloads.formats import FORMATS, numbers

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")


@pytest.mark.parametrize("coding", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_every_array_of_every_form_is_the_same(tmp_path, coding, seed):
    model = random_integers(np.random.default_rng(seed), every_operator())
    save(stored_in(model, coding), tmp_path)
    ours, (theirs, manifest) = load(tmp_path), read(tmp_path)
    assert [node["name"] for node in manifest["nodes"]] == [n.name for n in ours.graph.nodes]
    assert theirs.keys() == ours.weights.keys()
    for name, layer in ours.weights.items():
        arrays = {each: getattr(layer, each) for each in ("weights", "basis", "coefficients")}
        arrays |= {"alpha": layer.alpha, "multiplier": ours.convs[name].requantizer.multiplier}
        arrays["bias"] = ours.convs[name].requantizer.bias
        wanted = {
            each: array.ravel().tolist() for each, array in arrays.items() if array is not None
        }
        assert theirs[name] == wanted


def arrays():
    """Numbers that take each of the five forms."""
    rng = np.random.default_rng(0)
    pruned = rng.integers(-90, 90, (40, 40)) * (rng.random((40, 40)) < 0.05)
    blocks = rng.integers(-90, 90, (32, 64)) * np.repeat(rng.random((32, 4)) < 0.3, 16, axis=1)
    return {
        "packed": rng.integers(-9, 9, 20) * 4,
        "coded": np.rint(rng.normal(0, 3, 2000)).astype(int) + 40,
        "sparse": pruned,
        "listed": rng.choice([-1000, 3, 70000], 600),
        "blocks": blocks,
        "columns": np.ascontiguousarray(blocks.T),
        "alike": np.full(300, -7),
    }


@pytest.mark.parametrize("name", arrays())
def test_every_form_of_whole_numbers_is_read(name):
    values = arrays()[name]
    payload = numbers.encode(values)
    data = Bytes(payload.tobytes())
    assert integers(data, values.size) == values.ravel().tolist()
    assert data.place == payload.size
    first = {"sparse": 254, "listed": 253, "blocks": 252, "columns": 252, "coded": 255}
    assert payload[0] == first.get(name, payload[0])


@pytest.mark.parametrize("part", [Manifest, Entry, Kernel, Image])
def test_the_page_names_every_field_of_the_manifest(part):
    told = set(re.findall(r"`(\w+)`", PAGE))
    assert set(part.model_fields) <= told
    assert set(FORMATS) <= told
