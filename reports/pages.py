"""pages: the parts of pages: tables, figures in two widths, templates, and writing whole files."""

import base64
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import plot
from reports.quantity import Quantity, heading, quantity

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and whether its cells are right-aligned as numbers."""

    name: str
    heading: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text, with their sort keys; the first cell of a row is its heading."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Quantity, ...], ...]


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """The columns ``names`` of ``rows``, without those that no row has."""
    used = [name for name in names if any(name in row for row in rows)]
    cells = tuple(tuple(quantity(name, row.get(name)) for name in used) for row in rows)
    columns = tuple(
        Column(name, heading(name), bool(cells) and all(row[i].numeric for row in cells))
        for i, name in enumerate(used)
    )
    return Table(columns, cells)


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure in two widths, with its heading; the style sheet shows the width that fits."""

    heading: str
    name: str
    wide: "Markup"
    narrow: "Markup"
    caption: str = ""
    unfolded: bool = True


def panel(title: str, name: str, draw: Callable[..., str], **rest: Any) -> Panel:
    """Draw a figure in both widths; ``rest`` are more fields of the panel."""
    from markupsafe import Markup

    wide = draw(name=name, width_px=plot.WIDE_PX)
    narrow = draw(name=f"{name}-narrow", width_px=plot.NARROW_PX)
    return Panel(title, name, Markup(wide), Markup(narrow), **rest)


@dataclass(frozen=True, slots=True)
class Script:
    """A script of a page, and the digest by which the page's security policy allows it."""

    text: "Markup"
    digest: str


def script(text: str) -> Script:
    """A script with its digest; a browser runs no other text.

    Examples
    --------
    >>> script("1;").digest
    'sha256-CImjRDTlhukYQ2AnxOi0wzgPhGQ3Mb3rVwJK24dFz1M='
    """
    from markupsafe import Markup

    # A browser reads every line end as one sign; the digest is of what it read.
    clean = text.replace("\r\n", "\n").replace("\r", "\n")
    digest = hashlib.sha256(clean.encode("utf-8")).digest()
    return Script(Markup(clean), f"sha256-{base64.b64encode(digest).decode('ascii')}")


def our_script(*files: str) -> Script:
    """Several files of ``templates/`` joined into one script."""
    folder = resources.files("reports").joinpath("templates")
    parts = [folder.joinpath(file).read_text("utf-8") for file in files]
    return script("\n".join(['\n"use strict";', *parts]))


def rendered(template: str, *, scripts: Sequence[Script] = (), **values: Any) -> str:
    """A template of this package filled with values, all of them escaped.

    Parameters
    ----------
    template : its file
    scripts : all that the page may run, in this order
    values : what the template asks for
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    ours = [our_script("theme.js"), *scripts]
    return environment.get_template(template).render(scripts=ours, **values)


def write_whole(path: str | Path, text: str) -> None:
    """Write a page, or any text, so that no reader ever sees a half-written file."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        Path(name).unlink(missing_ok=True)
