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
    "effectual_ops": (
        "pairs",
        "pairs of a non-zero integer weight and a non-zero activation, each output and tap once, "
        "all images: a property of the tensors, the same on every machine that is fed them. The "
        "weight of a decomposed layer is the integer sum over m of T·B, T with its integer scales "
        "where the layer has such; a sum that cancels to zero does not count. Scales that are "
        "folded into the requantizer change nothing. Empty where only a shape was simulated",
    ),
    "stage1_pairs": (
        "pairs",
        "pairs of a non-zero coefficient and a non-zero activation that Basis-First adds in its "
        "first stage, as often as a pixel is broadcast; 0 on machines without a basis",
    ),
    "multiplies": (
        "multiplications",
        "what the machine executes: multiplications performed, those by zeros that it does not "
        "skip included",
    ),
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
    "extra_<name>": (
        "",
        "the machine's own counts and choices: tiles, loop order, the vectors that Basis-First's "
        "buffers hold (`window_vectors` pixel vectors waiting in a block, `fifo_vectors` values of "
        "V before a MAC row) …",
    ),
    "origin": ("", "where the tensors come from: captured, file, synthetic"),
    "digest": ("", "SHA-256 of the layer's tensors"),
    "notes": (
        "",
        "what a reader of the row must know, such as a tensor that is read from DRAM more than "
        "four times its stored bytes",
    ),
    "spec_json": ("", "every field of the machine, as JSON"),
    "provenance_json": ("", "what made the run: version, source, seed, options, as JSON"),
}

# what the points and layers of a sweep have besides
SWEEP: Mapping[str, tuple[str, str]] = {
    "point": ("", "short name of the point"),
    "axis_<name>": ("", "the point's value on an axis; empty where its machine has no such field"),
    "front": ("", "whether no point of the network is better in latency or energy at no cost"),
}

# what rows of compressed models have besides, as measured when they were made
QUALITY: Mapping[str, tuple[str, str]] = {
    "accuracy": ("0 to 1", "share of the scored images that the integer network classifies right"),
    "accuracy_low": ("0 to 1", "lower end of the 95 % interval of `accuracy` (Wilson)"),
    "accuracy_high": ("0 to 1", "its upper end"),
    "agreement": ("0 to 1", "share of the scored images with the original's answer"),
    "agreement_low": ("0 to 1", "lower end of the 95 % interval of `agreement` (Wilson)"),
    "agreement_high": ("0 to 1", "its upper end"),
    "scored_images": ("images", "how many images `accuracy` and `agreement` are from"),
}

# what the rows of ``escalate pareto`` have besides: models, and machines that run them
FRONT: Mapping[str, tuple[str, str]] = {
    "method": ("", "how the model was made"),
    "ratio": ("×", "how many times smaller than FP32 it was asked to be; empty without a budget"),
    "budget_bytes": ("B", "FP32 bytes of all parameters over `ratio`"),
    "stored_bytes": ("B", "bytes on disk: every file that decoding needs, headers included"),
    "compression_ratio": ("×", "FP32 bytes of all parameters over `stored_bytes`"),
    "accuracy_original": ("0 to 1", "`accuracy` of the original network in floating point"),
    "divergence": (
        "nats",
        "mean Kullback-Leibler divergence of the class probabilities from the original's, over the "
        "first scored images",
    ),
    "payload_bytes": (
        "B",
        "encoded coefficients, weights, bases and scales, without headers and manifest",
    ),
    "ideal_bytes": (
        "B",
        "lower bound: entropy times count of coefficients and weights, and bases as stored; no "
        "multipliers or biases",
    ),
    "hardware_bytes": (
        "B",
        "weights, coefficients and bases that the row's machine reads from DRAM, in its own format "
        "and whole bursts, for the simulated images; what it reads twice counts twice",
    ),
    "on_front": (
        "",
        "whether no other row is as good in accuracy, `stored_bytes`, `latency_s` and `energy_j`, "
        "and better in one",
    ),
    "remark": (
        "",
        "what is not as asked: a model more than a tenth smaller than `ratio`, and why; or one of "
        "which no layer is decomposed",
    ),
    "model": ("", "folder of the model"),
    "fed": ("", "what the machine was fed: a compressed model, or which kind of 8-bit weights"),
    "best": ("", "whether of the machines that were asked for it has the lowest `edp_j_s`"),
    "problem": ("", "why there is no model, or no run"),
}


def described(name: str) -> str | None:
    """The entry of one of the tables above that a column falls under, or None.

    Examples
    --------
    >>> described("dram_input_read_bytes"), described("energy_j"), described("charm")
    ('<level>_<tensor>_<read or write>_bytes', 'energy_j', None)
    """
    if name in COLUMNS:
        return name
    for entry in (*COLUMNS, *QUALITY, *SWEEP, *FRONT):
        pattern = re.sub(r"<[^>]+>", "[a-z0-9_]+", entry.replace("<read or write>", "(read|write)"))
        if re.fullmatch(pattern, name):
            return entry
    return None


def _table(entries: Mapping[str, tuple[str, str]]) -> list[str]:
    rows = [f"| `{name}` | {unit} | {text} |" for name, (unit, text) in entries.items()]
    return ["| column | unit | meaning |", "|---|---|---|", *rows]


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
        *_table(COLUMNS),
        "",
        "Rows of compressed models have besides, as measured when they were made:",
        "",
        *_table(QUALITY),
        "",
        "The points and layers of a sweep have besides:",
        "",
        *_table(SWEEP),
        "",
        "The rows of `escalate pareto` have besides:",
        "",
        *_table(FRONT),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
