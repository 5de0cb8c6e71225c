"""labels: which of a network's outputs the class of a picture is.

One rule for every command.  A ``labels.csv`` says it file by file.  Else names of the outputs say
it: those of ``--classes FILE``, or those that are stored with the model.  Else there must be a
class folder for every output, and they are numbered in the order of their names.  Where none of
that holds the class is unknown, and it is told why.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from escalate.errors import DataError
from workloads.load import class_folders, image_files
from workloads.read_file import read_text

TABLE = "labels.csv"  # beside the pictures: file, class_index
FILE, INDEX = "file", "class_index"  # its columns
ASKED = f"say which is which by --classes FILE (a name in each line) or a {TABLE}"
MOST_CLASSES = 1_000_000
SHOWN = 3  # names that a message lists


@dataclass(frozen=True, slots=True)
class Classes:
    """What is known of a network's outputs.

    Parameters
    ----------
    outputs : how many there are; None where nobody knows yet
    names : of the classes in the order of the outputs; none where they are unknown
    source : who says so
    """

    outputs: int | None = None
    names: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of the classes of some pictures.

    Parameters
    ----------
    values : int64, shape (N,), output of each picture's class; None where that is unknown
    names : of the classes in the order of the outputs; none where they are unknown
    reason : why ``values`` are None
    """

    values: np.ndarray | None = None
    names: tuple[str, ...] = field(default=())
    reason: str = ""


def listed_classes(path: str | Path, outputs: int) -> Classes:
    """The names in a file, a line for each output.

    Raises
    ------
    DataError
        If the file cannot be read, repeats a name, or has not one for each output.
    """
    path = Path(path)
    names = tuple(line.strip() for line in _lines(path) if line.strip())
    if len(names) != outputs:
        raise DataError(f"{path}: {len(names)} names of classes, the network has {outputs} outputs")
    _check_once(path, names)
    return Classes(outputs, names, str(path))


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, "utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is no text in UTF-8") from None


def _check_once(path: Path, names: Sequence[str]) -> None:
    known: set[str] = set()
    for name in names:
        if name in known:
            raise DataError(f"{path}: {name} stands there twice")
        known.add(name)


def bundled_labels(
    what: str, values: np.ndarray | None, names: Sequence[str], classes: Classes
) -> Labels:
    """The labels of a data set that knows its classes, by the rule above.

    Examples
    --------
    >>> bundled_labels("digits", np.array([1, 0]), ("0", "1"), Classes(3)).reason
    'digits: has 2 classes, the network has 3 outputs'
    >>> bundled_labels("x", np.array([1, 0]), ("a", "b"), Classes(2, ("b", "a"))).values.tolist()
    [0, 1]
    """
    if values is None:
        return Labels(reason=f"{what}: no labels")
    order = classes.names or tuple(names)
    if classes.outputs not in (None, len(order)) or not set(names) <= set(order):
        told = f"has {len(names)} classes, the network has {classes.outputs} outputs"
        if classes.outputs in (None, len(names)):
            told = f"its classes ({', '.join(names[:SHOWN])} …) are not those of the network"
        return Labels(names=classes.names, reason=f"{what}: {told}")
    places = np.array([order.index(name) for name in names], np.int64)
    return Labels(places[values], order)


def folder_labels(
    folder: Path, classes: Classes, count: int | None = None, beside: Path | None = None
) -> Labels:
    """The labels of the pictures in a folder, by the rule above.

    Parameters
    ----------
    folder : of pictures, or of class folders
    classes : what is known of the network's outputs
    count : of the first so many pictures, by name; all for None
    beside : the training part of a folder that is split, whose class folders then count

    Raises
    ------
    DataError
        If a ``labels.csv`` is not as it should be.
    WorkloadError
        If there is no picture, or one beside class folders.
    """
    files = image_files(folder)
    homes = class_folders(folder, files)
    files = files[:count]
    for place in (folder, *(() if beside is None else (folder.parent,))):
        if (place / TABLE).exists():
            return Labels(_listed(place / TABLE, files, classes.outputs), classes.names)
    if not homes:
        return Labels(
            names=classes.names,
            reason=f"{folder}: no labels; wanted one subfolder per class or a {TABLE}",
        )
    names = classes.names
    if not names:
        names = homes if beside is None else class_folders(beside, image_files(beside))
        if classes.outputs not in (None, len(names)):
            told = f"{len(names)} class folders, the network has {classes.outputs} outputs"
            return Labels(reason=f"{beside or folder}: {told}; {ASKED}")
    strange = [home for home in homes if home not in set(names)]
    if strange:
        source = classes.source or str(beside)
        told = f"no class of that name in {source} ({', '.join(names[:SHOWN])} …)"
        return Labels(names=classes.names, reason=f"{folder / strange[0]}: {told}; {ASKED}")
    places = {name: place for place, name in enumerate(names)}
    found = [places[file.relative_to(folder).parts[0]] for file in files]
    return Labels(np.array(found, np.int64), names)


def _listed(table: Path, files: Sequence[Path], outputs: int | None) -> np.ndarray:
    """Labels from a table, whose files are named as seen from where it lies."""
    known = _rows(table, MOST_CLASSES if outputs is None else outputs)
    names = [file.relative_to(table.parent).as_posix() for file in files]
    for name in names:
        if name not in known:
            raise DataError(f"{table}: has no class for {name}")
    return np.array([known[name] for name in names], np.int64)


def _rows(table: Path, outputs: int) -> Mapping[str, int]:
    """The class of every file in a table with the columns file and class_index."""
    try:
        rows = [row for row in csv.reader(_lines(table)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{table}: {error}") from None
    head = [cell.strip().lower().replace(" ", "_") for cell in (rows[0] if rows else [])]
    if FILE not in head or INDEX not in head:
        raise DataError(f"{table}: wanted a heading with the columns {FILE} and {INDEX}")
    places = head.index(FILE), head.index(INDEX)
    known: dict[str, int] = {}
    for row in rows[1:]:
        cells = [row[place].strip() if place < len(row) else "" for place in places]
        name, text = cells
        plain = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_CLASSES))
        if not name or not plain or int(text) >= outputs:
            told = f"wanted {FILE} and a {INDEX} 0..{outputs - 1}"
            raise DataError(f"{table}: {','.join(row)[:80]!r}: {told}")
        if known.setdefault(name, int(text)) != int(text):
            raise DataError(f"{table}: {name}: stands there with two classes")
    return known
