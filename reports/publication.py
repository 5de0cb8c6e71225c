"""publication: the tables in reports/published, with numbers that others measured or computed."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

from arch.cited import table_rows


def _text(file: str) -> str:
    return resources.files("reports").joinpath("published", file).read_text("utf-8")


@cache
def rows(file: str) -> tuple[Mapping[str, str], ...]:
    """The rows of one table, cells as text; a blank cell means unknown, never zero.

    Examples
    --------
    >>> rows("stonne_tpu_os.csv")[0]["array"]
    '8'
    """
    return table_rows(_text(file))


@cache
def remarks(file: str) -> tuple[str, ...]:
    """The remarks above a table: its source, the accepted band, and why.

    Examples
    --------
    >>> remarks("stonne_tpu_os.csv")[0].partition(",")[0]
    'STONNE'
    """
    lines = _text(file).splitlines()
    return tuple(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def row(file: str, **wanted: str) -> Mapping[str, str]:
    """The first row whose columns have the wanted values.

    Examples
    --------
    >>> row("stonne_tpu_os.csv", array="8", M="16")["cycles"]
    '140'
    """
    return next(
        entry for entry in rows(file) if all(entry[name] == text for name, text in wanted.items())
    )
