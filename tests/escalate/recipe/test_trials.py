"""Trials: what models of one task share is made once, and changes none of them."""

import numpy as np
import pytest

from escalate.compressors.compressor import Task
from escalate.recipe import trials as trials_module
from escalate.recipe.integers import integers_of
from escalate.recipe.options import compress_options
from escalate.recipe.trials import Trials, quantized
from escalate.store import model_file
from escalate.train.calibrate import calibrate
from escalate.train.modules import float_module
from escalate.train.pruning import PrunedConvolution
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    with_random_weights,
)

NETWORK = with_random_weights(every_operator(), seed=7)
PIXELS = random_pixels(NETWORK.graph, 140)
IMAGE = SETTINGS.quantizer(PIXELS)
SPARSE, DENSE = (compress_options(method="prune", density=d, epochs=0) for d in (0.2, 0.6))


def task(images=140):
    return Task(NETWORK, IMAGE, PIXELS[:images], float_module(NETWORK))


@pytest.fixture
def made(monkeypatch):
    """Every module that is made: density and number of images."""
    found = []

    def counted(task, options, costs):
        found.append((options.density, len(task.pixels)))
        return quantized(task, options, costs)

    monkeypatch.setattr(trials_module, "quantized", counted)
    return found


def size(options, images):
    some = task(images)
    return model_file.packed_size(integers_of(quantized(some, options), IMAGE, options, {}))


def test_a_size_is_measured_once_for_the_same_options_and_images(made):
    trials = Trials(task(), {})
    asked = [(SPARSE, 64), (DENSE, 64), (SPARSE, 64), (SPARSE, None), (DENSE, 64)]
    found = [trials.size(*each) for each in asked]
    assert made == [(0.2, 64), (0.6, 64), (0.2, 140)]
    assert found == [size(options, images or 140) for options, images in asked]


def test_what_was_measured_last_on_all_images_is_not_made_again(made):
    trials = Trials(task(), {})
    trials.size(SPARSE, None)
    module = trials.module(SPARSE)
    again = trials.module(SPARSE)  # the first may have been retrained since
    assert made == [(0.2, 140)] * 2
    assert again is not module
    for name, span in module.ranges.items():
        assert again.ranges[name] == span


def test_a_retrained_model_does_not_start_from_an_eased_measurement(made):
    trials = Trials(task(), {})
    eased = compress_options(method="prune", density=0.2, epochs=2, ramp=0.5)
    assert trials.size(eased, None) == size(SPARSE, 140)
    module = trials.module(eased)
    assert made == [(0.2, 140)] * 2
    masks = [each.mask for each in module.modules() if isinstance(each, PrunedConvolution)]
    assert all(mask.all() for mask in masks), "nothing is dropped yet"


@pytest.mark.parametrize("images", [100, 128, 140])
def test_ranges_are_those_of_the_matched_network(images):
    """Up to a batch of images are looked at while matching; more are looked at afterwards."""
    some = task(images)
    module = quantized(some, SPARSE)
    wanted = calibrate(module.with_ranges(None), IMAGE, some.pixels, SPARSE.calibration)
    assert module.ranges == wanted


def test_moments_are_those_of_the_tasks_own_images():
    whole, some = task(), task().first(10)
    assert len(some.pixels) == 10
    assert whole.first(None).pixels.shape == whole.pixels.shape
    for name, (_deviation, mean) in some.output_moments.items():
        assert not np.allclose(mean, whole.output_moments[name].mean)
