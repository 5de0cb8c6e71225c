"""display: what a notebook shows of objects of the Python API: a table and remarks."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from escalate.compressors.registry import compressor
from reports.quantity import heading, quantity

if TYPE_CHECKING:
    from escalate.app.compressed import Compressed


def html_table(
    title: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str], notes: Sequence[str] = ()
) -> str:
    """The columns ``names`` of ``rows`` as HTML; everything that is not ours is escaped.

    Examples
    --------
    >>> html_table("a<b", [{"layer": "conv1"}], ["layer"])
    '<p><b>a&lt;b</b></p><table><tr><th>layer</th></tr><tr><td>conv1</td></tr></table>'
    """
    head = "".join(f"<th>{escape(heading(name))}</th>" for name in names)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(quantity(name, row.get(name)).text)}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    told = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<p><b>{escape(title)}</b></p><table><tr>{head}</tr>{body}</table>{told}"


def form_rows(made: "Compressed") -> list[dict[str, Any]]:
    """Accuracy and size of the three forms of a network."""
    sizes = (
        (4 * made.parameters, 1.0),
        (made.int8_bytes, made.int8_ratio),
        (made.bytes, made.compression_ratio),
    )
    forms = (
        ("original, FP32", made.original),
        ("8 bit", made.int8),
        (compressor(made.method).form, made.compressed),
    )
    return [
        {
            "form": form,
            "accuracy": scores.accuracy,
            "agreement": scores.agreement,
            "sqnr_db": None if math.isinf(scores.sqnr_db) else scores.sqnr_db,
            "stored_bytes": stored,
            "compression_ratio": ratio,
        }
        for (form, scores), (stored, ratio) in zip(forms, sizes, strict=True)
    ]
