"""plan: a sweep file becomes points, and everything that is wrong with it is named at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from arch.errors import SpecError
from arch.spec import MachineSpec, override
from escalate.app.feed import Feed
from escalate.app.images import canonical
from escalate.app.machines import Choice, choose
from escalate.app.prices import priced
from escalate.app.sources import (
    MANIFEST,
    ModelSource,
    ShapeSource,
    Source,
    TensorSource,
    fed_form,
    is_file_to_read,
    resolve,
)
from escalate.app.sweeps.axes import Axis, Range, Sample, as_axis, combine
from escalate.app.sweeps.file import SYNTHETIC, Complaints, SweepFile, Written
from escalate.app.sweeps.points import Point, point, tensors
from escalate.capture.reading import reading_of
from workloads.synthetic import DENSITIES, Synthetic, synthetic_layers

Texts = tuple[str, ...]
TOGETHER = "fields: "  # how a complaint begins that is about several fields
OF_A_BASIS = ("coefficients", "basis")  # nothing to machines that are fed 8-bit weights
SEEDED = ("seed", "basis")  # keys that go with [synthetic]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a sweep will do.

    Parameters
    ----------
    points : each once, in the order of the file
    twice : samples that were a point already
    waiting : model and machine of each point whose model is not made yet
    """

    points: tuple[Point, ...]
    twice: int
    waiting: tuple[tuple[str, str], ...] = ()


def plan(written: Written, models: Sequence[Path] = ()) -> Plan:
    """The points of a sweep.

    Parameters
    ----------
    written : as read
    models : folders of ``[compress]``, as more sources; what is not made yet waits

    Raises
    ------
    SweepError
        One line for each thing that is wrong: file, line, key, value and what is allowed.
    """
    return _Planner(written, models).plan()


def names(value: str | Sequence[Any]) -> list[Any]:
    """One name or several."""
    return [value] if isinstance(value, str) else list(value)


class _Planner:
    """Sources and machines are looked up first, then every sample is built."""

    def __init__(self, written: Written, models: Sequence[Path]) -> None:
        self.written, self.sweep = written, written.sweep
        self.wrong = Complaints()
        self.identify = cache(tensors)  # models and images are read once for all points
        self.waiting: set[Texts] = set()
        self.sources = {**self._sources(), **self._models(models)}
        self.machines = self._machines()
        self._check_fields()
        self._check_synthetic()
        self.wrong.settle()

    def _sources(self) -> dict[Texts, Source]:
        """Networks and folders by their words."""
        found: dict[Texts, Source] = {}
        where = self.written.line("input")
        sweep = self.sweep
        reading = self.wrong.attempt(where, lambda: reading_of(sweep.input, sweep.output))
        for key in ("networks", "sources"):
            for n, each in enumerate(names(getattr(self.sweep, key))):
                words = tuple(names(each))
                where = self.written.line(key, n)
                own = reading if is_file_to_read(words[0]) else None
                source = self.wrong.attempt(where, partial(resolve, words, own))
                if source is not None:
                    found[words] = _absolute(source)
        if not found and not self.wrong.lines and not self.sweep.compress:
            self.wrong.add(self.written.name, "networks, sources or [compress]: wanted one of them")
        return found

    def _models(self, models: Sequence[Path]) -> dict[Texts, Source]:
        """The folders of ``[compress]``, read where they are there."""
        found: dict[Texts, Source] = {}
        for folder in models:
            words = (os.fspath(folder),)
            if (folder / MANIFEST).is_file():
                found[words] = _absolute(resolve(words))
            else:
                found[words] = ModelSource(folder.name, folder)
                self.waiting.add(words)
        return found

    def _machines(self) -> dict[tuple[str, str], Choice]:
        """Every machine with every preset, unchanged."""
        presets = names(self.sweep.presets)
        found: dict[tuple[str, str], Choice] = {}
        for n, asked in enumerate(names(self.sweep.machines)):
            where = self.written.line("machines", n)
            choices = self.wrong.attempt(where, partial(self._chosen, asked, presets))
            found |= {(asked, choice.preset): choice for choice in choices or ()}
        if not self.sweep.machines:
            self.wrong.add(self.written.line("machines"), "machines: wanted at least one name")
        return found

    def _chosen(self, asked: str, presets: Sequence[str]) -> tuple[Choice, ...]:
        table = self.sweep.energy_table
        chosen = choose(asked, () if ":" in asked else presets)
        return priced(chosen, None if table is None else Path(table))

    def _check_fields(self) -> None:
        """Every value of every machine field on its own."""
        taking_part = {choice.machine.name for choice in self.machines.values()}
        for machine, fields in self.sweep.set.items():
            if machine not in taking_part:
                if taking_part:
                    allowed = ", ".join(sorted(taking_part))
                    self.wrong.add(
                        self.written.line("set", machine),
                        f"set.{machine}: takes no part, allowed are {allowed}",
                    )
                continue
            base = next(c.spec for c in self.machines.values() if c.machine.name == machine)
            for field, value in fields.items():
                for n, each in enumerate(_tried(value)):
                    self._check_field(
                        self.written.line("set", machine, field, n), base, field, each
                    )

    def _check_field(self, where: str, base: MachineSpec, field: str, value: Any) -> None:
        """A value by itself; how fields agree with each other is seen where they come together."""
        try:
            override(base, {field: value}, where="")
        except SpecError as error:
            told = str(error).removeprefix(": ")
            if not told.startswith(TOGETHER):
                self.wrong.add(where, told)

    def _check_synthetic(self) -> None:
        """Every density on its own, and keys that have nothing to go with."""
        for key, value in self.sweep.synthetic.items():
            if key not in SYNTHETIC:
                allowed = ", ".join(SYNTHETIC)
                where = self.written.line("synthetic", key)
                self.wrong.add(where, f"unknown key synthetic.{key}, allowed are {allowed}")
                continue
            for n, each in enumerate(_tried(value)):
                where = self.written.line("synthetic", key, n)
                self.wrong.attempt(where, partial(Synthetic, **{key: each}))
        shapes = [s for s in self.sources.values() if isinstance(s, ShapeSource)]
        if self.sweep.synthetic and self.sources and not shapes:
            self.wrong.add(self.written.line("synthetic"), "[synthetic]: every source has tensors")
        for key in SEEDED:
            if getattr(self.sweep, key) is not None and not self.sweep.synthetic:
                self.wrong.add(self.written.line(key), f"{key}: goes with [synthetic]")
        if self.sweep.images is not None and len(shapes) == len(self.sources):
            self.wrong.add(self.written.line("images"), "images: no source is a compressed model")

    def plan(self) -> Plan:
        """All points, each once."""
        found: dict[str, Point] = {}
        waiting: dict[str, tuple[str, str]] = {}
        count = 0
        for words, choice, sample in self._samples():
            settled = self._settled(words, choice, sample)
            if settled is None:
                continue
            changed, feed = settled
            if words in self.waiting:
                name, machine = self.sources[words].name, choice.machine.name
                key = repr((words, machine, choice.preset, changed.spec, feed))
                waiting[key] = name, machine
                count += 1
                continue
            made = self._point(words, changed, feed)
            if made is not None:
                count += 1
                found.setdefault(made.key, made)
        self.wrong.settle()
        twice = count - len(found) - len(waiting)
        return Plan(tuple(found.values()), twice, tuple(waiting.values()))

    def _samples(self) -> Iterator[tuple[Texts, Choice, Sample]]:
        """Sources, machines and seeds multiply, but in the mode ``list``; the rest is combined."""
        sweep = self.sweep
        if sweep.mode == "list":
            yield from self._together()
            return
        for words, source in self.sources.items():
            for choice in self.machines.values():
                axes = _feed_axes(sweep, source, choice) | self._field_axes(choice)
                seeds = as_axis(sweep.seed) if axes.pop("seed", None) else ()
                assert not isinstance(seeds, Range)
                drawn = self._combined(axes)
                for seed in seeds or (None,):
                    for sample in drawn:
                        own: Sample = {} if seed is None else {"seed": seed}
                        yield words, choice, sample | own

    def _together(self) -> Iterator[tuple[Texts, Choice, Sample]]:
        """First source, first machine, first values; then the second ones."""
        sources, machines = list(self.sources), list(self.machines.values())
        axes: dict[str, Axis] = {
            "source": tuple(range(len(sources))),
            "machine": tuple(range(len(machines))),
        }
        for choice in machines:
            for source in self.sources.values():
                axes |= _feed_axes(self.sweep, source, choice)
            axes |= self._field_axes(choice)
        for sample in self._combined(axes):
            words, choice = sources[int(sample["source"])], machines[int(sample["machine"])]
            own = _feed_axes(self.sweep, self.sources[words], choice) | self._field_axes(choice)
            yield words, choice, {key: value for key, value in sample.items() if key in own}

    def _combined(self, axes: Mapping[str, Axis]) -> list[Sample]:
        sweep = self.sweep
        found = self.wrong.attempt(
            self.written.line("mode"),
            lambda: combine(axes, sweep.mode, points=sweep.points, seed=sweep.sampling_seed),
        )
        return found or []

    def _field_axes(self, choice: Choice) -> dict[str, Axis]:
        fields = self.sweep.set.get(choice.machine.name, {})
        return {f"set.{choice.machine.name}.{f}": as_axis(value) for f, value in fields.items()}

    def _settled(self, words: Texts, choice: Choice, sample: Sample) -> tuple[Choice, Feed] | None:
        """The machine and the feed of a sample, or a complaint."""
        machine = choice.machine.name
        start = f"set.{machine}."
        fields = {k.removeprefix(start): v for k, v in sample.items() if k.startswith(start)}
        spec = self.wrong.attempt(
            self.written.line("set", machine),
            lambda: override(choice.spec, fields, where=f"set.{machine}"),
        )
        source = self.sources[words]
        feed = self.wrong.attempt(self.written.line("synthetic"), lambda: _feed(source, sample))
        if spec is None or feed is None:
            return None
        return replace(choice, spec=spec), feed

    def _point(self, words: Texts, changed: Choice, feed: Feed) -> Point | None:
        """The point of a machine and a feed, or a complaint."""
        source = self.sources[words]
        return self.wrong.attempt(
            self.written.line("networks" if isinstance(source, ShapeSource) else "sources"),
            lambda: point(words, source, _checked(source, feed, changed), changed, self.identify),
        )


def _absolute(source: Source) -> Source:
    """The source by paths that another process finds as well, wherever it runs."""
    if not isinstance(source, ModelSource):
        return source
    beside = None if source.beside is None else source.beside.absolute()
    return replace(source, folder=source.folder.absolute(), beside=beside)


def _tried(value: Any) -> tuple[Any, ...]:
    """The values of an axis that can be looked at beforehand: of a range, its ends."""
    axis = as_axis(value)
    return (axis.min, axis.max) if isinstance(axis, Range) else axis


def _feed_axes(sweep: SweepFile, source: Source, choice: Choice) -> dict[str, Axis]:
    """The axes that a source of this kind and a machine have a use for."""
    axes: dict[str, Axis] = {}
    if isinstance(source, TensorSource):
        return axes
    if sweep.count is not None:
        axes["count"] = as_axis(sweep.count)
    if isinstance(source, ModelSource):
        return axes | ({} if sweep.images is None else {"images": as_axis(sweep.images)})
    if sweep.synthetic:
        axes |= {key: as_axis(value) for key, value in sweep.synthetic.items()}
        for key in SEEDED:
            if getattr(sweep, key) is not None:
                axes[key] = as_axis(getattr(sweep, key))
        if not choice.machine.eats_basis:
            axes = {key: axis for key, axis in axes.items() if key not in OF_A_BASIS}
    return axes


def _feed(source: Source, sample: Sample) -> Feed:
    count: Any = sample.get("count", 1)
    images: Any = sample.get("images")
    images = None if images is None else canonical(images)
    recipe = {key: sample[key] for key in (*SYNTHETIC, *SEEDED) if key in sample}
    for key in DENSITIES:  # 1 and 1.0 are one density
        if isinstance(recipe.get(key), int) and not isinstance(recipe[key], bool):
            recipe[key] = float(recipe[key])
    given = any(key in recipe for key in SYNTHETIC)
    if not isinstance(source, ShapeSource) or not given:
        return Feed(images, count)
    fields: dict[str, Any] = recipe
    return Feed(None, count, Synthetic(**fields, images=count))


def _checked(source: Source, feed: Feed, choice: Choice) -> Feed:
    """The feed, if the machine can be fed so."""
    if isinstance(source, ShapeSource):
        if feed.synthetic is not None:
            dense = fed_form(choice.machine.name) != "compressed"
            synthetic_layers(source.network, feed.synthetic, dense=dense)
        elif not choice.machine.eats_shapes:
            raise ValueError(
                f"{source.name}: {choice.machine.name} needs tensors, not only shapes; wanted "
                "[synthetic] with coefficients, activations or weights"
            )
    return feed
