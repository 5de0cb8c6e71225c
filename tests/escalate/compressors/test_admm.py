"""Are the projections exact: nothing feasible is nearer, exactly k stay, twice is once?"""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalate.compressors.admm import (
    Levels,
    keep_columns,
    keep_rows,
    keep_tiles,
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
    """The cells of every row, column or tile."""
    rows, columns = shape
    high, wide = {"rows": (1, columns), "columns": (rows, 1), "tiles": tile}[kind]
    for i, j in product(range(0, rows, high), range(0, columns, wide)):
        yield slice(i, i + high), slice(j, j + wide)


def project(kind, weights, keep, tile):
    if kind == "tiles":
        return keep_tiles(weights, keep, tile)
    return {"rows": keep_rows, "columns": keep_columns}[kind](weights, keep)


def off(weights, other):
    return float(np.square(weights - other).sum())


@pytest.mark.parametrize(
    ("kind", "tile"), [("rows", None), ("columns", None), ("tiles", (2, 2)), ("tiles", (3, 1))]
)
@settings(max_examples=20, deadline=None)
@given(seeds, st.booleans())
def test_nothing_feasible_is_nearer_on_4x4(kind, tile, seed, whole):
    """Every choice of blocks, ties included; within a choice the weights themselves are nearest."""
    weights = matrix(seed, whole=whole)
    places = list(blocks(kind, weights.shape, tile))
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
    assert keep_tiles(weights, 2, (2, 2)).tolist() == [[1, 1, 3], [1, 1, 0], [0, 0, 0]]


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
    weights = keep_rows(matrix(seed), 2)
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keep_rows(np.ones((2, 3)), 3), "3 rows are to stay, wanted 0..2"),
        (lambda: keep_columns(np.ones((2, 3)), -1), "-1 columns are to stay, wanted 0..3"),
        (lambda: keep_tiles(np.ones((2, 3)), 9, (2, 2)), "9 tiles are to stay, wanted 0..2"),
        (lambda: keep_tiles(np.ones((2, 3)), 1, (0, 2)), "a tile is 0 x 2, wanted at least 1 x 1"),
        (lambda: keep_rows(np.array([[np.nan]]), 1), "rows hold a value that is not finite"),
        (lambda: keep_rows(np.ones(3), 1), "the matrix has 1 axes, wanted 2"),
        (lambda: to_levels(np.ones(3), 8), "levels have 8 bits, wanted 2..7"),
        (lambda: to_levels(np.array([np.inf]), 4), "weights hold a value that is not finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(DecompositionError, match=message):
        call()
