"""encode: float arrays in as many bytes as are allowed, by variational Bayesian quantization."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from escalate.app.array_files import read_arrays
from escalate.app.new_file import check_writable, new_file
from escalate.compressors import symbols
from escalate.compressors.array_file import pack, unpack
from escalate.compressors.arrays import (
    check,
    coarsest,
    fit_multiples,
    fit_points,
    to_multiples,
    to_points,
)
from escalate.compressors.code_points import LONGEST, distortion
from escalate.errors import DataError, DecompositionError

if TYPE_CHECKING:
    import pandas as pd

Source = str | Path | Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of quantizing achieves.

    Parameters
    ----------
    code : ``variable precision``, or ``uniform``: the nearest multiples of one step
    stored_bytes : of the whole file
    bits_per_value : of the file
    entropy_bits_per_value : the empirical entropy of the numbers in it, a lower bound
    mean_squared_error : over all values
    weighted_error : mean of (z - mu)^2 / (2 sigma^2), nats per value
    rate_penalty : lambda, None of uniform steps
    step : None of variable precision
    """

    code: str
    stored_bytes: int
    bits_per_value: float
    entropy_bits_per_value: float
    mean_squared_error: float
    weighted_error: float
    rate_penalty: float | None
    step: float | None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file of coded arrays, and what it holds."""

    path: Path
    arrays: int
    values: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def frame(self) -> "pd.DataFrame":
        """The rows as a frame."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


@dataclass(frozen=True, slots=True)
class Size:
    """How large a file may be; one of the three is given.

    Raises
    ------
    DecompositionError
        If it is not one, or out of range.
    """

    stored_bytes: int | None = None
    bits_per_value: float | None = None
    rate_penalty: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.stored_bytes, self.bits_per_value) if value is not None]
        if len(given) + (self.rate_penalty is not None) != 1:
            raise DecompositionError(
                "size: wanted one of --bytes, --bits-per-value and --rate-penalty"
            )
        if given and not 0 < given[0] < np.inf:
            raise DecompositionError(f"size: {given[0]}, wanted finite and above 0")

    def budget(self, values: int) -> int | None:
        """Bytes for so many values, rounded down; None where a penalty is given.

        Examples
        --------
        >>> Size(bits_per_value=2.5).budget(7)
        2
        """
        if self.bits_per_value is not None:
            return int(self.bits_per_value * values / 8)
        return self.stored_bytes


def encode(
    arrays: Source,
    *,
    out: str | Path,
    variances: Source | None = None,
    deviation: float | None = None,
    stored_bytes: int | None = None,
    bits_per_value: float | None = None,
    rate_penalty: float | None = None,
    longest: int = LONGEST,
    passes: int = 2,
) -> Encoded:
    """Quantize arrays, write them into one file, and measure it beside uniform quantization.

    Parameters
    ----------
    arrays : an ``.npy`` or ``.npz`` file, or arrays by name; floats of 16, 32 or 64 bits, finite
    out : the file, which ``decode`` reads
    variances : likewise, > 0, of the same names and shapes: how uncertain each value is
    deviation : or one standard deviation for all; 1 if nothing is given
    stored_bytes, bits_per_value : the most that the file may have
    rate_penalty : or lambda, for each bit, in nats
    longest, passes : as for :func:`escalate.compressors.code_points.quantize`

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.

    Examples
    --------
    >>> import tempfile
    >>> words = {"words": np.random.default_rng(0).normal(size=(1000, 10)).astype(np.float32)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = encode(words, out=Path(folder) / "words.vbq", bits_per_value=3)
    >>> found.values, found.rows[0].stored_bytes <= 3750, found.rows[1].code
    (10000, True, 'uniform')
    """
    size = Size(stored_bytes, bits_per_value, rate_penalty)
    means = _arrays(arrays)
    check(means)
    sigmas = _deviations(means, variances, deviation)
    count = sum(array.size for array in means.values())
    target = Path(out)
    if target.is_dir():
        raise DataError(f"--out {target}: is a folder, wanted a file")
    check_writable(target)
    penalty, whole = _variable(means, sigmas, size, longest, passes)
    step, uniform = _uniform(means, len(whole))
    rows = (
        Row("variable precision", *_measured(means, sigmas, whole), penalty, None),
        Row("uniform", *_measured(means, sigmas, uniform), None, step),
    )
    with new_file(target) as aside:
        aside.write_bytes(whole)
    alike = variances is None
    notes = ("no variances: all values are taken to be equally uncertain",) if alike else ()
    return Encoded(target, len(means), count, rows, notes)


def _variable(
    means: Mapping[str, np.ndarray],
    sigmas: Mapping[str, np.ndarray | float],
    size: Size,
    longest: int,
    passes: int,
) -> tuple[float, bytes]:
    """The file of values that are as long as they need to be, and its rate penalty."""
    budget = size.budget(sum(array.size for array in means.values()))
    if budget is None:
        penalty = size.rate_penalty or 0.0
        return penalty, pack(to_points(means, sigmas, penalty, longest, passes))
    penalty, _, whole = fit_points(means, sigmas, budget, longest, passes)
    return penalty, whole


def _uniform(means: Mapping[str, np.ndarray], most: int) -> tuple[float, bytes]:
    """The file of multiples of one step, of so many bytes at most if it can be, and the step."""
    smallest = len(pack(to_multiples(means, coarsest(means))))
    step, _, whole = fit_multiples(means, max(most, smallest))
    return step, whole


def _arrays(source: Source) -> dict[str, np.ndarray]:
    """Arrays from a file, or as they were given."""
    if isinstance(source, Mapping):
        return {name: np.asarray(array) for name, array in source.items()}
    return read_arrays(Path(source))


def _deviations(
    means: Mapping[str, np.ndarray], variances: Source | None, deviation: float | None
) -> dict[str, np.ndarray | float]:
    """The standard deviations of each array."""
    if deviation is not None and not 0 < deviation < np.inf:
        raise DecompositionError(f"--deviation {deviation}: wanted finite and above 0")
    if variances is None:
        return dict.fromkeys(means, 1.0 if deviation is None else deviation)
    if deviation is not None:
        raise DecompositionError("variances: --variances and --deviation are both given")
    found = _arrays(variances)
    if len(means) == len(found) == 1:  # .npy files, which are named as it happens
        found = dict(zip(means, found.values(), strict=True))
    if set(means) != set(found):
        raise DataError(f"variances: of {', '.join(found)}, wanted of {', '.join(means)}")
    for name, array in found.items():
        if array.shape != means[name].shape:
            raise DataError(f"{name}: variances are {array.shape}, the values {means[name].shape}")
        if array.dtype.kind not in "fiu":
            raise DataError(f"{name}: variances are {array.dtype}, wanted numbers")
        fine = np.isfinite(array) & (array > 0)
        if not fine.all():
            raise DataError(f"{name}: a variance is {array[~fine][0]}, wanted finite and above 0")
    return {name: np.sqrt(array, dtype=np.float64) for name, array in found.items()}


def _measured(
    means: Mapping[str, np.ndarray], sigmas: Mapping[str, np.ndarray | float], whole: bytes
) -> tuple[int, float, float, float, float]:
    """Bytes, bits and entropy per value, and both errors of what a decoder makes of a file."""
    coded = unpack(whole)
    decoded = {name: array.values() for name, array in coded.items()}
    count = sum(array.size for array in means.values())
    entropy = sum(symbols.entropy_bits(array.numbers) for array in coded.values())
    squares = sum(float(distortion(means[n], 1.0, decoded[n]).sum()) * 2 for n in means)
    weighted = sum(float(distortion(means[n], sigmas[n], decoded[n]).sum()) for n in means)
    size = len(whole)
    return size, 8 * size / count, entropy / count, squares / count, weighted / count
