"""arrays: float arrays to code points or to multiples of a step, as many bytes as are allowed.

Every array has a Gaussian prior of its own; penalty and step are the same for all, as equal slopes
want it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from escalate.compressors.array_file import Multiples, Points, check_array, pack
from escalate.compressors.code_points import (
    LONGEST,
    check_posterior,
    choose,
    code_points,
    distortion,
)
from escalate.compressors.knob import largest
from escalate.compressors.priors import Gaussian
from escalate.errors import DecompositionError

OCTAVE = 64  # penalties or steps that are tried between one and its double
PENALTIES = 80 * OCTAVE  # down to 2^-80 of the one that leaves medians only, then 0
STEPS = 30 * OCTAVE  # down to multiples of 31 bits
Arrays = Mapping[str, np.ndarray]
Deviations = Mapping[str, np.ndarray | float]


def check(arrays: Arrays) -> None:
    """Refuse arrays that cannot be quantized, by name.

    Raises
    ------
    DecompositionError
        If there are none, or one is no array of finite floats.
    """
    if not arrays:
        raise DecompositionError("arrays: there are none")
    for name, array in arrays.items():
        check_array(name, array.dtype, array.size)
        if not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise DecompositionError(f"{name}: at {list(place)} is {array[place]}, wanted finite")


def to_points(
    arrays: Arrays, deviations: Deviations, penalty: float, longest: int = LONGEST, passes: int = 2
) -> dict[str, Points]:
    """The cheapest code points of arrays, as ``code_points.quantize`` finds them.

    Parameters
    ----------
    arrays : float, posterior means by name
    deviations : float > 0 by name, of the arrays' shapes or one for all
    penalty : lambda >= 0
    longest, passes : as for ``code_points.quantize``

    Raises
    ------
    DecompositionError
        Naming an array that cannot be quantized so.

    Examples
    --------
    >>> arrays = {"x": np.array([0.1, -2.0, 1.0], np.float32)}
    >>> to_points(arrays, {"x": 0.5}, 0.1)["x"].values()
    array([ 0.       , -1.9825207,  0.8716328], dtype=float32)
    """
    found = {}
    for name, array in arrays.items():
        with _named(name):
            prior = Gaussian.of(array)
            chosen = choose(array, deviations[name], code_points(prior, longest), penalty, passes)
        dtype = array.dtype.newbyteorder("<")
        found[name] = Points(chosen.points, dtype, prior.deviation, longest)
    return found


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Tell of which array an error is."""
    try:
        yield
    except DecompositionError as error:
        raise DecompositionError(f"{name}: {error}") from None


def to_multiples(arrays: Arrays, step: float) -> dict[str, Multiples]:
    """The nearest multiples of ``step`` > 0; in the middle of two it is the even one.

    Examples
    --------
    >>> to_multiples({"x": np.array([0.1, -2.0, 1.3])}, 0.5)["x"].values()
    array([ 0. , -2. ,  1.5])
    """
    return {
        name: Multiples(
            np.rint(array.astype(np.float64) / step).astype(np.int64),
            array.dtype.newbyteorder("<"),
            step,
        )
        for name, array in arrays.items()
    }


def coarsest(arrays: Arrays) -> float:
    """A step whose only multiple in reach of the values is 0.

    Examples
    --------
    >>> coarsest({"x": np.array([3.0, -4.0])})
    16.0
    """
    return 4 * max(float(np.abs(array).max()) for array in arrays.values())


def fit_points(
    arrays: Arrays,
    deviations: Deviations,
    budget: int,
    longest: int = LONGEST,
    passes: int = 2,
) -> tuple[float, dict[str, Points], bytes]:
    """The least penalty whose file has at most ``budget`` bytes: penalty, points, file.

    Raises
    ------
    DecompositionError
        If the smallest file there is has more; says how many.
    """
    dear = 0.0  # a penalty at which no bit is worth it
    for name, array in arrays.items():
        with _named(name):
            check_posterior(array, deviations[name])
        dear = max(dear, float(distortion(array, deviations[name], np.zeros(())).max()))

    def made(number: int) -> tuple[int, tuple[float, dict[str, Points], bytes]]:
        penalty = dear * 2.0 ** (-number / OCTAVE) if number < PENALTIES else 0.0
        points = to_points(arrays, deviations, penalty, longest, passes)
        whole = pack(points)
        return len(whole), (penalty, points, whole)

    return largest(made, budget, 0, PENALTIES, "file, medians only,")


def fit_multiples(arrays: Arrays, budget: int) -> tuple[float, dict[str, Multiples], bytes]:
    """The smallest step whose file has at most ``budget`` bytes: step, multiples, file.

    Raises
    ------
    DecompositionError
        If the smallest file there is has more; says how many.
    """
    widest = coarsest(arrays)

    def made(number: int) -> tuple[int, tuple[float, dict[str, Multiples], bytes]]:
        step = widest * 2.0 ** (-number / OCTAVE)
        multiples = to_multiples(arrays, step)
        whole = pack(multiples)
        return len(whole), (step, multiples, whole)

    return largest(made, budget, 0, STEPS, "file, zeros only,")
