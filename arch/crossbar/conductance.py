"""The analog view: integers as conductances, column currents, and back to the same integers.

Level 0 is ``conductance_min_us``, not zero; level j lies j equal steps above it.  The current of a
column is the sum of voltage x conductance over the rows that are driven together; that of the
reference column, whose cells are all at level 0, is subtracted, and the ADC rounds what is left to
whole steps.  Signs are two arrays whose codes are subtracted.  No wire resistance, no noise.

Rule: specification/crossbar.md, XBR-5.
"""

import numpy as np

from arch.crossbar.digits import split
from arch.crossbar.layout import phase_starts
from arch.crossbar.spec import WORD_BITS, CrossbarSpec
from arch.errors import OperandError

LARGEST = 1 << WORD_BITS - 1  # magnitude of a weight


def levels(weights: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """Levels of the cells, uint8 (2 signs, slices, rows, columns), lowest slice first.

    Parameters
    ----------
    weights : integers -128..128, shape (rows, columns)
    spec : CrossbarSpec

    Raises
    ------
    OperandError
        For a weight beyond that, whose levels no conductance stands for.

    Examples
    --------
    >>> levels(np.array([[35], [-3]]), CrossbarSpec()).tolist()
    [[[[3], [0]], [[2], [0]]], [[[0], [3]], [[0], [0]]]]
    """
    _check("weight", weights, -LARGEST, LARGEST, spec)
    signed = np.stack([np.maximum(weights, 0), np.maximum(-weights.astype(np.int16), 0)])
    shifts = (np.arange(spec.slices) * spec.cell_bits).reshape(-1, 1, 1)
    found: np.ndarray = (signed[:, None] >> shifts & spec.top_level).astype(np.uint8)
    return found


def _check(what: str, values: np.ndarray, low: int, high: int, spec: CrossbarSpec) -> None:
    """Refuse what no conductance stands for."""
    off = np.argwhere(~((values >= low) & (values <= high) & (values == np.rint(values))))
    if off.size:
        place = tuple(off[0].tolist())
        raise OperandError(
            f"{what} {values[place]} at {list(place)} has no conductance in "
            f"{spec.conductance_min_us:g}..{spec.conductance_max_us:g} uS, "
            f"wanted whole numbers {low}..{high} for cells of {spec.cell_bits} bits"
        )


def conductances(
    cells: np.ndarray,
    spec: CrossbarSpec,
    sigma: float = 0.0,
    source: np.random.Generator | None = None,
) -> np.ndarray:
    """Conductances of cells of these levels, float64 of the same shape, uS.

    Parameters
    ----------
    cells : integers 0..2^cell_bits - 1
    spec : CrossbarSpec
    sigma : relative standard deviation of a device
    source : of the mismatch; wanted where ``sigma`` is not 0

    Raises
    ------
    OperandError
        For a level that no conductance stands for, a negative ``sigma``, or one without a source.

    Examples
    --------
    >>> conductances(np.array([0, 15]), CrossbarSpec()).tolist()
    [0.1, 1.0]
    """
    if not 0 <= sigma < np.inf:
        raise OperandError(f"sigma is {sigma}, wanted a finite number that is not negative")
    _check("level", cells, 0, spec.top_level, spec)
    low, high = spec.conductance_min_us, spec.conductance_max_us
    exact = low + cells.astype(np.float64) / spec.top_level * (high - low)
    if sigma == 0:
        return exact
    if source is None:
        raise OperandError(f"sigma is {sigma}, wanted a source of random numbers beside it")
    varied: np.ndarray = exact * (1 + sigma * source.standard_normal(exact.shape))
    return varied


def codes(digits: np.ndarray, cells: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """What ADCs tell of columns whose rows are driven together, int64 (..., columns).

    Saturates at 0 and the largest code, which only mismatch can reach.

    Parameters
    ----------
    digits : integers, shape (..., rows)
    cells : float64 (rows, columns + 1), uS; the last column is the reference
    spec : CrossbarSpec
    """
    volts = digits.astype(np.float64) / spec.top_digit * spec.read_volts
    currents = volts @ cells  # uA
    step = (spec.conductance_max_us - spec.conductance_min_us) / spec.top_level
    unit = spec.read_volts / spec.top_digit * step
    left = (currents[..., :-1] - currents[..., -1:]) / unit
    return np.clip(np.rint(left), 0, spec.top_code).astype(np.int64)


def analog_psums(
    inputs: np.ndarray,
    weights: np.ndarray,
    spec: CrossbarSpec,
    sigma: float = 0.0,
    source: np.random.Generator | None = None,
) -> np.ndarray:
    """Psums of a matrix through conductances and currents, int64 (vectors, columns).

    Parameters
    ----------
    inputs : integers 0..255, shape (vectors, rows)
    weights : integers -128..127, shape (rows, columns)
    spec : CrossbarSpec, whose ADCs suffice for these weights
    sigma, source : see ``conductances``

    Examples
    --------
    >>> inputs, weights = np.array([[200, 3]]), np.array([[127, -1], [-128, 5]])
    >>> analog_psums(inputs, weights, CrossbarSpec()).tolist() == (inputs @ weights).tolist()
    True
    """
    cells = levels(weights, spec)
    beats = split(inputs, spec)
    starts = phase_starts(weights.shape[0], spec)
    total = np.zeros((inputs.shape[0], weights.shape[1]), np.int64)
    for first, last in zip(starts, [*starts[1:], weights.shape[0]], strict=True):
        for sign, scale in enumerate((1, -1)):
            for slice_ in range(spec.slices):
                part = cells[sign, slice_, first:last]
                part = np.concatenate([part, np.zeros((last - first, 1), np.uint8)], axis=1)
                found = codes(
                    beats[:, :, first:last], conductances(part, spec, sigma, source), spec
                )
                for beat in range(spec.beats):
                    shift = beat * spec.dac_bits + slice_ * spec.cell_bits
                    total += scale * (found[beat] << shift)
    return total


def psum_error(
    inputs: np.ndarray,
    weights: np.ndarray,
    spec: CrossbarSpec,
    sigma: float,
    source: np.random.Generator,
) -> float:
    """Root mean square error of psums with mismatched devices, over that of the psums themselves.

    Changes no count of the machine; 0 where ``sigma`` is.

    Examples
    --------
    >>> source = np.random.default_rng(0)
    >>> inputs, weights = np.array([[200, 3]]), np.array([[127, -1], [-128, 5]])
    >>> psum_error(inputs, weights, CrossbarSpec(), 0.0, source)
    0.0
    """
    exact = inputs.astype(np.int64) @ weights.astype(np.int64)
    off = (analog_psums(inputs, weights, spec, sigma, source) - exact).astype(np.float64)
    size = np.sqrt(np.mean(exact.astype(np.float64) ** 2))
    error = np.sqrt(np.mean(off**2))
    return float(error / size) if error else 0.0
