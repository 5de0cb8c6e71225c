"""recipe: options of a compression as files and words give them."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arch.allowed import allowed
from escalate.app.machines import parsed
from escalate.compressors.options import Options
from escalate.compressors.registry import FIRST, compressor, compressor_names
from escalate.errors import DecompositionError
from escalate.recipe.options import compress_options, option_fields
from workloads.number import shown
from workloads.read_file import read_text


def options_in(path: str | Path) -> dict[str, Any]:
    """The options in a TOML file; a table by layer is a TOML table.

    Raises
    ------
    DecompositionError
        If the file cannot be read or holds a field that does not exist.
    """
    fields = read_options(path)
    check_fields(path, fields)
    return fields


def read_options(path: str | Path) -> dict[str, Any]:
    """What a TOML file holds, whatever it is.

    Raises
    ------
    DecompositionError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise DecompositionError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DecompositionError(f"{path}: is no TOML: {error}") from None


def check_fields(where: str | Path, fields: Iterable[str]) -> None:
    """Refuse fields that no method's options have.

    Raises
    ------
    DecompositionError
        Naming the first.
    """
    known = option_fields()
    for field in fields:
        if field not in known:
            raise DecompositionError(
                f"{where}: {field}: no such field, wanted one of {', '.join(known)}"
            )


def options_set(texts: Sequence[str]) -> dict[str, Any]:
    """The fields of ``FIELD=VALUE`` words, values as in TOML; a word without quotes is a text.

    Raises
    ------
    DecompositionError
        If a word is none, or names a field that does not exist or was named before.

    Examples
    --------
    >>> options_set(["clip=0.7", "group=[8, 1]", "structure=rows"])
    {'clip': 0.7, 'group': [8, 1], 'structure': 'rows'}
    """
    fields: dict[str, Any] = {}
    known = option_fields()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known or name in fields:
            told = ", ".join(known)
            raise DecompositionError(
                f"--set {text}: wanted FIELD=VALUE, each field once, of {told}"
            )
        fields[name] = _as_toml(value.strip())
    return fields


def _as_toml(text: str) -> Any:
    """A number or a word, or what TOML has in brackets or quotes; digits as in all files."""
    if text[:1] not in ("[", "{", '"', "'"):
        return parsed(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def options_of(values: Mapping[str, Any]) -> Options:
    """Options, those given as None left at their defaults.

    Raises
    ------
    DecompositionError
        One line: option, value, what is allowed.

    Examples
    --------
    >>> options_of({"density": 2})
    Traceback (most recent call last):
    escalate.errors.DecompositionError: --density 2: wanted a number above 0, to 1 or a table of \
these by layer, each a number above 0, to 1
    """
    given = {key: value for key, value in values.items() if value is not None}
    name = given.get("method", FIRST)
    if name not in compressor_names():
        *before, last = map(repr, compressor_names())
        raise DecompositionError(f"--method {name}: wanted {', '.join(before)} or {last}")
    try:
        return compress_options(**given)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        message = f"{message[0].lower()}{message[1:]}"
        if not first["loc"]:
            raise DecompositionError(message) from None
        field = str(first["loc"][0])
        kind = compressor(name).options
        if field in kind.model_fields and first["type"] != "value_error":
            message = f"wanted {allowed(kind, field)}"
        value = values.get(field, first["input"])
        told = shown(value).strip("'")
        raise DecompositionError(f"--{field} {told}: {message}") from None
