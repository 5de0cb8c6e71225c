"""Requantizer: the integer multiply-and-shift that turns psums into the next layer's input."""

from dataclasses import dataclass

import numpy as np

from workloads.errors import WorkloadError

INT32 = np.iinfo(np.int32)


def multiply_shift(values: np.ndarray, multiplier: np.ndarray | int, shift: int) -> np.ndarray:
    """Scale integers by multiplier / 2^shift, rounding half up, in int64.

    Examples
    --------
    >>> multiply_shift(np.array([3, -3, 5]), 1, 1).tolist()
    [2, -1, 3]
    """
    rounding = np.int64(1 << (shift - 1)) if shift > 0 else np.int64(0)
    product: np.ndarray = values.astype(np.int64) * np.asarray(multiplier, np.int64)
    return (product + rounding) >> np.int64(shift)


def storage_dtype(low: int, high: int) -> type[np.integer]:
    """The smallest of uint8, int8 and int16 that holds low..high.

    Examples
    --------
    >>> storage_dtype(0, 255).__name__, storage_dtype(-127, 127).__name__
    ('uint8', 'int8')
    """
    for dtype in (np.uint8, np.int8, np.int16):
        if np.iinfo(dtype).min <= low <= high <= np.iinfo(dtype).max:
            return dtype
    raise WorkloadError(f"range {low}..{high} does not fit 16 bits")


@dataclass(frozen=True, slots=True, eq=False)
class Requantizer:
    """y = clamp((int64(psum + bias) * multiplier + 2^(shift-1)) >> shift, low, high).

    Parameters
    ----------
    multiplier, bias : int32, shape (K,)
    shift : int, 0..62
    low, high : int, bounds of the output; they also settle its dtype (uint8, int8 or int16)

    Raises
    ------
    WorkloadError
        For wrong dtypes or shapes, and in ``apply`` if psum + bias leaves 32 bits.

    Examples
    --------
    >>> r = Requantizer(np.array([3], np.int32), np.array([1], np.int32), 2, 0, 255)
    >>> r.apply(np.array([[[[5, -9]]]], np.int32)).tolist()
    [[[[5, 0]]]]
    """

    multiplier: np.ndarray
    bias: np.ndarray
    shift: int
    low: int
    high: int

    def __post_init__(self) -> None:
        for field in ("multiplier", "bias"):
            array = getattr(self, field)
            if array.dtype != np.int32 or array.ndim != 1:
                raise WorkloadError(
                    f"requantizer: {field} is {array.dtype} {array.shape}, "
                    "wanted int32 of shape (K,)"
                )
            array.setflags(write=False)
        if self.multiplier.shape != self.bias.shape:
            raise WorkloadError(
                f"requantizer: {self.multiplier.size} multipliers but {self.bias.size} biases"
            )
        if not 0 <= self.shift <= 62:
            raise WorkloadError(f"requantizer: shift is {self.shift}, wanted 0..62")
        storage_dtype(self.low, self.high)

    @property
    def dtype(self) -> type[np.integer]:
        """Storage type of the output."""
        return storage_dtype(self.low, self.high)

    def apply(self, psums: np.ndarray) -> np.ndarray:
        """Requantize psums, int32 of shape (N, K, P, Q), to ``dtype`` of the same shape."""
        total = psums.astype(np.int64) + self.bias.astype(np.int64)[:, None, None]
        if total.size and (total.min() < INT32.min or total.max() > INT32.max):
            raise WorkloadError("requantizer: psum + bias leaves the 32-bit range")
        scaled = multiply_shift(total, self.multiplier[:, None, None], self.shift)
        return np.clip(scaled, self.low, self.high).astype(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A requantizer with a table behind it: a function of the eight bits, see ``operators/table``.

    Parameters
    ----------
    rule : Requantizer
    table : int16 of shape (1 or K, 256), by the eight bits as an unsigned number
    low, high : bounds of the table's numbers

    Examples
    --------
    >>> rule = Requantizer(np.array([1], np.int32), np.array([0], np.int32), 0, -127, 127)
    >>> squares = np.array([[min(i * i, 255) for i in [*range(128), *range(-128, 0)]]], np.int16)
    >>> Lookup(rule, squares, 0, 255).apply(np.array([[[[3, -4]]]], np.int32)).tolist()
    [[[[9, 16]]]]
    """

    rule: Requantizer
    table: np.ndarray
    low: int
    high: int

    @property
    def bias(self) -> np.ndarray:
        """That of the rule, int32 of shape (K,)."""
        return self.rule.bias

    @property
    def dtype(self) -> type[np.integer]:
        """Storage type of the output."""
        return storage_dtype(self.low, self.high)

    def apply(self, psums: np.ndarray) -> np.ndarray:
        """Requantize psums, int32 of shape (N, K, P, Q), and look them up."""
        return looked_up(self.table, self.rule.apply(psums)).astype(self.dtype)


def looked_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Entries of a table, (1 or C, 256), for integers of eight bits, (N, C, H, W)."""
    index = values.astype(np.int64) & 255
    channels = np.arange(len(table))[:, None, None]
    found: np.ndarray = table[channels if len(table) > 1 else 0, index]
    return found
