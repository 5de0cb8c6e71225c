"""Range: how one tensor's numbers become integers, zero point 0; and how it is chosen from data."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError
from escalate.train.settings import Calibration
from workloads.graph import Graph

PERCENTILE = 99.99  # Assumption: the share of magnitudes that "percentile" leaves unclipped
MSE_CANDIDATES = 80  # clips tried by "mse": maximum times 1/80, 2/80 .. 1
FLOAT_ERROR = 1e-9  # of a sum of squares, far more than rounding can make it
LOGIT_HEADROOM = 2.0  # Assumption: logits may grow to twice the largest one seen in calibration


@dataclass(frozen=True, slots=True)
class Range:
    """value = integer * scale, integer in low..high.

    Raises
    ------
    DecompositionError
        If the scale is no finite positive number, or zero lies outside low..high.

    Examples
    --------
    >>> Range(0.5, 0, 255).limit
    127.5
    """

    scale: float
    low: int
    high: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise DecompositionError(f"range: scale is {self.scale}, wanted a finite number > 0")
        if not self.low <= 0 < self.high:
            raise DecompositionError(f"range: {self.low}..{self.high} does not hold 0 and a step")

    @property
    def limit(self) -> float:
        """Largest number that is not clipped."""
        return self.scale * self.high

    @property
    def signed(self) -> bool:
        """Whether negative integers occur."""
        return self.low < 0


def choose_range(sample: np.ndarray, low: int, high: int, method: Calibration) -> Range:
    """The range for a tensor of which ``sample`` was seen.

    Parameters
    ----------
    sample : float, any shape; negative numbers count as clipped where low is 0
    low, high : the integers available: (0, 255), (-127, 127) or (-32768, 32767)
    method : ``max`` clips nothing, ``percentile`` clips the largest 0.01 % of the magnitudes,
        ``mse`` takes the clip with the smallest squared error on the sample

    Raises
    ------
    DecompositionError
        If the sample is empty or holds NaN or infinity.

    Examples
    --------
    >>> choose_range(np.array([0.0, 1.0, 25.5]), 0, 255, "max").scale
    0.1
    >>> choose_range(np.zeros(4), 0, 255, "mse").limit
    1.0
    """
    if sample.size == 0 or not np.isfinite(sample).all():
        raise DecompositionError(
            f"calibration sample of {sample.size} values is empty or not finite"
        )
    values = sample.astype(np.float64).ravel()
    magnitudes = np.abs(values) if low < 0 else np.maximum(values, 0.0)
    largest = float(magnitudes.max())
    if largest == 0.0:
        return Range(1.0 / high, low, high)
    if method == "percentile":
        clipped = float(np.percentile(magnitudes, PERCENTILE))
        return Range((clipped if clipped > 0 else largest) / high, low, high)
    if method == "mse":
        return Range(_least_squares_clip(magnitudes, largest, high) / high, low, high)
    return Range(largest / high, low, high)


def _least_squares_clip(magnitudes: np.ndarray, largest: float, high: int) -> float:
    """The candidate clip whose quantized magnitudes are nearest to the true ones."""
    clips = largest * np.arange(1, MSE_CANDIDATES + 1) / MSE_CANDIDATES
    at_least = _clipped_away(magnitudes, clips)
    errors = np.full(clips.size, np.inf)
    quantized = np.empty_like(magnitudes)
    for place in reversed(range(clips.size)):
        if at_least[place] > errors.min():
            continue  # what it clips away alone is more than another loses in all
        scale = clips[place] / high
        np.divide(magnitudes, scale, out=quantized)
        np.minimum(np.rint(quantized, out=quantized), high, out=quantized)
        np.multiply(quantized, scale, out=quantized)
        np.subtract(quantized, magnitudes, out=quantized)
        errors[place] = float(np.square(quantized, out=quantized).sum())
    return float(clips[int(np.argmin(errors))])


def _clipped_away(magnitudes: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """The squared error that comes from values beyond each clip, never too high.

    Parameters
    ----------
    magnitudes : float64 >= 0, a vector
    clips : float64, the multiples of the first one, rising

    Examples
    --------
    >>> magnitudes, clips = np.array([0.5, 2.5, 4.0]), np.array([1.0, 2.0, 3.0, 4.0])
    >>> _clipped_away(magnitudes, clips).round(6).tolist()
    [11.25, 4.25, 1.0, -0.0]
    """
    smaller = np.maximum(np.ceil(magnitudes / clips[0]) - 1, 0).astype(np.intp)  # clips than each
    squares = magnitudes**2
    sums = [
        np.bincount(smaller, weights, minlength=clips.size + 1)
        for weights in (None, magnitudes, squares)
    ]
    counts, first, second = (np.cumsum(each[::-1])[::-1][1 : clips.size + 1] for each in sums)
    found: np.ndarray = second - 2 * clips * first + clips**2 * counts
    return found - FLOAT_ERROR * squares.sum()


def logit_range(sample: np.ndarray) -> Range:
    """Sixteen-bit range for the network's output, so fine that ties between classes are rare.

    Assumption: logits leave the network as int16 with head-room 2 over the largest seen.

    Examples
    --------
    >>> logit_range(np.array([-3.0, 10.0])).limit
    20.0
    """
    seen = choose_range(np.abs(sample), 0, 32767, "max")
    return Range(seen.scale * LOGIT_HEADROOM, -32768, 32767)


def owner(graph: Graph, name: str) -> str:
    """The node that settles the range of the tensor ``name``.

    Some operators have a range of their own, all others pass on the range of what they read.
    """
    node = graph[name]
    return name if node.operator.owns_range else owner(graph, node.inputs[0])


def limits(graph: Graph, *, signed_input: bool) -> dict[str, tuple[int, int]]:
    """Lowest and highest integer of every tensor that has a range of its own.

    Eight bits, signed where negative numbers can occur; the network's output takes 16 bits,
    unless a convolution or a table reads the same tensor (their operands are eight bits wide).
    """
    signed: dict[str, bool] = {}
    found: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        operands = [signed[name] for name in node.inputs] or [signed_input]
        signed[node.name] = node.operator.signed(node, operands)
        if node.operator.owns_range:
            found[node.name] = (-127, 127) if signed[node.name] else (0, 255)
    last = owner(graph, graph.output.name)
    bytewise = [node for node in graph.nodes if node.layer is not None or node.operator.reads_bytes]
    shared = any(owner(graph, node.inputs[0]) == last for node in bytewise)
    if not shared and graph[last].inputs:
        found[last] = (-32768, 32767) if signed[last] else (0, 32767)
    return found


def tensor_ranges(graph: Graph, owned: Mapping[str, Range]) -> dict[str, Range]:
    """The range of every tensor, from the ranges of those that have their own.

    Raises
    ------
    DecompositionError
        If a tensor that has its own range is missing from ``owned``.
    """
    found: dict[str, Range] = {}
    for node in graph.nodes:
        operator = node.operator
        if operator.owns_range:
            if node.name not in owned:
                raise DecompositionError(f"{node.name}: the tensor has no calibrated range")
            found[node.name] = owned[node.name]
        else:
            found[node.name] = found[node.inputs[0]]
        if operator.rectifies(node) and operator.clamps:
            found[node.name] = _rectified(found[node.name], node.maximum)
    return found


def _rectified(before: Range, maximum: float | None) -> Range:
    """The range behind a ReLU, or behind a ReLU6 (``maximum`` 6.0); the scale is kept."""
    if maximum is None:
        return Range(before.scale, 0, before.high)
    return Range(before.scale, 0, max(1, min(before.high, round(maximum / before.scale))))
