"""compare: one source on several machines, side by side."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arch.simulate import NetworkRun
from escalate.app.arguments import Paths, listed, path_of, settings_of
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.fleet import Watch
from escalate.app.machines import baseline_index, choose_all
from escalate.app.prices import priced
from escalate.app.results import finite
from escalate.app.simulate import Request, Simulation
from escalate.app.sources import resolve
from reports.table import compare_rows, labels, ratios, totals_frame

if TYPE_CHECKING:
    import pandas as pd


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


def compare_object(runs: Sequence[NetworkRun], baseline: int) -> dict[str, Any]:
    """What ``compare --format json`` prints; ``baseline`` is the position of its run."""
    label = labels(runs)[baseline]
    rows = [finite({**row, "area_mm2": row.get("area_mm2")}) for row in compare_rows(runs, label)]
    return {"baseline": label, "rows": rows}


def compare_frame(runs: Sequence[NetworkRun], baseline: int) -> "pd.DataFrame":
    """One line per run, with the ratios to the run at position ``baseline``."""
    frame = totals_frame(runs)
    against = [ratios(run, runs[baseline]) for run in runs]
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
) -> "pd.DataFrame":
    """Simulate the same network on several machines; one row per machine and preset.

    Parameters
    ----------
    source : as for ``escalate.simulate``
    machines : names, ``name:preset``, or paths of ``.toml`` files
    baseline : the machine that speedup and energy efficiency refer to; the first by default
    presets, fields, images, count, synthetic, basis, seed, threads, energy_table : as for
        ``escalate.simulate``

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
    request = Request(resolve(listed(source)), choices, feed, threads)
    return compare_frame([simulation.run for simulation in run_all(request)], base)
