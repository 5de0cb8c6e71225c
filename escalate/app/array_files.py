"""array_files: float arrays by name in ``.npy`` and ``.npz`` files."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from escalate.app.new_file import check_writable, new_file
from escalate.errors import DataError
from workloads.npz import NPZ_ERRORS, reason
from workloads.read_file import refuse_unread

NPY, NPZ = ".npy", ".npz"


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; the one of an ``.npy`` file has the file's name.

    Raises
    ------
    DataError
        If there is no such file, or it holds no arrays that are read without running code.
    """
    refuse_unread(path, DataError)
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                return {path.stem: file}
            with file:
                return {name: np.asarray(file[name]) for name in file.files}
    except NPZ_ERRORS as error:
        raise DataError(f"{path}: not a readable {NPY} or {NPZ} file: {reason(error)}") from None


def check_target(path: Path, count: int) -> None:
    """Refuse a name that cannot hold so many arrays.

    Raises
    ------
    DataError
        If it is a folder's, ends otherwise, or is that of one array where there are several.
    OSError
        If it could not be written.
    """
    wanted = (NPY, NPZ) if count == 1 else (NPZ,)
    if path.suffix not in wanted or path.is_dir():
        raise DataError(f"--out {path}: wanted a file's name that ends in {' or '.join(wanted)}")
    check_writable(path)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, the same bytes for the same arrays.

    Raises
    ------
    DataError
        As ``check_target``.
    """
    check_target(path, len(arrays))
    with new_file(path) as aside, aside.open("wb") as stream:
        if path.suffix == NPY:
            (array,) = arrays.values()
            np.lib.format.write_array(stream, array, allow_pickle=False)
            return
        with zipfile.ZipFile(stream, "w") as whole:
            for name, array in arrays.items():
                with whole.open(f"{name}{NPY}", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
