"""The cache of sensitivities: the same numbers from disk, asked anew when anything differs."""

import numpy as np
import pytest

from escalate.train import fisher_cache
from escalate.train.fisher import Asked, fisher
from escalate.train.fisher_cache import cached_fisher, folder
from escalate.train.modules import float_module
from tests.escalate.small_networks import TINY_SETTINGS, bright_corner, tiny, with_random_weights

PIXELS, LABELS = bright_corner(32)
IMAGE = TINY_SETTINGS.quantizer(PIXELS)
MODULE = float_module(with_random_weights(tiny(), seed=4))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ESCALATE_CACHE", str(tmp_path))


@pytest.fixture
def calls(monkeypatch):
    made = []

    def counted(*arguments):
        made.append(arguments)
        return fisher(*arguments)

    monkeypatch.setattr(fisher_cache, "fisher", counted)
    return made


def ask(module=MODULE, pixels=PIXELS, kind="model", labels=None, seed=0):
    return cached_fisher(module, IMAGE, pixels, Asked(kind, seed=seed), labels)


def equal(left, right):
    assert list(left) == list(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], strict=True)


def test_the_second_answer_is_read_and_is_the_first(calls):
    first, second = ask(), ask()
    assert len(calls) == 1
    equal(first, second)
    exact = fisher(MODULE, IMAGE, PIXELS, Asked())
    for name in exact:
        np.testing.assert_allclose(first[name], exact[name], rtol=1e-6)


def test_another_question_is_asked(calls):
    other = float_module(with_random_weights(tiny(), seed=5))
    ask()
    ask(other)
    ask(pixels=PIXELS[:16])
    ask(seed=1)
    ask(kind="labels", labels=LABELS)
    ask(kind="labels", labels=(LABELS + 1) % 3)
    assert len(calls) == 6
    ask(labels=LABELS)  # which do not matter here
    assert len(calls) == 6


def test_a_torn_file_is_made_anew(calls):
    first = ask()
    (path,) = folder().glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    equal(ask(), first)
    assert len(calls) == 2
    assert path.stat().st_size > 50


def test_a_folder_that_cannot_be_written_costs_time_only(calls, tmp_path):
    (tmp_path / "fisher").write_text("in the way")
    equal(ask(), ask())
    assert len(calls) == 2


def test_the_oldest_go(monkeypatch):
    monkeypatch.setattr(fisher_cache, "MOST_FILES", 2)
    for seed in range(4):
        ask(seed=seed)
    assert len(list(folder().iterdir())) == 2
