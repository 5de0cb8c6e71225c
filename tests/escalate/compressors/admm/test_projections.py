"""Are the projections exact: nothing feasible is nearer, exactly k stay, twice is once?"""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalate.compressors.admm.projections import (
    Levels,
    Structure,
    filter_levels,
    filter_rms,
    nearest_levels,
    to_levels,
)
from escalate.errors import DecompositionError

CLOSE = 1e-9  # sums of some hundred squares of order 1 in another order

seeds = st.integers(0, 2**32 - 1)


def matrix(seed, shape=(4, 4), *, whole=False):
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 3, shape).astype(float) if whole else rng.standard_normal(shape)


def blocks(kind, shape, tile):
    """The cells of every row, column or tile (taps, filters)."""
    rows, columns = shape
    high, wide = {"rows": (1, columns), "columns": (rows, 1), "tiles": tile[::-1]}[kind]
    for i, j in product(range(0, rows, high), range(0, columns, wide)):
        yield slice(i, i + high), slice(j, j + wide)


def project(kind, weights, keep, tile):
    (mask,) = Structure(kind, tile).strongest(weights[None], keep)
    return weights * mask


def off(weights, other):
    return float(np.square(weights - other).sum())


@pytest.mark.parametrize(
    ("kind", "tile"),
    [
        ("rows", (1, 1)),
        ("columns", (1, 1)),
        ("tiles", (2, 2)),
        ("tiles", (3, 1)),
        ("tiles", (9, 2)),
    ],
)
@settings(max_examples=20, deadline=None)
@given(seeds, st.booleans())
def test_nothing_feasible_is_nearer_on_4x4(kind, tile, seed, whole):
    """Every choice of blocks, ties included; within a choice the weights themselves are nearest."""
    weights = matrix(seed, whole=whole)
    places = list(blocks(kind, weights.shape, tile))
    assert len(places) == Structure(kind, tile).count((1, 4, 4))
    for keep in range(len(places) + 1):
        found = project(kind, weights, keep, tile)
        errors = []
        for chosen in combinations(places, keep):
            other = np.zeros_like(weights)
            for place in chosen:
                other[place] = weights[place]
            errors.append(off(weights, other))
        assert off(weights, found) == pytest.approx(min(errors), abs=CLOSE)
        assert sum(bool(found[place].any()) for place in places) <= keep
        np.testing.assert_array_equal(project(kind, found, keep, tile), found)


@pytest.mark.parametrize("kind", ["rows", "columns", "tiles"])
def test_ties_keep_exactly_k(kind):
    weights = np.ones((6, 6))
    for keep in (0, 1, 2, 4):
        found = project(kind, weights, keep, (3, 3))
        places = blocks(kind, weights.shape, (3, 3))
        assert sum(bool(found[place].all()) for place in places) == keep


def test_ragged_tiles():
    weights = np.array([[1.0, 1.0, 3.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    assert project("tiles", weights, 2, (2, 2)).tolist() == [[1, 1, 3], [1, 1, 0], [0, 0, 0]]


def test_a_tile_larger_than_the_layer_is_one_tile():
    weights = np.ones((3, 5))
    structure = Structure("tiles", (128, 64))
    assert structure.norms(weights[None]).shape == (1, 1, 1)
    assert structure.count((1, 3, 5)) == 1
    assert structure.strongest(weights[None], 1).all()


def test_groups_compete_and_their_blocks_end_with_them():
    """Three filters of each group in tiles of two: the tiles of a group do not reach the next."""
    matrices = np.ones((2, 3, 4))
    matrices[1] *= 2
    structure = Structure("tiles", (4, 2))
    assert structure.norms(matrices).ravel().tolist() == [8, 4, 32, 16]
    assert structure.strongest(matrices, 3).any(axis=2).tolist() == [
        [True, True, False],
        [True, True, True],
    ]
    columns = Structure("columns").strongest(matrices, 5)
    assert columns[1].all()
    assert columns[0].tolist() == [[True, False, False, False]] * 3


@given(seeds, st.integers(2, 7), st.floats(0.01, 3))
def test_levels_are_nearest_symmetric_and_never_zero(seed, bits, scale):
    weights = matrix(seed)
    found = nearest_levels(weights, scale, bits)
    most = 1 << (bits - 1)
    allowed = np.array([level for level in range(-most, most + 1) if level])
    nearest = np.abs(weights[..., None] - allowed * scale).min(axis=-1)
    np.testing.assert_allclose(np.abs(weights - found * scale), nearest, atol=CLOSE)
    assert found.all()
    np.testing.assert_array_equal(nearest_levels(-weights, scale, bits), -found)


@given(seeds, st.integers(2, 7))
def test_levels_are_kept_by_a_second_projection_and_zeros_stay(seed, bits):
    weights = project("rows", matrix(seed), 2, (1, 1))
    found = to_levels(weights, bits)
    np.testing.assert_array_equal(found.levels == 0, weights == 0)
    again = to_levels(found.weights(), bits)
    assert off(again.weights(), found.weights()) < CLOSE
    fixed = [
        off(weights, Levels(nearest_levels(weights, s, bits), s).weights())
        for s in (np.abs(weights).max() / (1 << (bits - 1)),)
    ]
    assert off(weights, found.weights()) <= fixed[0] + CLOSE


@given(seeds, st.integers(2, 7))
def test_neither_levels_nor_scale_alone_can_be_better(seed, bits):
    weights = matrix(seed)
    found = to_levels(weights, bits)
    error = off(weights, found.weights())
    for factor in (0.999, 1.001):
        assert off(weights, found.levels * found.scale * factor) >= error - CLOSE
    np.testing.assert_array_equal(found.levels, nearest_levels(weights, found.scale, bits))


def test_nothing_kept_needs_no_scale():
    found = to_levels(np.zeros((2, 2)), 4)
    assert not found.levels.any()
    assert found.scale == 1.0


def test_filters_differ_in_size_and_not_in_levels():
    weights = matrix(5, (3, 400))
    levels, steps = filter_levels(weights * np.array([[1.0], [100.0], [0.01]]), 4)
    sizes = np.array([1.0, 100.0, 0.01]) * filter_rms(weights)
    np.testing.assert_allclose(steps / sizes, steps[0] / sizes[0])
    even = to_levels(weights / filter_rms(weights)[:, None], 4)
    np.testing.assert_array_equal(levels, even.levels)


def test_the_size_of_a_filter_is_that_of_its_survivors():
    weights = np.array([[3.0, 0.0, -4.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert filter_rms(weights).tolist() == [pytest.approx(np.sqrt(12.5)), 1.0]
    levels, steps = filter_levels(weights, 3)
    assert (levels[0] == 0).tolist() == [False, True, False, True]
    assert not levels[1].any()
    assert steps[1] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: project("rows", np.ones((2, 3)), 3, (1, 1)), "3 rows are to stay, wanted 0..2"),
        (lambda: project("columns", np.ones((2, 3)), -1, (1, 1)), "-1 columns are to stay, wanted"),
        (lambda: project("tiles", np.ones((2, 3)), 9, (2, 2)), "9 tiles are to stay, wanted 0..2"),
        (lambda: Structure("tiles", (0, 2)), "a tile is 0 x 2, wanted at least 1 x 1"),
        (
            lambda: project("rows", np.array([[np.nan]]), 1, (1, 1)),
            "weights hold a value that is not",
        ),
        (lambda: to_levels(np.ones(3), 8), "levels have 8 bits, wanted 2..7"),
        (lambda: to_levels(np.array([np.inf]), 4), "weights hold a value that is not finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DecompositionError, match=message):
        call()
