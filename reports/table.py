"""Results as rows: one per layer, one per run, ratios between runs; column names carry units.

Rows are plain dictionaries of integers, floats and strings, so that JSON keeps integers exact;
``layer_frame`` and ``totals_frame`` turn them into pandas frames.  Energy is summed in whole
attojoules and divided once, so that every grouping adds up.  What each column means is listed in
:mod:`reports.columns`.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arch.area import NM2_PER_MM2
from arch.counters import Counters, LayerResult, added
from arch.energy import AJ_PER_J, Charge, by_component, by_tensor, total_attojoules
from arch.machine import Resources
from arch.simulate import NetworkRun
from reports.quality import quality

if TYPE_CHECKING:
    import pandas as pd

Value = int | float | str
Row = dict[str, Value]

OPS_PER_MAC = 2  # one multiplication and one addition
TERA = 10**12
MANY_READS = 4  # times its stored bytes; what is read from DRAM more often is told in a note
MOST_TOLD = 5  # tensors named in the note of a run
MOST_PRESET = 28  # characters of a preset in a label


def snake(name: str) -> str:
    """A name as part of a column name.

    Examples
    --------
    >>> snake("MAC-bound")
    'mac_bound'
    """
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def ratio(numerator: int | float, denominator: int | float) -> float:
    """A quotient; NaN if there is nothing to divide by."""
    return numerator / denominator if denominator else math.nan


def _added(tables: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    """Tables of counts added key by key, keys in order of first appearance."""
    total: dict[Any, int] = {}
    for table in tables:
        for key, count in table.items():
            total[key] = total.get(key, 0) + count
    return total


def cause_cycles(layers: Sequence[Counters]) -> dict[str, int]:
    """Unit-cycles by cause over all ``layers``."""
    return _added(layer.causes for layer in layers)


def energy_by_component_aj(run: NetworkRun) -> dict[str, int]:
    """Attojoules of one run by component; adds up to ``run.energy_aj`` exactly."""
    return _added(by_component(lines) for lines in run.charges)


def _cycle_columns(layers: Sequence[Counters]) -> Row:
    names = ("compute_cycles", "drain_cycles", "pipeline_cycles", "memory_stall_cycles")
    return {name: sum(getattr(layer, name) for layer in layers) for name in names}


def _effectual(layers: Sequence[Counters]) -> int | float:
    """Effectual pairs of all layers, NaN where one was simulated without tensors."""
    found = added(layer.effectual_ops for layer in layers)
    return math.nan if found is None else found


def _headline(layers: Sequence[Counters], energy_aj: int, clock_hz: int) -> Row:
    """The columns that every machine has and every table starts with."""
    cycles = sum(layer.cycles for layer in layers)
    latency_s = cycles / clock_hz
    energy_j = energy_aj / AJ_PER_J
    macs = sum(layer.macs for layer in layers)
    peak = max((layer.peak_bandwidth for layer in layers), default=0)
    dram_bytes = sum(layer.dram_bytes for layer in layers)
    effectual = _effectual(layers)
    return {
        "cycles": cycles,
        "latency_s": latency_s,
        "energy_j": energy_j,
        "dram_bytes": dram_bytes,
        "mean_bandwidth_bytes_per_s": ratio(dram_bytes, latency_s),
        "peak_bandwidth_bytes_per_s": float(peak),
        "macs": macs,
        "effectual_ops": effectual,
        "stage1_pairs": sum(layer.stage1_pairs for layer in layers),
        "multiplies": sum(layer.multiplies for layer in layers),
        "edp_j_s": energy_j * latency_s,
        "effective_tops_per_w": ratio(OPS_PER_MAC * macs, energy_j * TERA),
    }


def _ratios(layers: Sequence[Counters], multipliers: int) -> Row:
    """Columns between 0 and 1, and rates per cycle."""
    cycles = sum(layer.cycles for layer in layers)
    stalls = sum(layer.memory_stall_cycles for layer in layers)
    return {
        "multiplier_utilization": ratio(sum(c.multiplies for c in layers), multipliers * cycles),
        "memory_stall_fraction": ratio(stalls, cycles),
        "macs_per_cycle": ratio(sum(c.macs for c in layers), cycles),
        "effectual_ops_per_mac": ratio(_effectual(layers), sum(c.macs for c in layers)),
    }


OPERATORS = {
    ("operators", "lookup"): "operator_lookups",
    ("operators", "compare"): "operator_comparisons",
    ("operators", "add"): "operator_additions",
    ("operators", "multiply"): "operator_multiplications",
    ("operators", "rescale"): "operator_rescales",
    ("host", "operation"): "host_operations",
}


def _between(layers: Sequence[Counters]) -> Row:
    """How often each action of the operators between the layers is done."""
    events = _added(layer.events for layer in layers)
    found: Row = {}
    for (component, action, _), count in events.items():
        if (component, action) in OPERATORS:
            found[OPERATORS[component, action]] = count
    return found


def _breakdown(layers: Sequence[Counters], lines: Sequence[Charge]) -> Row:
    """Cycles by cause, traffic by level and tensor, energy by component and by tensor."""
    row: Row = {f"cause_{snake(name)}_cycles": n for name, n in cause_cycles(layers).items()}
    row |= _between(layers)
    for (level, tensor, way), size in _added(layer.traffic for layer in layers).items():
        row[f"{snake(level)}_{snake(tensor)}_{way}_bytes"] = size
    for component, energy_aj in by_component(lines).items():
        row[f"energy_{snake(component)}_j"] = energy_aj / AJ_PER_J
    for tensor, energy_aj in by_tensor(lines).items():
        row[f"energy_for_{snake(tensor)}_j"] = energy_aj / AJ_PER_J
    return row


def notes(provenance: Mapping[str, Any]) -> list[str]:
    """All ``notes`` of a provenance, which may hold one or several.

    Examples
    --------
    >>> notes({"notes": "synthetic masks"}), notes({})
    (['synthetic masks'], [])
    """
    found = provenance.get("notes", ())
    return [found] if isinstance(found, str) else [str(note) for note in found]


def _activations(provenance: Mapping[str, Any]) -> Row:
    """The type and the density of a layer's input, where there were tensors."""
    found = provenance.get("activations")
    if found is None:
        return {}
    density = ratio(found["nonzeros"], found["values"])
    return {"activation_type": str(found["type"]), "activation_density": density}


def layer_rows(run: NetworkRun) -> list[Row]:
    """One row per layer, in execution order, starting with ``layer``, ``mode``, ``cycles``."""
    rows = []
    for result, lines in zip(run.results, run.charges, strict=True):
        counters = result.counters
        headline = _headline([counters], total_attojoules(lines), run.spec.clock_hz)
        row: Row = {
            "layer": result.layer.name,
            "mode": result.mode,
            "cycles": headline.pop("cycles"),
            **_cycle_columns([counters]),
            **headline,
            "images": result.images,
            "units": counters.units,
            **_ratios([counters], run.resources.multipliers),
            **_breakdown([counters], lines),
        }
        for name, value in result.extras.items():
            if isinstance(value, int | float | str):
                row[f"extra_{snake(name)}"] = value
        row |= _activations(result.provenance)
        row["origin"] = str(result.provenance.get("origin", ""))
        row["digest"] = str(result.provenance.get("digest", ""))
        row["notes"] = "; ".join([*notes(result.provenance), *reread_notes([result])])
        rows.append(row)
    return rows


def totals(run: NetworkRun) -> Row:
    """One row for the whole run: sums over its layers, and the resources of the machine."""
    layers = [result.counters for result in run.results]
    lines = [line for bill in run.charges for line in bill]
    row = _headline(layers, run.energy_aj, run.spec.clock_hz)
    row |= _cycle_columns(layers)
    row["images"] = max((result.images for result in run.results), default=0)
    row["layers"] = sum(not result.on_host for result in run.results)
    row |= _ratios(layers, run.resources.multipliers)
    row |= resources_row(run.resources)
    row |= _breakdown(layers, lines)
    for component, nm2 in run.resources.area.items():
        row[f"area_{snake(component)}_mm2"] = nm2 / NM2_PER_MM2
    row |= quality(run)
    row["notes"] = "; ".join(run_notes(run))
    return row


def resources_row(resources: Resources) -> Row:
    """The resources of a machine; ``area_mm2`` only if its model gives an area.

    Examples
    --------
    >>> resources_row(Resources(2, 3, 64))
    {'multipliers': 2, 'adders': 3, 'sram_bytes': 64}
    """
    row: Row = {
        "multipliers": resources.multipliers,
        "adders": resources.adders,
        "sram_bytes": resources.sram_bytes,
    }
    return row | {"area_mm2": resources.area_mm2} if resources.area else row


def reread_notes(results: Sequence[LayerResult]) -> list[str]:
    """One note that names the tensors read from DRAM more than four times their stored bytes.

    The worst come first; names of layers stand there where several layers are told of.
    """
    found = [
        (reads, tensor, result.layer.name)
        for result in results
        for tensor, reads in result.reads.items()
        if reads > MANY_READS
    ]
    found.sort(key=lambda one: -one[0])
    told = [
        f"{tensor}{f' of {layer}' if len(results) > 1 else ''} ({reads:.1f} times)"
        for reads, tensor, layer in found[:MOST_TOLD]
    ]
    if len(found) > MOST_TOLD:
        told.append(f"{len(found) - MOST_TOLD} more")
    return [f"read from DRAM more than {MANY_READS} times: {', '.join(told)}"] if told else []


def run_notes(run: NetworkRun) -> list[str]:
    """Every note of the run and its layers, each once, in order of first appearance."""
    listed = [notes(run.provenance), *(notes(result.provenance) for result in run.results)]
    listed.append(reread_notes(run.results))
    return list(dict.fromkeys(note for some in listed for note in some if note))


def identity(run: NetworkRun) -> Row:
    """What identifies a row: network, machine, preset."""
    return {"network": run.network, "machine": run.machine, "preset": run.preset}


def labels(runs: Sequence[NetworkRun]) -> list[str]:
    """A short, unique name for each run: its machine, and whatever else distinguishes it.

    The network is added where several were run, the preset where one machine appears with
    several; a long preset (one with many changed fields) by its first word only.  What still
    repeats is numbered.
    """
    parts = [[run.machine] for run in runs]
    if len({run.network for run in runs}) > 1:
        for part, run in zip(parts, runs, strict=True):
            part.insert(0, run.network)
    keys = Counter(tuple(part) for part in parts)
    for part, run in zip(parts, runs, strict=True):
        if keys[tuple(part)] > 1:
            short = len(run.preset) <= MOST_PRESET
            part.append(run.preset if short else run.preset.partition(" ")[0])
    seen: Counter[str] = Counter()
    unique = []
    for text in (" · ".join(part) for part in parts):
        seen[text] += 1
        unique.append(f"{text} #{seen[text]}" if seen[text] > 1 else text)
    return unique


def origin_columns(spec: Mapping[str, Any], provenance: Mapping[str, Any]) -> Row:
    """The machine's fields and the provenance of a row, as JSON."""
    return {
        "spec_json": json.dumps(spec, sort_keys=True),
        "provenance_json": json.dumps(provenance, sort_keys=True, default=str),
    }


def _origin_columns(run: NetworkRun) -> Row:
    return origin_columns(run.spec.model_dump(mode="json"), dict(run.provenance))


def counted(name: str) -> bool:
    """Whether a column is a count or an energy, which is 0 (not unknown) if the machine has none.

    Examples
    --------
    >>> counted("dram_basis_read_bytes"), counted("energy_dram_j"), counted("mode")
    (True, True, False)
    """
    return name.endswith(("_cycles", "_bytes", "_j")) or name in OPERATORS.values()


def _frame(rows: list[Row]) -> "pd.DataFrame":
    """Rows as a frame; a count or an energy that a machine does not have is 0."""
    import pandas as pd

    columns = list(dict.fromkeys(name for row in rows for name in row))
    counts = [name for name in columns if counted(name)]
    filled = [{**dict.fromkeys(counts, 0), **row} for row in rows]
    return pd.DataFrame(filled, columns=columns)


def layer_frame(runs: Iterable[NetworkRun]) -> "pd.DataFrame":
    """All layers of all runs, with network, machine and preset in front."""
    return _frame(
        [
            {**identity(run), **row, **_origin_columns(run)}
            for run in runs
            for row in layer_rows(run)
        ]
    )


def totals_frame(runs: Iterable[NetworkRun]) -> "pd.DataFrame":
    """One row per run, with network, machine and preset in front."""
    return _frame([{**identity(run), **totals(run), **_origin_columns(run)} for run in runs])
