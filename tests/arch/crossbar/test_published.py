"""Does the machine land where its paper did?  Bands stand in reports/published."""

import numpy as np
import pytest

from arch.crossbar.spec import PRESETS
from escalate.app.validation.crossbar import arrays, checks, convolutions, structured
from reports.publication import rows
from workloads.convolve import convolve
from workloads.layer import ConvLayer

pytestmark = pytest.mark.validation


def test_the_base_that_follows_from_what_was_removed():
    base = {
        row["network"]: float(row["published"]) / (1 - 1 / float(row["ratio"]))
        for row in rows("crossbar.csv")
        if row["quantity"] == "weights removed"
    }
    assert base["vgg16_cifar10"] == pytest.approx(14.47, abs=0.005)
    assert base["resnet18_cifar10"] == pytest.approx(10.99, abs=0.005)


def test_dense_networks_fit_the_published_preset():
    """Crossbars of every layer by hand: strips x columns of tiles x 2 slices x 2 signs."""
    for name, wanted in (("vgg16_cifar10", 7192), ("resnet18_cifar10", 5468)):
        by_hand = sum(
            -(-layer.C * layer.R * layer.S // 128) * -(-layer.K // 64) * 4
            for layer in convolutions(name)
        )
        assert arrays(name, 1.0).crossbars == by_hand == wanted <= PRESETS["published"].crossbars


def test_every_number_is_there_with_its_reason():
    found = list(checks())
    assert [check.verdict for check in found] == ["inside", "reported", "reported"] * 2
    assert all(check.reason for check in found)
    assert all(90 < check.ours < 100 for check in found if check.verdict == "reported")


def test_structured_masks_keep_the_share():
    layer = ConvLayer("conv", C=16, K=100, H=3, W=3, R=3, S=3)
    tensors = structured(layer, 0.25, np.random.default_rng(0))
    matrix = tensors.weights.reshape(100, -1)
    assert np.count_nonzero(matrix.any(axis=1)) == 50
    assert np.count_nonzero(matrix.any(axis=0)) == 72
    assert np.count_nonzero(matrix) == 50 * 72
    assert convolve(tensors).shape == (1, 100, 1, 1)
