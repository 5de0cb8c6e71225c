"""sensitivity: the rate-distortion curve of every layer, as rows and as a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalate.app.data import Data
from escalate.app.images import DEFAULT
from escalate.app.job import prepare
from escalate.app.recipe import options_of
from escalate.app.results import NewFolder
from escalate.capture.reading import reading_of
from escalate.compressors.compressor import Task, Watch
from escalate.compressors.escalate.budget import hull
from escalate.compressors.escalate.compressor import EscalateOptions
from escalate.compressors.escalate.curves import Point
from escalate.compressors.escalate.curves import sensitivity as measure
from escalate.errors import DecompositionError
from escalate.train.file_ranges import image_quantizer
from escalate.train.modules import float_module

if TYPE_CHECKING:
    import pandas as pd

CSV, FIGURE = "sensitivity.csv", "sensitivity.svg"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """One row per layer and form, and how many images they were measured on.

    Rows say whether the point is on the lower convex hull, which is what a budget chooses from.
    """

    network: str
    images: int
    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        from escalate.app.display import html_table

        hull = [row for row in self.rows if row["on_hull"]]
        names = tuple(name for name in hull[0] if name != "on_hull") if hull else ()
        return html_table(f"{self.network}: lower convex hulls", hull, names, self.notes)

    def frame(self) -> "pd.DataFrame":
        """The rows as a frame; columns as in the CSV file."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def sensitivity(
    network: str,
    *,
    checkpoint: str | Path | None = None,
    data: "str | Data" = DEFAULT,
    device: str = "auto",
    watch: Watch | None = None,
    input: str | Sequence[int] | None = None,
    output: str | None = None,
    **options: Any,
) -> Sensitivity:
    """Compress every layer on its own, in many forms, and measure what that does to the answers.

    Parameters
    ----------
    network, checkpoint, data, device, input, output : as for ``compress``
    watch : called with the layer, layers done, layers in all
    options : of the method escalate: scales, weighting, mixed, keep_int8, storage,
        calibration_images (how many images to measure on)

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    chosen = options_of(options)
    if not isinstance(chosen, EscalateOptions):
        raise DecompositionError(f"sensitivity: method {chosen.method} has no curves")
    where = data if isinstance(data, Data) else Data(data)
    reading = reading_of(input, output)
    job = prepare(network, checkpoint, where, chosen.seed, device, reading=reading)
    pixels = job.train.pixels[: chosen.calibration_images]
    image = image_quantizer(job.network, job.settings, job.train.pixels)
    original = float_module(job.network).to(job.device)
    curves = measure(Task(job.network, image, pixels, original), chosen, watch=watch)
    rows = [row for points in curves.values() for row in _rows(points)]
    notes = [note for note in job.notes if "accuracy" not in note]
    return Sensitivity(job.network.graph.name, len(pixels), tuple(rows), tuple(notes))


def _rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    chosen = set(hull(points))
    return [
        {
            "layer": point.layer,
            "form": str(point.form),
            "M": point.form.M or None,
            "density": None if point.form.bits else point.form.density,
            "bits": point.form.bits or None,
            "stored_bytes": point.bytes,
            "squared_error": point.squared_error,
            "divergence": point.divergence,
            "agreement": point.agreement,
            "on_hull": point in chosen,
        }
        for point in points
    ]


def check_target(target: Path) -> None:
    """Refuse a folder that is not ours, or cannot be written, before any work is done."""
    NewFolder(target, (CSV, FIGURE))


def write_sensitivity(found: Sensitivity, target: Path) -> None:
    """The rows as CSV and the hulls as a figure; an earlier folder of ours is replaced.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    import pandas as pd

    from reports.curve_plot import curves

    frame = found.frame()
    shown = frame[frame["on_hull"]]
    points = pd.DataFrame(
        {
            "series": shown["layer"],
            "x": shown["stored_bytes"],
            "y": shown["divergence"],
            "tip": shown["layer"] + ": " + shown["form"],
        }
    )
    with NewFolder(target, (CSV, FIGURE)) as folder:
        frame.to_csv(folder / CSV, index=False)
        figure = curves(
            points,
            axes=("bytes of the layer", "divergence of the answers, nats per image"),
            name="sensitivity",
            description=f"Divergence over bytes of every layer of {found.network}",
            log=(True, True),
        )
        (folder / FIGURE).write_text(figure, "utf-8")
