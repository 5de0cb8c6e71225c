"""Arrays through files: what is measured is what comes back, and what cannot be is named."""

import numpy as np
import pytest

import escalate
from escalate.app.array_files import read_arrays, write_arrays
from escalate.app.encode import Size
from escalate.errors import DataError, DecompositionError, StreamError


@pytest.fixture
def words():
    """Means and variances of an embedding of which half the rows are well known."""
    random = np.random.default_rng(0)
    means = random.normal(size=(400, 25)).astype(np.float32)
    variances = np.where(np.arange(400) % 2, 1e-3, 0.3)[:, None] * np.ones(25)
    return means, variances


def test_what_is_told_is_what_comes_back(words, tmp_path):
    means, variances = words
    out = tmp_path / "deep" / "words.vbq"
    found = escalate.encode({"w": means}, out=out, variances={"w": variances}, bits_per_value=2)
    ours, uniform = found.rows
    assert ours.stored_bytes == out.stat().st_size <= 2500
    assert ours.bits_per_value == 8 * ours.stored_bytes / 10_000
    assert ours.entropy_bits_per_value <= ours.bits_per_value
    got = escalate.decode(out, tmp_path / "back.npz")["w"]
    assert (got.dtype, got.shape) == (means.dtype, means.shape)
    np.testing.assert_array_equal(np.load(tmp_path / "back.npz")["w"], got)
    squares = (got.astype(float) - means) ** 2
    assert ours.mean_squared_error == pytest.approx(squares.mean(), rel=1e-9)
    assert ours.weighted_error == pytest.approx((squares / (2 * variances)).mean(), rel=1e-9)
    assert uniform.stored_bytes <= ours.stored_bytes
    assert uniform.stored_bytes > 0.97 * ours.stored_bytes
    assert uniform.weighted_error > 1.5 * ours.weighted_error
    assert found.frame()["code"].tolist() == ["variable precision", "uniform"]
    assert found.notes == ()


def test_files_of_one_and_of_several_arrays(words, tmp_path):
    means, variances = words
    np.save(tmp_path / "mu.npy", means)
    np.save(tmp_path / "var.npy", variances)
    files = {"variances": tmp_path / "var.npy", "rate_penalty": 0.5}
    one = escalate.encode(tmp_path / "mu.npy", out=tmp_path / "a", **files)
    assert list(escalate.decode(one.path)) == ["mu"]
    write_arrays(tmp_path / "x.npz", {"file": means, "a/b": means[:3]})
    two = escalate.encode(tmp_path / "x.npz", out=tmp_path / "b", deviation=0.1, rate_penalty=0.5)
    assert (two.arrays, two.values) == (2, 10_075)
    assert "equally uncertain" in two.notes[0]
    assert {name: a.shape for name, a in escalate.decode(two.path).items()} == {
        "file": (400, 25),
        "a/b": (3, 25),
    }


def test_the_same_input_the_same_bytes(words, tmp_path):
    for name in ("a", "b"):
        made = escalate.encode({"w": words[0]}, out=tmp_path / f"{name}.vbq", stored_bytes=3000)
        escalate.decode(made.path, tmp_path / f"{name}.npz")
    for suffix in ("vbq", "npz"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_the_smallest_file_has_a_uniform_one_beside_it(words, tmp_path):
    found = escalate.encode({"w": words[0]}, out=tmp_path / "w", rate_penalty=1e9)
    ours, uniform = found.rows
    assert ours.entropy_bits_per_value == 0
    assert ours.mean_squared_error == pytest.approx((words[0].astype(float) ** 2).mean())
    assert uniform.stored_bytes <= ours.stored_bytes < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "size: wanted one of --bytes, --bits-per-value and --rate-penalty"),
        ({"stored_bytes": 9, "rate_penalty": 1.0}, "size: wanted one of"),
        ({"bits_per_value": np.inf}, "size: inf, wanted finite and above 0"),
        ({"stored_bytes": 0}, "size: 0, wanted finite and above 0"),
        ({"stored_bytes": 20}, "budget: the smallest file, medians only, makes"),
        ({"rate_penalty": -1.0}, "w: penalty: lambda is -1"),
        ({"rate_penalty": 1.0, "deviation": 0.0}, r"--deviation 0\.0: wanted finite and above 0"),
        ({"rate_penalty": 1.0, "longest": 16}, "longest is 16 bits"),
        ({"rate_penalty": 1.0, "passes": 0}, "passes: 0"),
        ({"rate_penalty": 1.0, "variances": {"v": np.ones(2), "w": np.ones(2)}}, "of v, w, wanted"),
        ({"rate_penalty": 1.0, "variances": {"w": np.ones(2)}}, r"w: variances are \(2,\), the"),
        ({"rate_penalty": 1.0, "variances": {"w": np.array([1, 0, 1])}}, "w: a variance is 0, w"),
        ({"rate_penalty": 1.0, "variances": {"w": np.array([1, np.nan, 1])}}, "variance is nan"),
        ({"rate_penalty": 1.0, "variances": {"w": np.array(list("abc"))}}, "w: variances are <U1"),
        ({"rate_penalty": 1.0, "variances": {"w": np.ones(3)}, "deviation": 1.0}, "both given"),
    ],
)
def test_options_that_cannot_be(options, message, tmp_path):
    with pytest.raises((DataError, DecompositionError), match=message):
        escalate.encode({"w": np.array([1.0, 2.0, -3.0])}, out=tmp_path / "w", **options)
    assert list(tmp_path.iterdir()) == []


def test_sizes():
    assert Size(stored_bytes=7).budget(1000) == 7
    assert Size(bits_per_value=0.5).budget(1000) == 62
    assert Size(rate_penalty=0.0).budget(1000) is None


def test_files_that_are_none(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy: not a readable .npy or .npz file: Object arrays"):
        read_arrays(path)
    path.write_bytes(b"no arrays")
    with pytest.raises(DataError, match="not a readable"):
        read_arrays(path)
    with pytest.raises(DataError, match=r"gone\.npz: no such file"):
        read_arrays(tmp_path / "gone.npz")
    with pytest.raises(StreamError, match=r"x\.npy: is no file of coded arrays"):
        escalate.decode(path)
    with pytest.raises(DataError, match="gone: no such file"):
        escalate.decode(tmp_path / "gone")


def test_places_that_cannot_be_written(tmp_path):
    arrays = {"x": np.ones(3), "y": np.ones(3)}
    with pytest.raises(DataError, match="is a folder, wanted a file"):
        escalate.encode(arrays, out=tmp_path, rate_penalty=1.0)
    made = escalate.encode(arrays, out=tmp_path / "xy.vbq", rate_penalty=1.0)
    for out in (tmp_path / "xy.npy", tmp_path / "xy", tmp_path):
        with pytest.raises(DataError, match=r"wanted a file's name that ends in \.npz"):
            escalate.decode(made.path, out)
    one = escalate.encode({"x": arrays["x"]}, out=tmp_path / "x.vbq", rate_penalty=1.0)
    with pytest.raises(DataError, match=r"ends in \.npy or \.npz"):
        escalate.decode(one.path, tmp_path / "x.txt")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.vbq", "xy.vbq"]
