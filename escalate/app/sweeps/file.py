"""file: a sweep as its TOML file says it, every field checked; see docs/sweeps.md."""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from escalate.app.sweeps.axes import Mode, Range, SweepError
from escalate.app.sweeps.lines import Path as Where
from escalate.app.sweeps.lines import line_of, line_table
from workloads.number import MOST_SEED, shown
from workloads.read_file import read_text

MOST = 1_000_000  # points, and images of a batch
Count = Annotated[int, Field(ge=1, le=MOST)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
WITHIN = Field(ge=-(10**18), le=10**18)
One = bool | Annotated[int, WITHIN] | Annotated[float, WITHIN] | str  # a Scalar, within bounds
SOME = Field(min_length=1)
Values = One | Annotated[list[One], SOME] | Range
SYNTHETIC = ("coefficients", "activations", "weights", "kind")
TABLES = ("set", "synthetic")  # of axes
NAMES, VALUES = "a name or a list of names", "a value, a list of values or {min = A, max = B}"
WANTED = {
    "networks": NAMES,
    "sources": "a folder or a list of folders; a list of two is a compressed one and one "
    "of another method",
    "machines": NAMES,
    "presets": NAMES,
    "methods": NAMES,
    "images": NAMES,
    "mode": "'grid', 'list', 'random' or 'latin_hypercube'",
    "points": f"a whole number 1..{MOST}",
    "sampling_seed": "a whole number 0 to 1e18",
    "seed": "a whole number 0 to 1e18 or a list of them",
    "count": f"a whole number 1..{MOST} or a list of them",
    "basis": VALUES,
    "energy_table": "the name of a file",
    "input": "channels, rows and columns as CxHxW, for ONNX files",
    "output": "the name of an output, for ONNX files",
    "synthetic": f"a table [synthetic], each key with {VALUES}",
    "set": f"tables [set.MACHINE], each key with {VALUES}",
    "compress": "a table [compress]",
}


class SweepFile(BaseModel):
    """The keys of a sweep file.  A list is an axis, a single value goes with every point.

    Examples
    --------
    >>> SweepFile.model_validate({"networks": ["resnet18"], "seed": [0, 1]}).seed
    [0, 1]
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    networks: str | list[str] = []
    sources: str | list[str | list[str]] = []
    machines: str | list[str] = ["basis_first"]
    presets: str | list[str] = []
    mode: Mode = "grid"
    points: Count | None = None
    sampling_seed: Seed = 0
    seed: Seed | Annotated[list[Seed], SOME] | None = None
    basis: Values | None = None
    count: Count | Annotated[list[Count], SOME] | None = None
    images: str | Annotated[list[str], SOME] | None = None
    methods: str | list[str] = []
    energy_table: str | None = None
    input: str | None = None
    output: str | None = None
    synthetic: dict[str, Values] = {}
    set: dict[str, dict[str, Values]] = {}
    compress: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Written:
    """A sweep file with the lines of its keys.

    Parameters
    ----------
    name : as errors call it
    text : as read
    sweep : its fields
    lines : see ``line_table``
    """

    name: str
    text: str
    sweep: SweepFile
    lines: dict[Where, int]

    def line(self, *where: str | int) -> str:
        """The place of a key or of an element of a list, as errors begin.

        Examples
        --------
        >>> parse("seed = 3", "my.toml").line("seed")
        'my.toml:1'
        """
        found = line_of(self.lines, where)
        return self.name if found is None else f"{self.name}:{found}"


class Complaints:
    """Everything that is wrong with a file, so that one run names it all."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, problem: object) -> None:
        """One more line, unless it was said before."""
        line = f"{where}: {' '.join(str(problem).split())}"
        if line not in self.lines:
            self.lines.append(line)

    def attempt(self, where: str, act: Callable[[], Any], *, without: Iterable[str] = ()) -> Any:
        """What ``act`` returns; None where it refuses, whose message then loses a beginning."""
        try:
            return act()
        except (ValueError, TypeError) as error:
            text = str(error)
            for start in without:
                text = text.removeprefix(start)
            self.add(where, text)
            return None

    def settle(self) -> None:
        """Refuse the file if anything was wrong.

        Raises
        ------
        SweepError
            With a line for every complaint.
        """
        if self.lines:
            raise SweepError("\n".join(sorted(self.lines, key=_line_number)))


def _line_number(complaint: str) -> int:
    """Where a complaint's place has a number, that; else 0."""
    found = re.match(r".*?:(\d+): ", complaint)
    return int(found[1]) if found else 0


def read(path: Path) -> Written:
    """Read a sweep file.

    Raises
    ------
    SweepError
        A line for every key that is not as wanted: file, line, key, value, what is allowed.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise SweepError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SweepError(f"{path}: not a TOML file: {error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Written:
    """A sweep from the text of its file; errors as for ``read``."""
    try:
        entries = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SweepError(f"{name}: not a TOML file: {error}") from None
    lines = line_table(text)
    try:
        sweep = SweepFile.model_validate(entries)
    except ValidationError as error:
        raise SweepError("\n".join(_complaints(error, entries, lines, name))) from None
    return Written(name, text, sweep, lines)


def _complaints(
    error: ValidationError, entries: Any, lines: dict[Where, int], file: str
) -> list[str]:
    """One line per key, in the order of the file.

    A value that may have several forms is refused once for each; the complaint about an element of
    a list tells most, and of the others the last one.
    """
    found: dict[str, tuple[Where, Any]] = {}
    for each in error.errors():
        keys = _keys(each["loc"])
        name = ".".join(str(key) for key in keys if isinstance(key, str))
        if name not in found or len(keys) >= len(found[name][0]):
            found[name] = keys, each
    placed = [
        (line_of(lines, keys) or 0, _told(name, keys, each, entries))
        for name, (keys, each) in found.items()
    ]
    return [f"{file}:{line}: {told}" for line, told in sorted(placed)]


def _told(name: str, keys: Where, each: Any, entries: Any) -> str:
    """What a key was, and what is wanted."""
    value = entries
    for key in keys:
        value = value[key]
    if each["type"] == "extra_forbidden" and keys == each["loc"]:
        return f"unknown key {name!r}, allowed are {', '.join(SweepFile.model_fields)}"
    if isinstance(value, dict) and keys[0] in TABLES and len(keys) > 1:
        own = each["msg"].removeprefix("Value error, ")
        return (
            f"{name} = {shown(value)}: {own[0].lower()}{own[1:]} (a range is {{min = A, max = B}})"
        )
    return f"{name} = {shown(value)}: wanted {WANTED[str(keys[0])]}"


def _keys(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The keys of a complaint's place, without the names of the forms that were tried."""
    depth = {"set": 3, "synthetic": 2}.get(str(loc[0]), 1)
    numbers = [part for part in loc[depth:] if isinstance(part, int)]
    return (*loc[:depth], *numbers[:1])
