"""What every column means; ``python -m reports.columns`` prints docs/columns.md."""

import re
from collections.abc import Mapping

# name -> unit, meaning; "<...>" in a name stands for what the machine calls it
COLUMNS: Mapping[str, tuple[str, str]] = {
    "network": ("", "name of the network"),
    "machine": ("", "name of the machine model"),
    "preset": ("", "preset of the machine, with the fields that were changed"),
    "layer": ("", "name of the layer in the network"),
    "mode": ("", "how the machine ran the layer: decomposed, pointwise, bypass, dense …"),
    "cycles": ("cycles", "from the first request to the last byte written"),
    "compute_cycles": ("cycles", "part of `cycles`: the array works"),
    "drain_cycles": ("cycles", "part of `cycles`: finished outputs leave the array"),
    "pipeline_cycles": ("cycles", "part of `cycles`: filling and emptying the pipeline"),
    "memory_stall_cycles": ("cycles", "part of `cycles`: the array waits for DRAM"),
    "latency_s": ("s", "`cycles` over the clock"),
    "energy_j": ("J", "all events at their price"),
    "dram_bytes": ("B", "read from and written to DRAM, whole bursts"),
    "mean_bandwidth_bytes_per_s": ("B/s", "`dram_bytes` over `latency_s`"),
    "peak_bandwidth_bytes_per_s": ("B/s", "DRAM bytes of the busiest aligned microsecond"),
    "macs": ("MACs", "dense multiply-accumulates of the original layer, all images"),
    "effectual_ops": ("pairs", "operand pairs of which both are non-zero"),
    "multiplies": ("multiplications", "multiplications performed"),
    "edp_j_s": ("J·s", "`energy_j` times `latency_s`"),
    "effective_tops_per_w": ("TOPS/W", "two operations for each of `macs`, per joule"),
    "images": ("images", "size of the batch"),
    "layers": ("layers", "number of layers"),
    "units": ("units", "units whose time the causes explain"),
    "multiplier_utilization": ("0 to 1", "`multiplies` over multipliers times `cycles`"),
    "memory_stall_fraction": ("0 to 1", "`memory_stall_cycles` over `cycles`"),
    "macs_per_cycle": ("MACs/cycle", "`macs` over `cycles`; may exceed the multipliers"),
    "effectual_ops_per_mac": ("pairs/MAC", "`effectual_ops` over `macs`"),
    "multipliers": ("units", "multipliers of the machine"),
    "adders": ("units", "adders of the machine"),
    "sram_bytes": ("B", "all buffers of the machine"),
    "area_mm2": ("mm²", "area of the machine, where its model gives one"),
    "area_<component>_mm2": ("mm²", "area by component; adds up to `area_mm2`"),
    "speedup": ("×", "latency of the baseline over latency"),
    "energy_efficiency": ("×", "energy of the baseline over energy"),
    "speedup_per_mm2": ("×", "`speedup` times the baseline's area over the area"),
    "cause_<cause>_cycles": (
        "unit-cycles",
        "time of the units by cause; adds up to units × cycles",
    ),
    "<level>_<tensor>_<read or write>_bytes": (
        "B",
        "traffic by memory level (dram, glb, the machine's buffers) and tensor; the level "
        "`metadata` holds row pointers, which no request carries",
    ),
    "energy_for_<tensor>_j": ("J", "energy by tensor; adds up to `energy_j`"),
    "energy_<component>_j": ("J", "energy by component; adds up to `energy_j`"),
    "extra_<name>": ("", "the machine's own counts and choices: tiles, loop order …"),
    "origin": ("", "where the tensors come from: captured, file, synthetic"),
    "digest": ("", "SHA-256 of the layer's tensors"),
    "notes": ("", "what a reader of the row must know"),
    "spec_json": ("", "every field of the machine, as JSON"),
    "provenance_json": ("", "what made the run: version, source, seed, options, as JSON"),
}

# what the points and layers of a sweep have besides
SWEEP: Mapping[str, tuple[str, str]] = {
    "point": ("", "short name of the point"),
    "axis_<name>": ("", "the point's value on an axis; empty where its machine has no such field"),
    "front": ("", "whether no point of the network is better in latency or energy at no cost"),
}


def described(name: str) -> str | None:
    """The entry of ``COLUMNS`` or ``SWEEP`` that a column falls under, or None.

    Examples
    --------
    >>> described("dram_input_read_bytes"), described("energy_j"), described("charm")
    ('<level>_<tensor>_<read or write>_bytes', 'energy_j', None)
    """
    if name in COLUMNS:
        return name
    for entry in (*COLUMNS, *SWEEP):
        pattern = re.sub(r"<[^>]+>", "[a-z0-9_]+", entry.replace("<read or write>", "(read|write)"))
        if re.fullmatch(pattern, name):
            return entry
    return None


def markdown() -> str:
    """The whole list as a Markdown page."""
    lines = [
        "# Columns",
        "",
        "The columns of every table, frame, CSV, Parquet file and JSON object. Made from",
        "`reports/columns.py` by `python -m reports.columns > docs/columns.md`.",
        "",
        "A count or an energy that a machine does not have is 0; a ratio of nothing is empty.",
        "",
        "| column | unit | meaning |",
        "|---|---|---|",
    ]
    lines += [f"| `{name}` | {unit} | {text} |" for name, (unit, text) in COLUMNS.items()]
    lines += ["", "The points and layers of a sweep have besides:", ""]
    lines += ["| column | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {unit} | {text} |" for name, (unit, text) in SWEEP.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
