"""Real ratios as integer multiplications and shifts: the numbers of requantizers and rescales."""

import math

import numpy as np

from escalate.errors import DecompositionError
from workloads.integer import Rescale
from workloads.requantize import Requantizer

INT32_MAX = np.iinfo(np.int32).max
MULTIPLIER_BITS = 30  # the largest |multiplier| of a layer lies in [2^29, 2^30)
MOST_SHIFT = 62
LARGEST_PRODUCT_BITS = 60  # of a bias below 2^31 and a multiplier of 2^29: it must reach the output
MULTIPLIER_TOLERANCE, BIAS_TOLERANCE = 1 / 8, 1 / 16  # output steps, see ``coarsened``
BIAS_ONLY_BITS = 10  # a channel without weights states its bias in 1/1024 of an output step


def multipliers(
    name: str, ratios: np.ndarray, most_shift: int = MOST_SHIFT
) -> tuple[np.ndarray, int]:
    """Integers m and one shift with m / 2^shift ~ ratios, the largest |m| in [2^29, 2^30).

    The shift never exceeds ``most_shift``, so that the smallest ratios come with fewer bits; the
    shift of ratios that are all zero is 30.

    Parameters
    ----------
    name : the node, for messages
    ratios : float64, shape (K,)
    most_shift : int, 30..62

    Returns
    -------
    multiplier : int32, shape (K,)
    shift : int, 0..62

    Raises
    ------
    DecompositionError
        If a ratio is not finite or reaches 2^30.

    Examples
    --------
    >>> found, shift = multipliers("conv1", np.array([0.75, -0.375]))
    >>> found.tolist() == [3 * 2**28, -3 * 2**27], shift
    (True, 30)
    """
    largest = float(np.abs(ratios).max(initial=0.0))
    if not math.isfinite(largest) or largest >= 2.0**MULTIPLIER_BITS:
        raise DecompositionError(f"{name}: scale ratio {largest} is no number below 2^30")
    shift = MULTIPLIER_BITS
    if largest > 0:
        shift = min(MULTIPLIER_BITS - math.frexp(largest)[1], most_shift)
        if round(largest * 2.0**shift) == 1 << MULTIPLIER_BITS:
            shift -= 1
    if shift < 0:
        raise DecompositionError(f"{name}: scale ratio {largest} is no number below 2^30")
    return np.rint(ratios * 2.0**shift).astype(np.int32), shift


def rescale(name: str, ratio: float) -> Rescale:
    """One operand's ratio of scales as a Rescale.

    Examples
    --------
    >>> rescale("add1", 0.5) == Rescale(2**29, 30)
    True
    """
    multiplier, shift = multipliers(name, np.array([ratio]))
    return Rescale(int(multiplier[0]), shift)


def psum_bounds(weights: np.ndarray, low: int, high: int) -> np.ndarray:
    """Largest |psum| per output channel for inputs in low..high (low <= 0 <= high), int64.

    Parameters
    ----------
    weights : integers, shape (K, C/groups, R, S)

    Examples
    --------
    >>> psum_bounds(np.array([[[[3]], [[-1]]]]), 0, 255).tolist()
    [765]
    """
    wide = weights.astype(np.int64)
    positive = np.maximum(wide, 0).sum(axis=(1, 2, 3))
    negative = np.maximum(-wide, 0).sum(axis=(1, 2, 3))
    upper = positive * high - negative * low
    lower = negative * high - positive * low
    return np.maximum(upper, lower)


def requantizer(
    name: str, ratios: np.ndarray, offsets: np.ndarray, bounds: np.ndarray, low: int, high: int
) -> tuple[Requantizer, np.ndarray]:
    """The requantizer y = psum * ratio + offset, rounded and clamped.

    The bias stands in units of a psum: bias_int = round(offset / ratio), with the ratio that the
    integer multiplier really has.  Two kinds of channel
    have no such number.  Where the ratio is 0 (no weights) the multiplier is a power of two that
    states the offset in 1/1024 of an output step, or as finely as the layer's shift allows.
    Where a channel's ratio is so small that bias_int would leave 32 bits, its psum could move the
    output by less than ``bounds`` / 2^31 of the offset; its weights are dropped (second result)
    and it becomes a channel of the first kind.

    Parameters
    ----------
    name : the node, for messages
    ratios : float64, shape (K,): value of one psum in output steps
    offsets : float64, shape (K,): the bias in output steps
    bounds : int64, shape (K,): largest |psum| that the layer's inputs allow
    low, high : bounds of the output

    Returns
    -------
    requantizer : Requantizer
    dropped : bool, shape (K,): channels whose weights must be stored as zeros

    Raises
    ------
    DecompositionError
        If a psum itself may leave 32 bits, or a ratio is not representable.

    Examples
    --------
    >>> rule, dropped = requantizer("conv1", np.array([0.5, 0.0]), np.array([3.0, 7.0]),
    ...                             np.array([100, 0]), 0, 255)
    >>> rule.apply(np.array([[[[10]], [[0]]]], np.int32)).ravel().tolist(), dropped.tolist()
    ([8, 7], [False, False])
    """
    if bounds.max(initial=0) > INT32_MAX:
        channel = int(np.argmax(bounds))
        raise DecompositionError(
            f"{name}: psums of output channel {channel} may reach {bounds[channel]}, "
            "which leaves 32 bits"
        )
    widest = max(high, -low).bit_length()
    multiplier, shift = multipliers(name, ratios, LARGEST_PRODUCT_BITS - widest)
    with np.errstate(divide="ignore", invalid="ignore"):
        actual = multiplier / 2.0**shift
        wanted = np.rint(_useful(offsets, actual, bounds, low, high) / actual)
    silent = ~(np.abs(wanted) + bounds <= INT32_MAX)  # NaN and infinity where the ratio is 0
    power = min(max(shift - BIAS_ONLY_BITS, 0), MULTIPLIER_BITS - 1)
    limited = np.clip(offsets, low - 1.0, high + 1.0)
    alone = np.clip(np.rint(limited * 2.0 ** (shift - power)), -INT32_MAX, INT32_MAX)
    multiplier = np.where(silent, 1 << power, multiplier).astype(np.int32)
    bias = np.where(silent, alone, wanted).astype(np.int32)
    dropped = silent & (bounds > 0)
    return Requantizer(multiplier, bias, shift, low, high), dropped


def _useful(
    offsets: np.ndarray, ratios: np.ndarray, bounds: np.ndarray, low: int, high: int
) -> np.ndarray:
    """Offsets without the part that only drives a channel deeper into its clamp."""
    reach = np.abs(ratios) * bounds + 1.0
    return np.clip(offsets, low - reach, high + reach)


def coarsened(rule: Requantizer, bounds: np.ndarray) -> Requantizer:
    """The same requantizer in fewer bits: low bits that no output needs are dropped.

    Multipliers and shift lose as many bits as move no output by more than 1/8 step, biases as many
    as move none by more than 1/16; so a stored multiplier takes some 12 bits instead of 31.

    Parameters
    ----------
    rule : Requantizer
    bounds : int64, shape (K,): largest |psum| that the layer's inputs allow

    Examples
    --------
    >>> rule, _ = requantizer("a", np.array([0.01]), np.array([7.0]), np.array([9000]), 0, 255)
    >>> small = coarsened(rule, np.array([9000]))
    >>> (int(rule.multiplier[0]), rule.shift), (int(small.multiplier[0]), small.shift)
    ((687194767, 36), (655, 16))
    """
    multiplier, bias = rule.multiplier.astype(np.int64), rule.bias.astype(np.int64)
    ratios = np.abs(multiplier) / 2.0**rule.shift
    span = rule.high - rule.low + 1
    with np.errstate(divide="ignore"):
        largest = np.minimum(bounds + np.abs(bias), span / ratios).max(initial=0.0)
    spare = _floor_log2(2 * MULTIPLIER_TOLERANCE * 2.0**rule.shift / max(largest, 1.0))
    bits = min(max(spare, 0), rule.shift)
    if bits:
        multiplier = (multiplier + (1 << (bits - 1))) >> bits
    step = max(_floor_log2(2 * BIAS_TOLERANCE / max(ratios.max(initial=0.0), 2.0**-31)), 0)
    rounded = ((bias + (1 << step >> 1)) >> step) << step
    if (np.abs(rounded) + bounds <= INT32_MAX).all():
        bias = rounded
    return Requantizer(
        multiplier.astype(np.int32), bias.astype(np.int32), rule.shift - bits, rule.low, rule.high
    )


def _floor_log2(value: float) -> int:
    return math.frexp(value)[1] - 1
