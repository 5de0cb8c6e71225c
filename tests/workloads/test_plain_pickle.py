"""Are pickled arrays read back exactly, and is nothing that a pickle names ever called?"""

import io
import os
import pickle
import random

import numpy as np
import pytest

from workloads.plain_pickle import DTYPES, PICKLE_ERRORS, load_plain


def read(content):
    return load_plain(io.BytesIO(content))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", DTYPES)
def test_arrays_are_read_back(code, order, protocol):
    values = np.arange(24).reshape(2, 3, 4) % 7
    for array in (
        values.astype(order + code),
        np.asfortranarray(values.astype(order + code)),
        np.zeros((0, 3), order + code),
    ):
        found = read(pickle.dumps([{"a": (array, 1)}, b"\xff", "text", None, 2.5, True], protocol))
        np.testing.assert_array_equal(found[0]["a"][0], array, strict=True)
        assert found[1:] == [b"\xff", "text", None, 2.5, True]


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call",
    [
        Call(os.mkdir, "made"),
        Call(eval, "1 + 1"),
        Call(np.zeros, 3),
        Call(np.frombuffer, b"12345678", "O"),
        Call(np.load, "file.npy"),
        Call(getattr, "text", "upper"),
    ],
)
def test_code_is_refused(tmp_path, monkeypatch, call, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="is needed, which is refused"):
        read(pickle.dumps([1, call], protocol))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        Call(np.ndarray, (1,), "O", b"12345678"),
        Call(np.ndarray, (2**40,), "u1"),
        Call(np.dtype, "O"),
        Call(np.dtype, [("a", "O")]),
    ],
)
def test_numpy_itself_is_not_called(call):
    with pytest.raises((TypeError, AttributeError, pickle.UnpicklingError)):
        read(pickle.dumps(call))


@pytest.mark.parametrize(
    "array",
    [
        np.array([None]),
        np.array(["text"]),
        np.array([1j]),
        np.zeros(2, [("a", "u1")]),
        np.array(["2020-01-01"], "datetime64[D]"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        read(pickle.dumps(array))


def test_arrays_with_other_content_than_their_shape_are_refused():
    whole = pickle.dumps(np.arange(5, dtype=np.uint8), 2)
    torn = whole.replace(b"K\x05\x85", b"K\x06\x85", 1)
    assert torn != whole
    with pytest.raises(pickle.UnpicklingError, match=r"array of shape \(6,\) with other content"):
        read(torn)


def test_arrays_without_content_are_refused():
    torn = b"\x80\x02cnumpy\nndarray\n)R."
    with pytest.raises(pickle.UnpicklingError, match="an array without its content"):
        read(torn)


def test_other_text_encodings_are_refused():
    with pytest.raises(pickle.UnpicklingError, match="text in rot13"):
        read(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")


def test_a_list_inside_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(RecursionError):
        read(pickle.dumps(endless))


MEMO = ord("r")  # its four-byte index makes pickle reserve up to 2^36 bytes


def test_torn_and_altered_pickles_raise_what_is_listed():
    whole = pickle.dumps({b"data": np.arange(64, dtype=np.uint8), b"labels": [1, 2]}, 2)
    chance, refused = random.Random(3), 0
    for _ in range(400):
        torn = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        value = chance.randrange(256)
        if value != MEMO:
            torn[chance.randrange(len(torn))] = value
        try:
            read(bytes(torn))
        except PICKLE_ERRORS:
            refused += 1
    assert refused > 300
