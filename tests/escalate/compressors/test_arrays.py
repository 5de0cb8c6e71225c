"""Arrays in files: back as they were, budgets, equal to plain rounding, refusals by name."""

import zlib

import numpy as np
import pytest

from escalate.compressors.array_file import MAGIC, Multiples, Points, pack, unpack
from escalate.compressors.arrays import check, fit_multiples, fit_points, to_multiples, to_points
from escalate.compressors.code_points import quantize
from escalate.compressors.priors import Gaussian
from escalate.errors import DecompositionError, StreamError


def arrays():
    random = np.random.default_rng(0)
    return {
        "words": random.normal(size=(300, 20)).astype(np.float32),
        "bias": 10 * random.normal(size=7),
        "half é": random.normal(size=(2, 1, 5)).astype(np.float16),
        "one": np.array(3.5, np.float32),
    }


def deviations(some):
    random = np.random.default_rng(1)
    return {name: random.exponential(size=a.shape) + 0.01 for name, a in some.items()}


def same(left, right):
    assert list(left) == list(right)
    for name, array in left.items():
        got = right[name]
        assert type(got) is type(array)
        assert got.values().dtype == array.values().dtype
        np.testing.assert_array_equal(got.values(), array.values())
        np.testing.assert_array_equal(got.numbers, array.numbers)


@pytest.mark.parametrize("penalty", [0.0, 0.1, 1e9])
def test_points_come_back(penalty):
    some = arrays()
    points = to_points(some, deviations(some), penalty)
    same(points, unpack(pack(points)))
    for name, array in some.items():
        wanted = quantize(array, deviations(some)[name], Gaussian.of(array), penalty)
        np.testing.assert_array_equal(points[name].numbers, wanted.points)
        np.testing.assert_array_equal(points[name].values(), wanted.values.astype(array.dtype))


@pytest.mark.parametrize("step", [100.0, 0.3, 1e-4])
def test_multiples_come_back_and_are_near(step):
    some = arrays()
    multiples = to_multiples(some, step)
    same(multiples, unpack(pack(multiples)))
    for name, array in some.items():
        assert np.abs(multiples[name].numbers * step - array).max() <= step / 2 * (1 + 1e-9)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3])
def test_a_budget_is_met_and_used(share):
    some = {"words": arrays()["words"]}
    budget = int(share * 4 * some["words"].size)
    penalty, points, whole = fit_points(some, deviations(some), budget)
    assert 0.97 * budget <= len(whole) <= budget
    assert penalty > 0
    same(points, unpack(whole))
    step, multiples, whole = fit_multiples(some, budget)
    assert 0.97 * budget <= len(whole) <= budget
    assert step > 0
    same(multiples, unpack(whole))


def test_a_budget_that_holds_all_takes_the_nearest_points():
    some = arrays()
    penalty, points, _ = fit_points(some, deviations(some), 1 << 20)
    assert penalty == 0
    same(points, to_points(some, deviations(some), 0.0))


def test_a_budget_that_nothing_meets_names_the_smallest_size():
    some = {"words": arrays()["words"]}
    smallest = len(pack(to_points(some, {"words": 1.0}, 1e9)))
    assert smallest < 60
    with pytest.raises(DecompositionError, match=f"makes {smallest} bytes, wanted at most 9"):
        fit_points(some, {"words": 1.0}, 9)
    _, points, whole = fit_points(some, {"words": 1.0}, smallest)
    assert len(whole) == smallest
    assert not points["words"].numbers.any()
    with pytest.raises(DecompositionError, match="the smallest file, zeros only, makes"):
        fit_multiples(some, 9)


def test_a_constant_deviation_only_scales_the_penalty():
    some = {"words": arrays()["words"]}
    files = [fit_points(some, {"words": each}, 3000)[2] for each in (1e-3, 1.0, 64.0)]
    assert files[0] == files[1] == files[2]


def test_what_is_uncertain_gets_the_larger_errors():
    random = np.random.default_rng(2)
    some = {"x": random.normal(size=4000)}
    sure = np.arange(4000) < 2000
    _, points, _ = fit_points(some, {"x": np.where(sure, 0.01, 1.0)}, 1500)
    errors = (points["x"].values() - some["x"]) ** 2
    assert errors[sure].mean() < 0.01 * errors[~sure].mean()


def test_half_floats_stay_finite():
    some = {"x": np.array([6e4, -6e4] * 30, np.float16)}
    assert np.isfinite(to_points(some, {"x": 1.0}, 0.0)["x"].values()).all()
    assert np.isfinite(to_multiples(some, 5e4)["x"].values()).all()


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ({}, "arrays: there are none"),
        ({"x": np.zeros(3, int)}, "x: is int64, wanted floats of 16, 32 or 64 bits"),
        ({"x": np.zeros((0, 3))}, "x: has 0 values"),
        ({"x": np.array([[0, 1], [2, np.nan]])}, r"x: at \[1, 1\] is nan, wanted finite"),
    ],
)
def test_arrays_that_are_refused(some, message):
    with pytest.raises(DecompositionError, match=message):
        check(some)


def test_the_array_that_cannot_be_quantized_is_named():
    some = {"x": np.ones(3), "y": np.zeros(3)}
    with pytest.raises(DecompositionError, match=r"y: prior: values up to 0\.0"):
        to_points(some, {"x": 1.0, "y": 1.0}, 0.1)
    for wrong, message in (
        (np.ones(2), r"x: deviations: are \(2,\), wanted one"),
        (0.0, r"x: deviations: one is 0\.0, wanted finite"),
        (1e-200, r"x: deviations: one is 1e-200, too small for means up to 1\.0"),
    ):
        with pytest.raises(DecompositionError, match=message):
            to_points(some, {"x": wrong, "y": 1.0}, 0.1)
        with pytest.raises(DecompositionError, match=message):
            fit_points(some, {"x": wrong, "y": 1.0}, 1000)


def test_one_kind_to_a_file():
    point = Points(np.zeros(2, int), np.dtype("f4"), 1.0, 3)
    multiple = Multiples(np.zeros(2, int), np.dtype("f4"), 1.0)
    with pytest.raises(DecompositionError, match="are of 2 kinds of code, wanted one"):
        pack({"x": point, "y": multiple})
    with pytest.raises(DecompositionError, match="are of 0 kinds"):
        pack({})


def checked(body):
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is no file of coded arrays"),
        (b"\x93NUMPY rest", "is no file of coded arrays"),
        (b"ESCV\x02V\x00", "is of another version"),
        (MAGIC + b"X\x00", "kind b'X', wanted V or U"),
        (MAGIC + b"V\x01", "payload ends inside a number"),
        (MAGIC + b"V\x01\x01\xff", "a name that is no UTF-8"),
        (MAGIC + b"V\x01\x01x\x07", "x: has no dtype that is known"),
        (MAGIC + b"V\x01\x01x\x01\x01\x00", "x: has 0 values"),
        (MAGIC + b"V\x01\x01x\x01\x01\x03", "ends inside a number"),
        (MAGIC + b"U\x01\x01x\x01\x01\x03" + bytes(8), r"a step or deviation of 0\.0"),
        (MAGIC + b"V\x01\x01x\x01\x01\x03" + np.float64(1).tobytes(), "ends inside a prior"),
        (MAGIC + b"V\x01\x01x\x01\x01\x03" + np.float64(1).tobytes() + b"\x10", "more than 15"),
        (MAGIC + b"V\x00rest", "4 bytes behind its last array"),
    ],
)
def test_files_that_are_none(body, message):
    with pytest.raises(StreamError, match=message):
        unpack(checked(body))


def test_torn_and_changed_files_are_refused():
    some = arrays()
    whole = pack(to_points(some, deviations(some), 0.1))
    for place in (0, 10, 100, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 4
        with pytest.raises(StreamError):
            unpack(bytes(changed))
        with pytest.raises(StreamError):
            unpack(whole[:place])
