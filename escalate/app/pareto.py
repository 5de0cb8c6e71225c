"""pareto: one network at several sizes; accuracy, bytes, cycles and energy of the same bits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalate.app.compress import Data, compress, options_of, retraining_file
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.results import ResultsError
from escalate.app.simulate import run_source
from escalate.app.sources import COMPRESSED, MANIFEST, ModelSource, SourceError, fed_form
from escalate.errors import DecompositionError
from escalate.footprint import compression_ratio
from escalate.model_file import bytes_on_disk, load
from escalate.retrain import EpochReport
from reports.table import totals
from workloads.integer import IntegerModel

if TYPE_CHECKING:
    import pandas as pd

CSV, FIGURE, POINTS = "pareto.csv", "pareto.svg", "points"
GOALS = {"accuracy": 1, "stored_bytes": -1, "cycles": -1, "energy_j": -1}
Watch = Callable[[float, EpochReport | None], None]


@dataclass(frozen=True, slots=True)
class Pareto:
    """One row per size, the plain 8-bit network first; rows say whether any other beats them."""

    network: str
    machine: str
    images: int
    rows: tuple[dict[str, Any], ...]

    def _repr_html_(self) -> str:
        from escalate.app.display import html_table

        told = f"{self.images} images on {self.machine}"
        return html_table(self.network, self.rows, tuple(self.rows[0]), (told,))

    def frame(self) -> "pd.DataFrame":
        """The rows as a frame; columns as in the CSV file."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def pareto(
    network: str,
    ratios: Sequence[float],
    *,
    checkpoint: str | Path | None = None,
    data: "str | Data" = "digits",
    out: str | Path = "pareto",
    machine: str = "basis_first",
    count: int = 1,
    device: str = "auto",
    watch: Watch | None = None,
    **options: Any,
) -> Pareto:
    """Compress a network to each ratio, simulate each result, and mark the front.

    Every size is a compressed model folder under ``out``/points, complete with its integers; one
    that is there already, made with the same options, is not made again, and a retraining that was
    killed goes on.

    Parameters
    ----------
    network, checkpoint, data, device : as for ``compress``
    ratios : how many times smaller than FP32, each above 1
    out : the folder
    machine : what the compressed models are simulated on
    count : images that are simulated, the first ones
    watch : called with the ratio at its start, and after every epoch with the report
    options : further fields of ``CompressOptions``

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    for ratio in ratios:
        options_of({**options, "ratio": ratio})
    if not ratios:
        raise DecompositionError("pareto: no ratio was given")
    choice = choose(machine)[0]
    if fed_form(choice.machine.name) != COMPRESSED:
        raise SourceError(
            f"{machine}: is fed the plain 8-bit network, every size would be the same"
        )
    target = Path(out)
    (target / POINTS).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    title = ""
    for ratio in sorted(set(ratios)):
        folder = target / POINTS / f"ratio-{ratio:g}"
        if watch is not None:
            watch(ratio, None)
        wanted = options_of({**options, "ratio": ratio}).model_dump(mode="json", exclude_none=True)
        model = _made(folder, wanted)
        if model is None:
            compress(
                network,
                checkpoint=checkpoint,
                data=data,
                out=folder,
                resume=retraining_file(folder).exists(),
                device=device,
                progress=None if watch is None else partial(watch, ratio),
                ratio=ratio,
                **options,
            )
            model = load(folder)
        title = model.graph.name
        source = ModelSource(folder.name, folder)
        run = run_source(source, choice, Feed(None, count)).run
        rows.append({"ratio": ratio} | _row(folder, model) | _costs(totals(run)))
    return Pareto(title, machine, count, tuple(front(rows)))


def _made(folder: Path, wanted: dict[str, Any]) -> IntegerModel | None:
    """The model that was made with these options, if there is one; refuses one of others."""
    if not (folder / MANIFEST).is_file():
        return None
    model = load(folder)
    if model.provenance.get("asked") != wanted:
        raise ResultsError(f"{folder}: was made with other options; choose another --out")
    return model


def _row(folder: Path, model: IntegerModel) -> dict[str, Any]:
    about: Any = model.provenance
    size, parameters = bytes_on_disk(folder), about["original_parameters"]
    return {
        "stored_bytes": size,
        "compression_ratio": compression_ratio(parameters, size),
        "accuracy": about["accuracy"]["compressed"],
        "agreement": about["accuracy"]["agreement_compressed"],
        "accuracy_original": about["accuracy"]["original"],
    }


def _costs(found: Any) -> dict[str, Any]:
    return {name: found[name] for name in ("cycles", "latency_s", "energy_j", "dram_bytes")}


def front(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with ``on_front``: whether no other is as good in all goals, better in one.

    Without labels agreement stands in for accuracy.

    Examples
    --------
    >>> rows = [{"accuracy": a, "stored_bytes": b, "cycles": 1, "energy_j": 1.0}
    ...         for a, b in ((0.9, 10), (0.8, 20), (0.7, 5))]
    >>> [row["on_front"] for row in front(rows)]
    [True, False, True]
    """

    def goals(row: dict[str, Any]) -> tuple[float, ...]:
        gained = row["agreement"] if row["accuracy"] is None else row["accuracy"]
        return (gained, *(sign * row[name] for name, sign in list(GOALS.items())[1:]))

    def beats(left: dict[str, Any], right: dict[str, Any]) -> bool:
        pairs = list(zip(goals(left), goals(right), strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [row | {"on_front": not any(beats(other, row) for other in rows)} for row in rows]


def write_pareto(found: Pareto, target: Path) -> None:
    """The rows as CSV and a figure of accuracy over bytes, beside the points."""
    import pandas as pd

    from reports.plot import curves

    frame = found.frame()
    gained = "agreement" if frame["accuracy"].isna().any() else "accuracy"
    points = pd.DataFrame(
        {
            "series": ["size and accuracy" for _ in found.rows],
            "x": frame["stored_bytes"],
            "y": 100 * frame[gained],
            "tip": [
                f"{row['compression_ratio']:.1f}x: {row['stored_bytes']} B, "
                f"{100 * row[gained]:.2f} %, {row['cycles']} cycles, {row['energy_j']:.3g} J"
                for row in found.rows
            ],
        }
    )
    figure = curves(
        points,
        axes=("bytes on disk", f"{gained}, %"),
        name="pareto",
        description=f"{gained} over bytes of {found.network}",
        log=(True, False),
    )
    for name, text in ((CSV, frame.to_csv(index=False)), (FIGURE, figure)):
        part = target / f".{name}.part"
        part.write_text(text, "utf-8")
        part.replace(target / name)
