"""Do the measured divergence and the reference curve belong on one axis?"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.fronts.reference import IMAGES, LEAST, Reference
from escalate.app.job import prepare
from escalate.app.recipe import options_of
from escalate.app.scores import divergence
from escalate.train.fisher import Asked, fisher
from escalate.train.images import image_tensor
from escalate.train.modules import float_module
from tests.escalate.app import tiny as tiny_module

NETWORK = f"{tiny_module.__file__}:tiny"
DRAWS = 60
CLOSE = 0.15  # of a mean of so many draws, and of what is beyond the second order


@pytest.fixture(scope="module")
def job():
    return prepare(NETWORK, None, Data("digits", limit=64), 0, "cpu")


@pytest.fixture(scope="module")
def costs(job):
    image = job.settings.quantizer(job.train.pixels)
    pixels = Reference(job).images.pixels
    with one_thread():
        return fisher(float_module(job.network), image, pixels, Asked("model"))


def test_small_errors_cost_half_their_weighted_squares(job, costs):
    """Errors of random signs, so that what the diagonal leaves out averages to nothing."""
    random = np.random.default_rng(0)
    images = image_tensor(job.settings.quantizer(job.train.pixels), Reference(job).images.pixels)

    def logits(network):
        with torch.no_grad():
            return float_module(network)(images).double().numpy()

    plain, measured, told = logits(job.network), [], []
    with one_thread():
        for _ in range(DRAWS):
            moves = {
                name: 0.02 * np.abs(weights).mean() * random.choice([-1.0, 1.0], weights.shape)
                for name, weights in job.network.weights.items()
            }
            moved = {n: (w + moves[n]).astype(np.float32) for n, w in job.network.weights.items()}
            measured.append(divergence(logits(replace(job.network, weights=moved)), plain))
            told.append(sum((costs[n] * moves[n] ** 2).sum() for n in moves) / 2)
    assert np.mean(measured) == pytest.approx(np.mean(told), rel=CLOSE)


def test_the_curve_ends_where_no_weight_is_left(job, costs):
    with one_thread():
        curve = list(Reference(job).curve())
    most = sum(
        (cost * (job.network.weights[n].astype(float) ** 2).mean((1, 2, 3), keepdims=True)).sum()
        for n, cost in costs.items()
    )
    assert curve[0][1] == pytest.approx(LEAST * most / 2)
    assert all(height < most / 2 for _, height in curve)
    assert curve[-1][0] < 0.1 * curve[0][0]


def test_the_plain_network_moves_little_and_the_few_images_are_the_first(job):
    reference = Reference(job)
    assert len(reference.images.pixels) == IMAGES
    np.testing.assert_array_equal(reference.images.pixels, job.test.pixels[:IMAGES])
    with one_thread():
        plain = job.integers(options_of({"method": "int8"}))
        coarse = job.integers(options_of({"method": "rate_distortion", "clusters": 2}))
        assert 0 <= reference.divergence(plain) < reference.divergence(coarse)
