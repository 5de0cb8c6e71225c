"""compress: the models that a sweep makes first, one for each combination of ``[compress]``."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from escalate.app.code import part_digest
from escalate.app.images import DEFAULT
from escalate.app.make_model import make_model
from escalate.app.sources import MANIFEST
from escalate.app.sweeps.file import Complaints, Written
from escalate.capture.reading import reading_of
from escalate.compressors.registry import FIRST, compressor, compressor_names
from workloads.read_file import why_unread

if TYPE_CHECKING:
    from escalate.train.retrain import EpochReport

Side = Annotated[int, Field(ge=1, le=10**6)]
Units = Annotated[int, Field(ge=1, le=255)]
Channel = Annotated[float, Field(ge=-1e6, le=1e6)]


class Fixed(BaseModel):
    """What all models of a sweep are made from; more keys are options."""

    model_config = ConfigDict(extra="ignore", strict=True)

    network: str
    checkpoint: str | None = None
    data: str = DEFAULT
    device: str = "auto"
    input: str | None = None
    output: str | None = None
    size: list[Side] | None = Field(None, min_length=2, max_length=2)
    mean: list[Channel] | None = Field(None, min_length=1)
    std: list[Channel] | None = Field(None, min_length=1)
    limit: Side | None = None
    held_out: Side | None = None
    resize: Side | None = None
    units: Units = 1
    classes: str | None = None


FIXED = tuple(Fixed.model_fields)
DATA = FIXED[FIXED.index("size") :]  # fields of Data, beside its name
LISTS = ("keep_int8", "size", "mean", "std")  # whose value is a list by itself
NAMED = 8  # digits of the hash in a model's name
Watch = Callable[[str, "EpochReport | None"], None]


@dataclass(frozen=True, slots=True)
class Compression:
    """One model to make: its folder's name, what ``compress`` is told, and what it is made from."""

    name: str
    fixed: Mapping[str, Any]
    options: Mapping[str, Any]


def compressions(written: Written) -> tuple[Compression, ...]:
    """The models that a sweep file asks for, every option checked.

    Raises
    ------
    SweepError
        One line for each option that is not as wanted.
    """
    table, wrong = written.sweep.compress, Complaints()
    if not table:
        if written.sweep.methods:
            wrong.add(written.line("methods"), "methods: goes with [compress]")
        wrong.settle()
        return ()
    fixed = {key: table[key] for key in FIXED if key in table}
    _check_fixed(written, table, wrong)
    for key in ("network", "checkpoint", "classes"):
        _check_file(written, key, fixed.get(key), wrong)
    found = []
    for options in _combinations(written):
        where = written.line("compress")
        checked = wrong.attempt(where, partial(_checked, options), without=("--",))
        if checked is not None:
            found.append(_named(fixed, checked))
    wrong.settle()
    return tuple({each.name: each for each in found}.values())


def _check_fixed(written: Written, table: Mapping[str, Any], wrong: Complaints) -> None:
    """A complaint for every key that all models share and that is not of its kind."""
    try:
        Fixed.model_validate(table)
    except ValidationError as error:
        for each in error.errors():
            key = str(each["loc"][0])
            told = f"compress.{key} = {table.get(key)!r}: {each['msg'].lower()}"
            if each["type"] == "missing":
                told = f"compress.{key}: missing, wanted a name or file"
            wrong.add(written.line("compress", key), told)


def _check_file(written: Written, key: str, word: Any, wrong: Complaints) -> None:
    """A file that is named must be there before anything runs."""
    file = _file(word)
    named = key != "network" or file.suffix in (".py", ".onnx")
    unread = why_unread(file) if word and named else None
    if unread is not None:
        wrong.add(written.line("compress", key), f"compress.{key} = {word!r}: {unread}")


def _file(word: Any) -> Path:
    """The file that a network or checkpoint would be, without the name of a factory in it."""
    text = str(word or "")
    return Path(text.rpartition(":")[0] if ".py:" in text else text)


def _combinations(written: Written) -> Iterator[dict[str, Any]]:
    """Every combination of the listed options."""
    table, methods = written.sweep.compress, written.sweep.methods
    axes = {
        key: value if isinstance(value, list) and key not in LISTS else [value]
        for key, value in table.items()
        if key not in FIXED
    }
    if methods:
        axes["method"] = [methods] if isinstance(methods, str) else methods
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that have no meaning for the method."""
    from escalate.app.recipe import options_of
    from escalate.recipe.options import meaningless

    method = options.get("method", FIRST)
    without = meaningless(method) if method in compressor_names() else ()
    kept = {key: value for key, value in options.items() if key not in without}
    options_of(kept)
    return kept


def _named(fixed: Mapping[str, Any], options: Mapping[str, Any]) -> Compression:
    method = str(options.get("method", FIRST))
    code = part_digest(compressor(method))
    identity = json.dumps([fixed, options, _files(fixed), code], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:NAMED]
    return Compression(f"{method}-{digest}", fixed, options)


def _files(fixed: Mapping[str, Any]) -> list[str]:
    """Digests of the files that a model is made from."""
    paths = [_file(fixed.get(key)) for key in ("network", "checkpoint", "classes")]
    return [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths if p.is_file()]


def make(each: Compression, folder: Path, watch: Watch | None = None) -> Path:
    """Compress into ``folder``, unless that was done before; a killed retraining goes on.

    Raises
    ------
    ValueError
        A subclass of ours, for anything that cannot be.
    """
    target = folder / each.name
    if (target / MANIFEST).is_file():
        return target
    from escalate.app.data import Data

    data = Data(
        str(each.fixed.get("data", DEFAULT)),
        **{key: _tupled(each.fixed[key]) for key in DATA if key in each.fixed},
    )
    if watch is not None:
        watch(each.name, None)
    return make_model(
        target,
        each.fixed["network"],
        each.options,
        data=data,
        checkpoint=each.fixed.get("checkpoint"),
        device=each.fixed.get("device", "auto"),
        reading=reading_of(each.fixed.get("input"), each.fixed.get("output")),
        progress=None if watch is None else lambda report: watch(each.name, report),
    )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
