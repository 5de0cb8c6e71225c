"""compare: networks on several machines, side by side."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.simulate import NetworkRun
from escalate.app.arguments import Paths, listed, path_of, settings_of
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.fleet import Watch
from escalate.app.machines import Choice, baseline_index, choose_all
from escalate.app.prices import priced
from escalate.app.results import finite
from escalate.app.simulate import Request, Simulation
from escalate.app.sources import Source, SourceError, is_file_to_read, network_of, resolve
from escalate.capture.reading import Reading, reading_of
from reports.ratios import baselines, compare_rows, mean_rows, ratios
from reports.table import labels, totals_frame

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sources and the machines to try each of them on."""

    sources: tuple[Source, ...]
    choices: tuple[Choice, ...]
    feed: Feed
    threads: int | None = None

    def run(self, watch: Watch | None = None) -> list[NetworkRun]:
        """All runs, source by source, in the order of the choices.

        Raises
        ------
        SourceError
            If two sources have the same name, so that no row could tell them apart.
        """
        names = [source.name for source in self.sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SourceError(f"{twice}: two sources have this name")
        return [
            simulation.run
            for source in self.sources
            for simulation in run_all(Request(source, self.choices, self.feed, self.threads), watch)
        ]


def several(
    texts: Sequence[str], reading: Reading | None = None, images: str | None = None
) -> tuple[Source, ...]:
    """What the words stand for, one source per network; parameters as for ``resolve``.

    ``.npz`` files are one source together, a folder without a basis joins the compressed one of the
    same network, and everything else is a network of its own.

    Raises
    ------
    SourceError, WorkloadError
        As :func:`escalate.app.sources.resolve`.
    """
    if not texts:
        return (resolve(texts),)
    networks: dict[str, list[str]] = {}
    for text in texts:
        networks.setdefault(_network_key(text), []).append(text)
    files = [text for text in texts if is_file_to_read(text)]
    return tuple(
        resolve(together, reading if not files or together[0] in files else None, images)
        for together in networks.values()
    )


def _network_key(text: str) -> str:
    """The same for words that stand for one source together."""
    if text.endswith(".npz"):
        return "own tensors"
    known = network_of(Path(text)) if Path(text).is_dir() else None
    return known or f"word {text}"


def run_all(request: Request, watch: Watch | None = None) -> list[Simulation]:
    """Simulate on every machine; rows whose tensors have nothing to do with each other say so."""
    found = request.run(watch)
    networks = {_weights(simulation.run) for simulation in found} - {None}
    if len(networks) > 1:
        for simulation in found:
            notes = simulation.run.provenance["notes"]
            notes.append("unrelated tensors: the machines were fed different networks")
    return found


def _weights(run: NetworkRun) -> str | None:
    """Digest of the trained network that a run's tensors were made from, if they say so."""
    model = run.provenance.get("model")
    return model.get("network_sha256") if isinstance(model, Mapping) else None


def baseline_label(runs: Sequence[NetworkRun], baseline: int) -> str:
    """How the choice at position ``baseline`` is called among the runs of one network."""
    return labels([run for run in runs if run.network == runs[0].network])[baseline]


def compare_object(runs: Sequence[NetworkRun], baseline: int) -> dict[str, Any]:
    """What ``compare --format json`` prints; ``baseline`` is the position of its machine."""
    label = baseline_label(runs, baseline)
    rows = compare_rows(runs, label)
    found = {
        "baseline": label,
        "rows": [finite({**row, "area_mm2": row.get("area_mm2")}) for row in rows],
    }
    if len({run.network for run in runs}) > 1:
        found["geometric_means"] = mean_rows(rows)
    return found


def compare_frame(runs: Sequence[NetworkRun], baseline: int) -> "pd.DataFrame":
    """One line per run, with the ratios to its network's run at position ``baseline``."""
    frame = totals_frame(runs)
    bases = baselines(runs, baseline_label(runs, baseline))
    against = [ratios(run, base) for run, base in zip(runs, bases, strict=True)]
    for name in against[0]:
        frame[name] = [row.get(name) for row in against]
    return frame


def compare(
    source: Paths,
    machines: Sequence[str],
    *,
    baseline: str | None = None,
    presets: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    images: str | None = None,
    count: int = 1,
    synthetic: str | None = None,
    basis: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    energy_table: str | os.PathLike[str] | None = None,
    input: str | Sequence[int] | None = None,
    output: str | None = None,
) -> "pd.DataFrame":
    """Simulate networks on several machines; one row per network, machine and preset.

    Parameters
    ----------
    source : as for ``escalate.simulate``; several folders, files and names are several networks
    machines : names, ``name:preset``, paths of ``.toml`` files, or ``all`` alone
    baseline : the machine that speedup and energy efficiency refer to; the first by default
    presets, fields, images, count, synthetic, basis, seed, threads, energy_table, input, output :
        as for ``escalate.simulate``

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.

    Examples
    --------
    >>> frame = compare("digits_cnn", ["systolic", "systolic:tiny"])
    >>> [round(float(value), 1) for value in frame["speedup"]][0]
    1.0
    """
    choices = priced(choose_all(machines, presets, settings_of(fields)), path_of(energy_table))
    base = baseline_index(choices, baseline)
    feed = Feed(images, count, parse_synthetic(synthetic, basis=basis, seed=seed, count=count))
    sources = several(listed(source), reading_of(input, output), images)
    return compare_frame(Comparison(sources, choices, feed, threads).run(), base)
