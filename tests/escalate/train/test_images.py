"""Image settings: the input's grid covers the pixels, and bad images are refused."""

import numpy as np
import pytest

from escalate.errors import DataError
from escalate.train.images import ImageSettings, check_images, image_tensor
from tests.escalate.small_networks import SETTINGS, TINY_SETTINGS, every_operator, random_pixels


def test_a_network_that_sees_no_negative_pixel_gets_an_unsigned_input():
    pixels = np.array([[[[0, 100], [200, 250]]]], np.uint8)
    image = ImageSettings(1 / 255, (0.0,), (0.5,), (2, 2)).quantizer(pixels)
    assert (image.low, image.high) == (0, 255)
    assert image.scale == pytest.approx(250 / 255 / 0.5 / 255)


def test_a_centred_input_is_signed_and_nothing_is_clipped():
    pixels = random_pixels(every_operator(), 20)
    image = SETTINGS.quantizer(pixels)
    assert (image.low, image.high) == (-127, 127)
    mean, std = (np.array(v)[:, None, None] for v in (SETTINGS.mean, SETTINGS.std))
    exact = (pixels / 255 - mean) / std
    found = image_tensor(image, pixels).numpy()
    assert np.abs(found - exact).max() <= image.scale / 2 * (1 + 1e-5)


def test_means_and_deviations_come_in_pairs():
    with pytest.raises(DataError, match="2 means and 1 standard deviations"):
        ImageSettings(1 / 255, (0.0, 0.0), (1.0,), (2, 2))


@pytest.mark.parametrize(("scale", "std"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_scales_must_be_positive(scale, std):
    with pytest.raises(DataError, match=r"pixel scale .* and std .*, wanted > 0"):
        ImageSettings(scale, (0.0,), (std,), (2, 2))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 1, 6, 6), np.float32),
        np.zeros((2, 3, 6, 6), np.uint8),
        np.zeros((0, 1, 6, 6), np.uint8),
        np.zeros((6, 6), np.uint8),
    ],
)
def test_pixels_of_another_type_or_shape_are_refused(pixels):
    with pytest.raises(DataError, match=r"pixels are .*, wanted uint8 \(N, 1, 6, 6\), N >= 1"):
        TINY_SETTINGS.quantizer(pixels)


def test_labels_of_another_length_or_type_are_refused():
    pixels = np.zeros((2, 1, 6, 6), np.uint8)
    for labels in (np.zeros(3, int), np.zeros(2)):
        with pytest.raises(DataError, match=r"labels are .*, wanted integers \(2,\)"):
            check_images(pixels, (1, 6, 6), labels)
