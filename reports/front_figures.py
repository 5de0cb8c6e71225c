"""front_figures: models of several methods as points: accuracy and divergence over bytes."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from reports import curve_plot
from reports.pages import Panel, panel
from reports.quantity import NO_BREAK, quantity

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
ORIGINAL = "original, FP32"
REFERENCE = "water filling"
ACROSS = "bytes on disk"
LEAST_SHARE, MOST_SHARE = 0.7, 1.4  # of the points' bytes, between which the reference is drawn
ACCURACY = (
    "Each point is a model; a line joins the models of one method. Accuracy is that of the integer "
    f"network; its 95{NO_BREAK}% interval is in the table and in the tips."
)
DIVERGENCE = (
    "The measured divergence of the answers from the original's. The dashed line is a reference: "
    "half the weighted squared error that independent Gaussian weights of each channel's power "
    "need for that many bytes (Gao et al., ICML 2019, theorems 2 and 3). To second order this is "
    "the divergence. It is not a bound: it counts only weights, without biases, scales, tables and "
    "headers; its decoder knows what each weight's error costs; real weights are not Gaussian; "
    "and retraining looks for other weights."
)


def _made(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["stored_bytes"] is not None]


def gained(rows: Sequence[Row]) -> str:
    """The measure of quality: accuracy, or agreement if there are no labels."""
    unknown = any(row["accuracy"] is None for row in _made(rows))
    return "agreement" if unknown else "accuracy"


def _tip(row: Row) -> str:
    """A model in words."""
    names = ["stored_bytes", "compression_ratio", gained([row]), "divergence"]
    names += ["latency_s", "energy_j"] if row["machine"] else []
    told = [quantity(name, row[name]).text for name in names]
    if row["accuracy"] is not None:
        told[2] += f" ({100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f})"
    told[3] = f"divergence {told[3]}"
    return f"{row['method']}: {', '.join(told)}" + (
        f" on {row['machine']}" if row["machine"] else ""
    )


def accuracy_frame(rows: Sequence[Row]) -> "pd.DataFrame":
    """Columns series, x (bytes), y (percent), tip; the original comes last."""
    import pandas as pd

    there, name = _made(rows), gained(rows)
    points = [(row["method"], row["stored_bytes"], 100 * row[name], _tip(row)) for row in there]
    if there:
        first = there[0]
        share = 1.0 if name == "agreement" else first["accuracy_original"]
        size = round(first["compression_ratio"] * first["stored_bytes"])
        tip = f"{ORIGINAL}: {quantity('x_bytes', size).text}, {quantity(name, share).text}"
        points.append((ORIGINAL, size, 100 * share, tip))
    return pd.DataFrame(points, columns=["series", "x", "y", "tip"])


def divergence_frame(rows: Sequence[Row], curve: Sequence[tuple[float, float]]) -> "pd.DataFrame":
    """Columns series, x (bytes), y (nats), tip, reference; the reference comes last.

    Parameters
    ----------
    rows : of models
    curve : bytes and nats of the reference; what lies far from all models is left out
    """
    import pandas as pd

    there = _made(rows)
    points: list[tuple[Any, ...]] = [
        (row["method"], row["stored_bytes"], row["divergence"], _tip(row), False) for row in there
    ]
    sizes = [row["stored_bytes"] for row in there] or [0]
    low, high = LEAST_SHARE * min(sizes), MOST_SHARE * max(sizes)
    points += [(REFERENCE, x, y, "", True) for x, y in curve if low <= x <= high]
    return pd.DataFrame(points, columns=["series", "x", "y", "tip", "reference"])


def front_panels(
    rows: Sequence[Row], curve: Sequence[tuple[float, float]], network: str
) -> list[Panel]:
    """Both figures; each only if there is a model to show."""
    if not _made(rows):
        return []
    name = gained(rows)
    first = partial(
        curve_plot.curves,
        accuracy_frame(rows),
        axes=(ACROSS, f"{name}, %"),
        description=f"{name} over bytes of {network}",
        log=(True, False),
    )
    second = partial(
        curve_plot.curves,
        divergence_frame(rows, curve),
        axes=(ACROSS, "divergence, nats per image"),
        description=f"Divergence of the answers over bytes of {network}",
        log=(True, True),
    )
    title = f"{name.capitalize()} over bytes"
    return [
        panel(title, "pareto", first, caption=ACCURACY),
        panel("Divergence over bytes", "distortion", second, caption=DIVERGENCE),
    ]
