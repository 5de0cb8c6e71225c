"""svg: a drawing as one ``<svg>`` element for a page.

A figure has no background, its text and axes take the colour of their surroundings
(``currentColor``), fonts stay text, and the same drawing always gives the same bytes.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure

SENTINEL = "#010203"  # drawn in this colour, then replaced by currentColor
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
STYLE: dict[Any, Any] = {  # matplotlib lists its keys as one type of 400 names
    "axes.edgecolor": SENTINEL,
    "axes.labelcolor": SENTINEL,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.7,
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "grid.alpha": 0.18,
    "grid.color": SENTINEL,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "text.color": SENTINEL,
    "text.parse_math": False,
    "xtick.color": SENTINEL,
    "ytick.color": SENTINEL,
}
DARK_ALONE = "<style>@media (prefers-color-scheme: dark) { svg:root { color: #e6e6e6 } }</style>"


def printable(text: str) -> str:
    """``text`` with ``?`` for characters that XML does not allow."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "?", text)


def elided(text: str, most: int) -> str:
    """``text`` with its middle left out if it is too long.

    Examples
    --------
    >>> elided("features.denseblock4.denselayer16.conv2", 20)
    'features.d…r16.conv2'
    """
    clean = printable(text)
    if len(clean) <= most:
        return clean
    head = most // 2
    return f"{clean[:head]}…{clean[len(clean) - (most - head - 1) :]}"


def _svg(figure: Figure, name: str, description: str, tips: Mapping[str, str]) -> str:
    """The figure as one ``<svg>`` element with its own ids, a description and tool tips."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The reader's browser brings the glyphs; only widths are guessed without them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(SENTINEL, "currentColor").replace("'DejaVu Sans'", FONTS)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    for gid, tip in tips.items():
        opening = f'<g id="{name}-{gid}">'
        text = text.replace(opening, f"{opening}<title>{html.escape(printable(tip))}</title>")
    label = html.escape(printable(description), quote=True)
    text = text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return text.replace(">", f">{DARK_ALONE}", 1) + "\n"


def drawn(
    name: str,
    description: str,
    size_px: tuple[float, float],
    draw: Callable[[Figure], Mapping[str, str]],
) -> str:
    """A figure of the given size in pixels; ``draw`` draws it and returns tool tips by group id."""
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(size_px[0] / 72, size_px[1] / 72), layout="constrained")
        tips = draw(figure)
        return _svg(figure, name, description, tips)
