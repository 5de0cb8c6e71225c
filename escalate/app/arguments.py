"""arguments: what the Python functions take, as the command line would spell it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def settings_of(fields: Mapping[str, Any] | None) -> list[str]:
    """Fields as the command line writes them."""
    return [f"{name}={value}" for name, value in (fields or {}).items()]


def path_of(word: str | os.PathLike[str] | None) -> Path | None:
    """A file that may have been named."""
    return None if word is None else Path(word)


def listed(words: Paths) -> list[str]:
    """One word or several, as text."""
    if isinstance(words, str | os.PathLike):
        return [os.fspath(words)]
    return [os.fspath(word) for word in words]
