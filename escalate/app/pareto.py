"""pareto: one network by several methods at several sizes, on the machines that can run it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.simulate import NetworkRun
from escalate.app.data import Data
from escalate.app.feed import Feed
from escalate.app.fronts.models import Origin, made
from escalate.app.fronts.points import Point, Recipe, points_of
from escalate.app.fronts.reference import Reference
from escalate.app.fronts.rows import (
    Row,
    aligned,
    best_costs,
    full_row,
    machine_rows,
    model_row,
    with_front,
)
from escalate.app.fronts.stories import Story, differences, facts_of
from escalate.app.images import DEFAULT
from escalate.app.job import Job, prepare
from escalate.app.machines import Choice, choose_all
from escalate.app.new_file import check_writable
from escalate.app.simulate import Simulation, try_choices
from escalate.app.sources import MANIFEST, ModelSource, SourceError
from escalate.capture.reading import reading_of
from escalate.compressors.registry import compressor
from escalate.errors import BudgetError
from escalate.recipe.compression import byte_budget
from escalate.store.model_file import bytes_on_disk
from escalate.train.retrain import EpochReport

if TYPE_CHECKING:
    import pandas as pd

POINTS = "points"
Watch = Callable[[str, EpochReport | None], None]


@dataclass(frozen=True, slots=True)
class Pareto:
    """Methods side by side.

    Parameters
    ----------
    network : its name
    images : how many were simulated
    rows : one per method and size, the plain 8-bit network first; they say whether any other beats
        them, and why there is no model where there is none
    machine_rows : one per model and machine
    notes : what there is to say
    facts : what was compared, in words
    models : how each model was made
    runs : of every machine the first
    curve : bytes and divergence of the water-filling reference
    """

    network: str
    images: int
    rows: tuple[Row, ...]
    machine_rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    models: tuple[Mapping[str, Any], ...] = ()
    runs: tuple[NetworkRun, ...] = ()
    curve: tuple[tuple[float, float], ...] = ()

    def _repr_html_(self) -> str:
        from escalate.app.display import html_table

        return html_table(self.network, self.rows, tuple(self.rows[0]), self.notes)

    def frame(self) -> "pd.DataFrame":
        """The rows as a frame; columns as in the CSV file."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def pareto(
    network: str,
    ratios: Sequence[float],
    *,
    methods: Sequence[str] = ("escalate",),
    own: Mapping[str, Mapping[str, Any]] | None = None,
    checkpoint: str | Path | None = None,
    data: "str | Data" = DEFAULT,
    out: str | Path = "pareto",
    machines: Sequence[str] = ("basis_first",),
    count: int = 1,
    device: str = "auto",
    watch: Watch | None = None,
    input: str | Sequence[int] | None = None,
    output: str | None = None,
    **options: Any,
) -> Pareto:
    """Compress a network by each method to each ratio, simulate each result, and mark the front.

    Every model is a folder under ``out``/points, complete with its integers; one that is there
    already, made with the same options, is not made again, and a retraining that was killed goes
    on.  A model that came out within the next smaller budget as well is taken for both.  A size
    that a method cannot come down to is a row that says why.  The plain 8-bit network takes part,
    too.

    Machines with a basis run the models of methods with a basis, and all machines run the others,
    Basis-First in bypass.  A row has the costs of the machine with the lowest energy-delay product
    among those asked for; all others stand in ``machine_rows``.

    Parameters
    ----------
    network, checkpoint, data, device, input, output : as for ``compress``
    ratios : how many times smaller than FP32, each above 1
    methods, own : names, see ``escalate.compressors.registry``; by method, options for it alone
    out : the folder
    machines : names, ``name:preset``, paths of ``.toml`` files, or ``all`` alone
    count : images that are simulated, the first ones
    watch : called with the model's name at its start, and after every epoch with the report
    options : further options; each is left out for methods to which it means
        nothing

    Raises
    ------
    ValueError
        A subclass of ours, for anything that cannot be.
    """
    recipe = Recipe(options, own or {})
    points = points_of(methods, ratios, recipe)
    choices = choose_all(machines)
    _check_fitting(points, choices)
    where = data if isinstance(data, Data) else Data(data)
    seed = points[0].options.seed
    folder = Path(out) / POINTS
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder / "point")
    reading = reading_of(input, output)
    job = prepare(network, checkpoint, where, seed, device, reading=reading)
    origin = Origin(network, checkpoint, where, device, reading)
    contest = _Contest(origin, job, Reference(job, seed), choices, count, folder, watch)
    return contest.run(points)


def _check_fitting(points: Sequence[Point], choices: Sequence[Choice]) -> None:
    """Refuse a method whose models no machine runs."""
    for point in points:
        if not _fitting(point, choices):
            named = ", ".join(choice.machine.name for choice in choices)
            raise SourceError(f"{point.method}: wants a machine with a basis, none of {named} is")


def _fitting(point: Point, choices: Sequence[Choice]) -> list[Choice]:
    """The machines that run a method's models as they are."""
    basis = compressor(point.method).basis
    return [choice for choice in choices if choice.machine.eats_basis or not basis]


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """What a comparison is made with, and what is known of it so far, by point."""

    origin: Origin
    job: Job
    reference: Reference
    choices: Sequence[Choice]
    count: int
    folder: Path
    watch: Watch | None
    rows: dict[str, Row] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)
    machine_rows: list[Row] = field(default_factory=list)
    runs: dict[Choice, NetworkRun] = field(default_factory=dict)
    found: dict[str, Row] = field(default_factory=dict)
    costs: dict[str, Row] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    def _tell(self, text: str) -> None:
        if self.watch is not None:
            self.watch(text, None)

    def run(self, points: Sequence[Point]) -> Pareto:
        """Make all models, draw the reference, then simulate them all."""
        for point in points:
            self.make(point)
        curve = tuple(self.reference.curve())
        for point in points:
            self.simulate(point)
        return self.finished(curve)

    def make(self, point: Point) -> None:
        """Make a model, if that can be, and look at its answers."""
        self._tell(point.name)
        budget = None if point.ratio is None else byte_budget(self.job.network, point.ratio)
        larger = self._fitting_already(point, budget)
        if larger is not None:
            self.taken[point.name] = larger
            self.rows[point.name] = full_row(point, budget, self.found[larger])
            return
        folder, watch = self.folder / point.name, self.watch
        progress = None if watch is None else partial(watch, point.name)
        digest = str(self.job.about["network_sha256"])
        try:
            model = made(point, folder, self.origin, digest, progress)
        except BudgetError as problem:
            self.rows[point.name] = full_row(point, budget, {"problem": str(problem)})
            return
        found = model_row(model, bytes_on_disk(folder))
        found["divergence"] = self.reference.divergence(model)
        self.found[point.name] = found
        self.rows[point.name] = full_row(point, budget, found)
        self.stories[point.name] = Story.of(point, model)

    def _fitting_already(self, point: Point, budget: int | None) -> str | None:
        """The model of a larger budget of the same method that came out within this one.

        One that was made for this budget goes before it.
        """
        if budget is None or (self.folder / point.name / MANIFEST).is_file():
            return None
        for name, found in self.found.items():
            if name.startswith(f"{point.method}-") and found["stored_bytes"] <= budget:
                return name
        return None

    def simulate(self, point: Point) -> None:
        """Run a model, if there is one, on every machine that it fits."""
        if point.name in self.taken:
            self.rows[point.name] |= self.costs[self.taken[point.name]]
            return
        if point.name not in self.stories:
            return
        choices = _fitting(point, self.choices)
        self._tell(f"{point.name} on machines")
        source = ModelSource(point.name, self.folder / point.name)
        outcomes = try_choices(source, choices, Feed(self.job.test.name, self.count))
        for choice, outcome in zip(choices, outcomes, strict=True):
            if isinstance(outcome, Simulation):
                self.runs.setdefault(choice, outcome.run)
        rows = machine_rows(point, choices, outcomes)
        self.costs[point.name] = best_costs(rows)
        self.rows[point.name] |= self.costs[point.name]
        self.machine_rows.extend(rows)

    def finished(self, curve: tuple[tuple[float, float], ...]) -> Pareto:
        """All rows, compared with each other."""
        rows = with_front(list(self.rows.values()))
        taken = self.taken.items()
        original = rows[0]["accuracy_original"]  # of the plain network, which is always there
        return Pareto(
            self.job.network.graph.name,
            self.count,
            tuple(rows),
            tuple(aligned(self.machine_rows)),
            (
                *self.job.notes,
                *differences(self.stories),
                *(f"{name}: is {larger}, which is that small" for name, larger in taken),
            ),
            facts_of(self.origin, self.job, self.choices, self.count, original),
            tuple(story.row for story in self.stories.values()),
            tuple(self.runs.values()),
            curve,
        )
