"""array_file: several quantized float arrays in one file.

``ESCV``, a byte for the version, a byte for the kind of code, ``V`` or ``U``; in groups of seven
bits the number of arrays; of each array in groups of seven bits the length of its name, the name in
UTF-8, a byte for its dtype, in groups of seven bits the number of dimensions and these; then its
code.  ``V``: the prior's standard deviation as a little-endian float64, a byte with N, the points
as ``vbq_stream`` writes them.  ``U``: the step as a float64, its multiples as
``workloads.formats.numbers`` packs integers.  At the end a CRC-32 of all that, little endian.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from escalate.compressors import vbq_stream
from escalate.compressors.code_points import LIMIT, code_points
from escalate.compressors.priors import Gaussian
from escalate.errors import DecompositionError, StreamError
from workloads.errors import WorkloadError
from workloads.formats import numbers
from workloads.formats.bits import pack_number, unpack_number

MAGIC = b"ESCV\x01"
DTYPES = tuple(np.dtype(name) for name in ("<f2", "<f4", "<f8"))
FLOAT = np.dtype("<f8")
CHECK_BYTES = 4
MOST_VALUES = 1 << 32  # of one array


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """An array of code points of a Gaussian prior.

    Parameters
    ----------
    numbers : integers, any shape, as in ``code_points.CodePoints``
    dtype : of the array, one of ``DTYPES``
    deviation : of the prior
    longest : N
    """

    numbers: np.ndarray
    dtype: np.dtype
    deviation: float
    longest: int
    kind = b"V"

    def values(self) -> np.ndarray:
        """The array as a decoder has it."""
        grid = code_points(Gaussian(self.deviation), self.longest)
        return np.asarray(_as_dtype(grid.values, self.dtype)[self.numbers])

    def code(self) -> np.ndarray:
        """The array as bytes, without name and shape."""
        head = [_float_bytes(self.deviation), np.array([self.longest], np.uint8)]
        return np.concatenate([*head, vbq_stream.encode(self.numbers, self.longest)])

    @classmethod
    def read(
        cls, payload: np.ndarray, place: int, shape: tuple[int, ...], dtype: np.dtype
    ) -> tuple["Points", int]:
        """The array whose code begins at ``place``, and the place behind it."""
        deviation, place = _float_at(payload, place)
        if place >= payload.size or payload[place] > LIMIT:
            raise StreamError(f"ends inside a prior, or has points of more than {LIMIT} bits")
        longest = int(payload[place])
        found, place = vbq_stream.decode(payload, place + 1, math.prod(shape), longest)
        return cls(found.reshape(shape), dtype, deviation, longest), place


@dataclass(frozen=True, slots=True, eq=False)
class Multiples:
    """An array of multiples of one step.

    Parameters
    ----------
    numbers : integers of 32 bits, any shape
    dtype : of the array, one of ``DTYPES``
    step : float > 0
    """

    numbers: np.ndarray
    dtype: np.dtype
    step: float
    kind = b"U"

    def values(self) -> np.ndarray:
        """The array as a decoder has it."""
        return _as_dtype(np.asarray(self.numbers * self.step), self.dtype)

    def code(self) -> np.ndarray:
        """The array as bytes, without name and shape."""
        return np.concatenate([_float_bytes(self.step), numbers.encode(self.numbers)])

    @classmethod
    def read(
        cls, payload: np.ndarray, place: int, shape: tuple[int, ...], dtype: np.dtype
    ) -> tuple["Multiples", int]:
        """The array whose code begins at ``place``, and the place behind it."""
        step, place = _float_at(payload, place)
        found, place = numbers.decode(payload, place, math.prod(shape))
        return cls(found.reshape(shape), dtype, step), place


Coded = Points | Multiples
KINDS: Mapping[bytes, type[Points] | type[Multiples]] = {b"V": Points, b"U": Multiples}


def _as_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rounded; what is too large becomes the largest number there is."""
    range_ = np.finfo(dtype)
    return np.clip(values, float(range_.min), float(range_.max)).astype(dtype)


def _float_bytes(value: float) -> np.ndarray:
    return np.frombuffer(FLOAT.type(value).tobytes(), np.uint8)


def _float_at(payload: np.ndarray, place: int) -> tuple[float, int]:
    stop = place + FLOAT.itemsize
    if stop > payload.size:
        raise StreamError("ends inside a number")
    (value,) = np.frombuffer(payload[place:stop].tobytes(), FLOAT).tolist()
    if not 0 < value < math.inf:
        raise StreamError(f"has a step or deviation of {value}, wanted finite and above 0")
    return value, stop


def pack(arrays: Mapping[str, Coded]) -> bytes:
    """Arrays by name, all of one kind and at least one, as a file's bytes.

    Raises
    ------
    DecompositionError
        If they are of two kinds or none, of another dtype, or too large.

    Examples
    --------
    >>> whole = pack({"x": Multiples(np.array([3, -1]), np.dtype("f4"), 0.5)})
    >>> len(whole), unpack(whole)["x"].values()
    (27, array([ 1.5, -0.5], dtype=float32))
    """
    kinds = {array.kind for array in arrays.values()}
    if len(kinds) != 1:
        raise DecompositionError(f"arrays: are of {len(kinds)} kinds of code, wanted one")
    parts = [MAGIC, *kinds, pack_number(len(arrays)).tobytes()]
    for name, array in arrays.items():
        check_array(name, array.dtype, array.numbers.size)
        told = name.encode()
        sizes = (array.numbers.ndim, *array.numbers.shape)
        parts += [pack_number(len(told)).tobytes(), told]
        parts += [bytes([DTYPES.index(array.dtype)])]
        parts += [pack_number(size).tobytes() for size in sizes]
        parts += [array.code().tobytes()]
    whole = b"".join(parts)
    return whole + zlib.crc32(whole).to_bytes(CHECK_BYTES, "little")


def check_array(name: str, dtype: np.dtype, size: int) -> None:
    """Refuse arrays that no file holds.

    Raises
    ------
    DecompositionError
        If the dtype is no float of 16, 32 or 64 bits, or there are no or too many values.
    """
    if dtype.newbyteorder("<") not in DTYPES:
        raise DecompositionError(f"{name}: is {dtype}, wanted floats of 16, 32 or 64 bits")
    if not 0 < size <= MOST_VALUES:
        raise DecompositionError(f"{name}: has {size} values, wanted 1..{MOST_VALUES}")


def unpack(whole: bytes) -> dict[str, Coded]:
    """The arrays that ``pack`` packed.

    Raises
    ------
    StreamError
        If the bytes are torn, foreign or of another version.
    """
    if not whole.startswith(MAGIC[:-1]):
        raise StreamError("is no file of coded arrays")
    if not whole.startswith(MAGIC):
        raise StreamError("is of another version")
    body, check = whole[:-CHECK_BYTES], whole[-CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(CHECK_BYTES, "little") != check:
        raise StreamError("is torn: its checksum is another")
    payload = np.frombuffer(body, np.uint8)
    kind = body[len(MAGIC) : len(MAGIC) + 1]
    if kind not in KINDS:
        raise StreamError(f"has a code of kind {kind!r}, wanted V or U")
    try:
        count, place = unpack_number(payload, len(MAGIC) + 1)
        arrays: dict[str, Coded] = {}
        for _ in range(count):
            name, shape, dtype, place = _head(payload, place)
            arrays[name], place = KINDS[kind].read(payload, place, shape, dtype)
    except (WorkloadError, DecompositionError) as error:
        raise StreamError(str(error)) from error
    if place != payload.size:
        raise StreamError(f"has {payload.size - place} bytes behind its last array")
    return arrays


def _head(payload: np.ndarray, place: int) -> tuple[str, tuple[int, ...], np.dtype, int]:
    """Name, shape and dtype of the array that begins at ``place``, and where its code does."""
    length, place = unpack_number(payload, place)
    try:
        name = payload[place : place + length].tobytes().decode()
    except UnicodeDecodeError:
        raise StreamError("has a name that is no UTF-8") from None
    place += length
    if place >= payload.size or payload[place] >= len(DTYPES):
        raise StreamError(f"{name}: has no dtype that is known")
    dtype = DTYPES[payload[place]]
    dimensions, place = unpack_number(payload, place + 1)
    sizes = []
    for _ in range(dimensions):
        size, place = unpack_number(payload, place)
        sizes.append(size)
    check_array(name, dtype, math.prod(sizes))
    return name, tuple(sizes), dtype, place
