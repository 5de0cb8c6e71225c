"""Are a user's own arrays read as they stand, and is everything else refused by name?"""

import io
import pickle
import zipfile

import numpy as np
import pytest

from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.own_tensors import read_own_tensors


def fields(**changes):
    rng = np.random.default_rng(0)
    layer = {
        "activations": rng.integers(0, 2, (4, 6, 5)),
        "weights": rng.integers(-128, 128, (3, 4, 3, 2)),
    }
    layer |= changes
    return {name: array for name, array in layer.items() if array is not None}


def save(folder, name="mine.npz", **arrays):
    path = folder / name
    np.savez(path, **arrays)
    return path


def one(folder, **arrays):
    (tensors,) = read_own_tensors([save(folder, **arrays)])
    return tensors


def test_dense_layer_named_after_its_file(tmp_path):
    tensors = one(tmp_path, **fields())
    assert tensors.layer.name == "mine"
    assert tensors.layer.weight_shape == (3, 4, 3, 2)
    assert (tensors.activations.dtype, tensors.activations.shape) == (np.uint8, (1, 4, 6, 5))
    assert (tensors.mode, tensors.origin) == ("bypass", "file")
    assert convolve(tensors).shape == (1, 3, 4, 4)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([[[0, 255]]], np.int64), np.uint8),
        (np.array([[[-128, 127]]], np.int16), np.int8),
        (np.array([[[1, 2]]], np.int8), np.int8),
        (np.array([[[1, 2]]], np.uint8), np.uint8),
        (np.array([[[1, 2]]], np.uint64), np.uint8),
        (np.array([[[True, False]]]), np.uint8),
        (np.array([[[1, 2]]], ">i4"), np.uint8),
    ],
)
def test_activations_of_any_integer_type(tmp_path, array, dtype):
    tensors = one(tmp_path, activations=array, weights=np.ones((1, 1, 1, 1), bool))
    assert tensors.activations.dtype == dtype
    assert tensors.activations.ravel().tolist() == array.ravel().tolist()
    assert tensors.weights.dtype == np.int8


def test_batches_and_column_major_arrays(tmp_path):
    array = np.asfortranarray(np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5))
    tensors = one(tmp_path, activations=array, weights=np.ones((2, 3, 1, 1), int))
    assert tensors.images == 2
    assert (tensors.activations == array).all()


@pytest.mark.parametrize(
    ("padding", "sides"),
    [(1, (1, 1, 1, 1)), ([0, 2], (0, 0, 2, 2)), ([0, 1, 2, 3], (0, 1, 2, 3))],
)
def test_bounds(tmp_path, padding, sides):
    tensors = one(
        tmp_path,
        activations=np.ones((4, 9, 9), int),
        weights=np.ones((6, 2, 3, 3), int),
        padding=np.array(padding),
        stride=np.array(2),
        groups=np.array([2]),
        dilation=2,
    )
    layer = tensors.layer
    assert (layer.padding, layer.stride, layer.groups, layer.dilation) == (sides, 2, 2, 2)


def test_each_direction_may_have_its_own_steps(tmp_path):
    steps = {"stride": np.array([2, 1]), "dilation": np.array([1, 3], np.uint8)}
    layer = one(tmp_path, **fields(**steps)).layer
    assert (layer.strides, layer.dilations) == ((2, 1), (1, 3))
    assert one(tmp_path, **fields(stride=np.array([2, 2]))).layer.stride == 2


def test_basis_and_coefficients(tmp_path):
    rng = np.random.default_rng(1)
    basis, coefficients = rng.integers(-9, 9, (4, 3, 2)), rng.integers(-1, 2, (3, 4, 4))
    tensors = one(tmp_path, **fields(weights=None, basis=basis, coefficients=coefficients))
    assert tensors.mode == "decomposed"
    dense = np.einsum("kcm,mrs->kcrs", coefficients, basis)
    assert (tensors.dense_weights() == dense).all()


def test_scales_of_coefficients(tmp_path):
    coefficients = np.array([[[1], [0], [-1], [1]]])
    point = fields(weights=None, coefficients=coefficients)
    plain = one(tmp_path, **point)
    assert (plain.alpha, plain.two_sided) == (None, None)
    alpha = one(tmp_path, **point, alpha=np.array([[7]]))
    assert alpha.alpha.dtype == np.uint8
    assert alpha.dense_weights().ravel().tolist() == [7, 0, -7, 7]
    sides = one(tmp_path, **point, two_sided=np.array([2, 255]))
    assert sides.two_sided == (2, 255)
    assert sides.dense_weights().ravel().tolist() == [2, 0, -255, 2]


@pytest.mark.parametrize("basis", [None, np.ones((1, 1, 1), int)])
def test_ternary_point_layers_need_no_basis(tmp_path, basis):
    coefficients = np.array([[[1], [0], [-1], [1]]])
    tensors = one(tmp_path, **fields(weights=None, basis=basis, coefficients=coefficients))
    assert (tensors.mode, tensors.layer.R, tensors.layer.S) == ("pointwise", 1, 1)


def test_several_layers_in_one_file_and_several_files(tmp_path):
    both = {f"{layer}/{name}": array for layer in ("b", "a/x") for name, array in fields().items()}
    paths = [save(tmp_path, "two.npz", **both), save(tmp_path, "third.npz", **fields())]
    assert [t.layer.name for t in read_own_tensors(paths)] == ["b", "a/x", "third"]
    with pytest.raises(WorkloadError, match=r"third.npz: third: a layer of that name was read"):
        read_own_tensors([paths[1], paths[1]])


BAD = [
    ({"activations": None}, "mine: activations missing, found weights"),
    ({"activations": np.ones((4, 6, 5))}, "mine: activations is float64, wanted integers"),
    ({"activations": np.ones((6, 5), int)}, r"activations has shape \(6, 5\), wanted \(C, H, W\)"),
    ({"activations": np.full((4, 6, 5), 256)}, r"activations at \[0, 0, 0\] is 256, wanted 0..255"),
    ({"activations": np.full((4, 6, 5), -129)}, r"is -129, wanted -128..127"),
    ({"activations": np.zeros((4, 0, 5), int)}, "without a zero"),
    ({"weights": None}, "mine: wanted either weights or coefficients"),
    ({"coefficients": np.ones((3, 4, 1), int)}, "mine: wanted either weights or coefficients"),
    ({"weights": np.ones((3, 4, 3), int)}, r"weights has shape \(3, 4, 3\), wanted \(K, C/groups"),
    ({"weights": np.full((3, 4, 3, 2), 128)}, r"weights at \[0, 0, 0, 0\] is 128, wanted -128"),
    ({"weights": np.ones((3, 4, 3, 2))}, "mine: weights is float64, wanted integers or booleans"),
    ({"weights": np.ones((3, 2, 3, 2), int)}, "2 channels per group x groups = 1 is not the C = 4"),
    ({"basis": np.ones((1, 3, 3), int)}, "mine: a basis stands beside weights"),
    ({"stride": 0}, "mine: stride is 0, wanted one integer 1 to 16777216"),
    ({"stride": np.array([1, 0])}, r"mine: stride is \[1, 0\], wanted one .*, or \(vertical, h"),
    ({"stride": np.array([1, 2, 1])}, r"mine: stride is \[1, 2, 1\], wanted one integer 1 to"),
    ({"dilation": np.array([1.0, 2.0])}, r"mine: dilation is \[1.0, 2.0\], wanted one integer 1"),
    ({"stride": True}, "mine: stride is True, wanted one integer 1 to"),
    ({"dilation": 1 << 40}, "mine: dilation is 1099511627776, wanted one integer 1 to"),
    ({"padding": 10**9}, "mine: padding is 1000000000, wanted one integer 0 to 65536"),
    ({"groups": 1.0}, "mine: groups is 1.0, wanted one integer 1 to"),
    ({"padding": -1}, "mine: padding is -1, wanted one integer 0 to"),
    ({"padding": np.array([1, 2, 3])}, r"mine: padding is \[1, 2, 3\], wanted"),
    ({"bias": np.ones(3, int)}, "unknown field 'bias', allowed are activations, weights"),
    ({"dilation": 5}, "the 3x2 kernel exceeds the padded 6x5 input"),
    ({"alpha": np.ones((3, 1))}, "mine: alpha is float64, wanted integers or booleans"),
    ({"alpha": np.zeros((3, 1), int)}, r"mine: alpha at \[0, 0\] is 0, wanted 1..255"),
    ({"alpha": np.ones((3, 1), int)}, "mine: scales of coefficients stand beside weights"),
    ({"two_sided": np.array([1, 256])}, r"mine: two_sided at \[1\] is 256, wanted 1..255"),
    ({"two_sided": 3}, "mine: two_sided is 3, wanted two integers"),
    ({"two_sided": np.ones(2)}, r"two_sided is \[1.0, 1.0\], wanted two integers"),
    ({"two_sided": np.ones(2, int)}, "mine: scales of coefficients stand beside weights"),
    ({"other/stride": 1}, "fields stand both alone and under other/"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_refused_with_a_line_naming_the_field(tmp_path, changes, message):
    path = save(tmp_path, **fields(**changes))
    with pytest.raises(WorkloadError, match=message) as refused:
        read_own_tensors([path])
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


BAD_MIXTURES = [
    (np.ones((3, 4, 10), int), np.ones((10, 3, 3), int), "basis holds M = 10 kernels, wanted 1..9"),
    (np.ones((3, 4, 2), int), np.ones((1, 3, 3), int), "coefficients hold 2 basis kernels, the"),
    (np.ones((3, 4, 2), int), None, "coefficients hold 2 basis kernels, the basis has 1"),
    (np.full((3, 4, 1), 2), None, r"coefficients at \[0, 0, 0\] is 2, wanted -1, 0 or 1"),
    (np.ones((3, 4), int), None, r"coefficients has shape \(3, 4\), wanted \(K, C/groups, M\)"),
    (
        np.ones((3, 4, 1), int),
        np.ones((3, 3), int),
        r"basis has shape \(3, 3\), wanted \(M, R, S\)",
    ),
]


@pytest.mark.parametrize(("coefficients", "basis", "message"), BAD_MIXTURES)
def test_refused_mixtures(tmp_path, coefficients, basis, message):
    path = save(tmp_path, **fields(weights=None, coefficients=coefficients, basis=basis))
    with pytest.raises(WorkloadError, match=message):
        read_own_tensors([path])


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


HEADERS = {
    "open bracket": "{'descr': '<i8', 'fortran_order': False, 'shape': (8,6,6}",
    "no bracket": "{'descr': '<i8', 'fortran_order': False, 'shape': (8,6,6",
    "unknown type": "{'descr': '<q9', 'fortran_order': False, 'shape': (8,)}",
    "endless": "{'descr': '<i8', 'fortran_order': False, 'shape': (9999999999, 9999999999)}",
    "negative": "{'descr': '<i8', 'fortran_order': False, 'shape': (-8,)}",
    "words": "{'descr': '<i8', 'fortran_order': 'no', 'shape': ('a',)}",
}


def test_foreign_and_torn_files_are_named(tmp_path):
    whole = save(tmp_path, **fields()).read_bytes()
    single = io.BytesIO()
    np.save(single, np.ones(3))
    holder = io.BytesIO()
    with zipfile.ZipFile(holder, "w") as archive:
        archive.writestr("weights", b"12345")
    array = np.empty(1, object)
    array[0] = Boom()
    objects = save(tmp_path, "objects.npz", activations=array).read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 0xFF
    headers = {}
    for name, header in HEADERS.items():
        torn = io.BytesIO()
        with zipfile.ZipFile(torn, "w") as archive:
            text = header.encode().ljust(118) + b"\n"
            magic = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
            archive.writestr("weights.npy", magic + text + bytes(64))
        headers[name] = torn.getvalue()
    cases = headers | {
        "torn": whole[:-40],
        "flipped": bytes(flipped),
        "empty": b"",
        "text": b"conv1, 1, 2\n",
        "pickle": pickle.dumps(Boom()),
        "objects": objects,
        "single": single.getvalue(),
        "archive": holder.getvalue(),
    }
    for name, content in cases.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(WorkloadError, match=f"{name}.npz: ") as refused:
            read_own_tensors([path])
        assert "\n" not in str(refused.value)


def test_missing_files(tmp_path):
    with pytest.raises(WorkloadError, match=r"gone.npz: no such file"):
        read_own_tensors([tmp_path / "gone.npz"])
    with pytest.raises(WorkloadError, match=r"at least one .npz file"):
        read_own_tensors([])
    with pytest.raises(WorkloadError, match=r"none.npz: holds no field"):
        read_own_tensors([save(tmp_path, "none.npz")])
