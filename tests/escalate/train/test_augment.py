"""Augmented images are the images, mirrored or not and moved, and their seed settles them."""

import itertools

import numpy as np

from escalate.train.augment import REACH, augmented, mixed

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)


def test_every_image_is_a_moved_copy_of_its_own():
    found = augmented(PIXELS, "crop", np.random.default_rng(1))
    reach = 16 // REACH
    padded = np.pad(PIXELS, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
    mirrored = moved = 0
    for image, original in zip(found, padded, strict=True):
        places = itertools.product(range(2 * reach + 1), range(2 * reach + 1), (1, -1))
        matches = [
            (y, x, step)
            for y, x, step in places
            if np.array_equal(image, original[:, y : y + 16, x : x + 16][:, :, ::step])
        ]
        assert len(matches) == 1
        mirrored += matches[0][2] == -1
        moved += matches[0][:2] != (reach, reach)
    assert 5 < mirrored < 35
    assert moved > 20


def test_the_generator_settles_it():
    one, two = (augmented(PIXELS, "crop", np.random.default_rng(s)) for s in (3, 3))
    np.testing.assert_array_equal(one, two)
    other = augmented(PIXELS, "crop", np.random.default_rng(4))
    assert not np.array_equal(one, other)


def test_none_leaves_them_alone():
    assert augmented(PIXELS, "none", np.random.default_rng(0)) is PIXELS


def test_a_mixture_lies_between_its_image_and_the_next_by_its_share():
    found, shares = mixed(PIXELS, np.random.default_rng(2))
    assert found.dtype == np.uint8
    assert shares.dtype == np.float32
    assert 0.5 <= shares.min() < 0.6 < 0.9 < shares.max() <= 1
    for place, share in enumerate(shares.tolist()):
        following = PIXELS[(place + 1) % len(PIXELS)].astype(float)
        wanted = share * PIXELS[place] + (1 - share) * following
        assert np.abs(found[place] - wanted).max() <= 0.501
