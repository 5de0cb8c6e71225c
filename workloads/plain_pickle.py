"""Read pickles of NumPy arrays and plain containers without calling anything that they name.

An array in a pickle is rebuilt by calls of NumPy's own functions.  Here those names stand for small
classes that keep the arguments; the array is made afterwards from the bytes, shape and type.
"""

import math
import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

PICKLE_ERRORS = (
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
"""What unpickling was seen to raise on torn and foreign files."""
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1")


class _Dtype:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = False) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("latin1") if isinstance(order, bytes) else order

    def real(self) -> np.dtype:
        if self.code not in DTYPES or self.order not in ("|", "<", ">"):
            raise pickle.UnpicklingError(f"an array of type {self.order}{self.code}")
        return np.dtype(self.order + self.code)


class _Array:
    """Stands for ``numpy.ndarray``; its content arrives as pickle state."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def real(self) -> np.ndarray:
        if len(self.state) != 5 or not isinstance(self.state[2], _Dtype):
            raise pickle.UnpicklingError("an array without its content")
        _, shape, kind, is_fortran, content = self.state
        dtype = kind.real()
        if not isinstance(content, (bytes, bytearray)) or len(content) != (
            dtype.itemsize * math.prod(shape)
        ):
            raise pickle.UnpicklingError(f"an array of shape {shape} with other content")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    return _Array()


def _from_buffer(content: object, dtype: object, shape: object, order: str) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", content)
    return array


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes in old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands for ``bytes``, by which Python 3 writes empty bytes in old protocols."""
    return b""


STAND_INS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "bytes"): _no_bytes,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"{module}.{name} is needed, which is refused")
        return STAND_INS[module, name]


def load_plain(stream: IO[bytes]) -> Any:
    """The content of a pickle: arrays of numbers, containers, text, bytes and numbers.

    Raises
    ------
    pickle.UnpicklingError
        If anything else is named in the pickle; nothing of it is called.
    One of PICKLE_ERRORS
        If the pickle is torn.

    Examples
    --------
    >>> import io
    >>> load_plain(io.BytesIO(pickle.dumps({"data": np.array([1, 2])})))["data"].tolist()
    [1, 2]
    """
    return _real(_PlainUnpickler(stream, encoding="bytes").load())


def _real(value: Any) -> Any:
    """The value with arrays in the place of their stand-ins."""
    if isinstance(value, (_Array, _Dtype)):
        return value.real()
    if isinstance(value, dict):
        return {key: _real(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_real(part) for part in value)
    return value
