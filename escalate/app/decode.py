"""decode: the arrays of a file that ``encode`` wrote."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from escalate.app.array_files import check_target, write_arrays
from escalate.compressors.array_file import unpack
from escalate.errors import DataError, StreamError
from workloads.read_file import read_bytes, refuse_unread


@dataclass(frozen=True, slots=True)
class Decoded:
    """One array of a file."""

    array: str
    dtype: str
    shape: tuple[int, ...]
    values: int


def decode(file: str | Path, out: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read coded arrays, and write them as an ``.npz`` file, or one of them as ``.npy``.

    Parameters
    ----------
    file : what ``encode`` wrote
    out : where to write; None to return them only

    Returns
    -------
    arrays by name, of the dtypes and shapes that were encoded

    Raises
    ------
    DataError, StreamError
        If the file is missing, torn or foreign, or ``out`` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from escalate.app.encode import encode
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = encode({"x": np.array([0.5, -2.0])}, out=f"{folder}/x.vbq", rate_penalty=1e-4)
    ...     decode(made.path)["x"].round(2).tolist()
    [0.49, -1.99]
    """
    source = Path(file)
    refuse_unread(source, DataError)
    try:
        coded = unpack(read_bytes(source))
    except StreamError as error:
        raise StreamError(f"{source}: {error}") from None
    if out is not None:
        check_target(Path(out), len(coded))
    arrays = {name: array.values() for name, array in coded.items()}
    if out is not None:
        write_arrays(Path(out), arrays)
    return arrays


def described(arrays: dict[str, np.ndarray]) -> list[Decoded]:
    """What the arrays are."""
    return [Decoded(name, str(a.dtype), a.shape, a.size) for name, a in arrays.items()]
