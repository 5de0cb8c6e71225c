"""The meaning of every column; ``python -m reports.columns`` prints docs/columns.md."""

import re
from collections.abc import Mapping

# name -> unit, meaning; "<...>" in a name stands for what the machine calls it
COLUMNS: Mapping[str, tuple[str, str]] = {
    "network": ("", "name of the network"),
    "machine": ("", "name of the machine model"),
    "preset": ("", "preset of the machine, with the fields that were changed"),
    "layer": ("", "name of the layer in the network"),
    "mode": (
        "",
        "how the machine ran the layer: decomposed, pointwise, bypass, dense, …; `on the host` for "
        "an operator between layers that no machine computes: it has bytes and operations, and no "
        "cycles",
    ),
    "cycles": ("cycles", "time from the first DRAM request to the last byte written"),
    "compute_cycles": ("cycles", "part of `cycles`: the array computes"),
    "drain_cycles": ("cycles", "part of `cycles`: finished outputs leave the array"),
    "pipeline_cycles": ("cycles", "part of `cycles`: filling and emptying the pipeline"),
    "memory_stall_cycles": ("cycles", "part of `cycles`: the array waits for DRAM"),
    "latency_s": ("s", "`cycles` divided by the clock frequency"),
    "energy_j": ("J", "energy of all counted actions, each at its price"),
    "dram_bytes": ("B", "bytes read from and written to DRAM, in whole bursts"),
    "mean_bandwidth_bytes_per_s": ("B/s", "`dram_bytes` divided by `latency_s`"),
    "peak_bandwidth_bytes_per_s": ("B/s", "DRAM bytes of the busiest aligned microsecond"),
    "macs": ("MACs", "dense multiply-accumulates of the original layer, all images"),
    "effectual_ops": (
        "pairs",
        "pairs of a non-zero integer weight and a non-zero activation, over all images; each "
        "(output, tap) counts once, a tap being one position of the kernel. The number belongs to "
        "the tensors: it is the same on every machine that is fed them. The weight of a decomposed "
        "layer is the integer sum over m of T·B; integer scales of T, if any, are included. A sum "
        "that cancels to zero does not count. Scales folded into the requantizer change nothing. "
        "Empty if only a shape was simulated",
    ),
    "stage1_pairs": (
        "pairs",
        "pairs of a non-zero coefficient and a non-zero activation that Basis-First adds in its "
        "first stage; a pixel that is broadcast twice counts twice. 0 on machines without a basis",
    ),
    "multiplies": (
        "multiplications",
        "multiplications that the machine performs, including those by zeros that it does not skip",
    ),
    "edp_j_s": ("J·s", "`energy_j` times `latency_s`"),
    "effective_tops_per_w": ("TOPS/W", "`macs` times 2 operations, per joule"),
    "images": ("images", "size of the batch"),
    "layers": ("layers", "number of layers"),
    "units": (
        "units",
        "units of the machine, such as PEs or lanes, whose time is divided by cause",
    ),
    "multiplier_utilization": ("0 to 1", "`multiplies` divided by (`multipliers` times `cycles`)"),
    "memory_stall_fraction": ("0 to 1", "`memory_stall_cycles` divided by `cycles`"),
    "macs_per_cycle": (
        "MACs/cycle",
        "`macs` divided by `cycles`; may exceed `multipliers`, because zeros are skipped",
    ),
    "effectual_ops_per_mac": ("pairs/MAC", "`effectual_ops` divided by `macs`"),
    "multipliers": ("units", "multipliers of the machine"),
    "adders": ("units", "adders of the machine"),
    "sram_bytes": ("B", "size of all buffers of the machine"),
    "area_mm2": ("mm²", "area of the machine; empty if its model has none"),
    "area_<component>_mm2": ("mm²", "area by component; adds up to `area_mm2`"),
    "speedup": ("×", "the baseline's latency divided by this latency"),
    "energy_efficiency": ("×", "the baseline's energy divided by this energy"),
    "speedup_per_mm2": ("×", "`speedup` times the baseline's area, divided by this area"),
    "cause_<cause>_cycles": (
        "unit-cycles",
        "time that all units spend for this cause; all causes add up to `units` × `cycles`",
    ),
    "operator_lookups": (
        "lookups",
        "entries read from tables of 256 for the operators between this layer and the next: "
        "functions such as SiLU",
    ),
    "operator_comparisons": ("comparisons", "the same: maxima of windows, ReLUs of their own"),
    "operator_additions": ("additions", "the same: of two tensors, of windows, of biases; 32 bits"),
    "operator_multiplications": ("multiplications", "the same: of two tensors, 8 x 8 bits"),
    "operator_rescales": (
        "multiplications",
        "the same: from one scale to another, 32 x 32 bits as in the requantizer",
    ),
    "host_operations": (
        "operations",
        "arithmetic operations of an operator that the host computes; they have no price",
    ),
    "<level>_<tensor>_<read or write>_bytes": (
        "B",
        "traffic by memory level (dram, glb, the machine's buffers) and tensor. The level "
        "`metadata` counts row pointers; no DRAM request carries them",
    ),
    "energy_for_<tensor>_j": ("J", "energy by tensor; adds up to `energy_j`"),
    "energy_<component>_j": ("J", "energy by component; adds up to `energy_j`"),
    "extra_<name>": (
        "",
        "the machine's own counts and choices, such as tiles and loop order. For Basis-First also "
        "what its buffers hold: `window_vectors`, the pixel vectors that may wait in a block, and "
        "`fifo_vectors`, the values of V that may wait before a MAC row",
    ),
    "activation_type": (
        "",
        "type of the layer's input: uint8 behind a ReLU, int8 where it may be negative",
    ),
    "activation_density": (
        "0 to 1",
        "share of the layer's input that is not zero, measured over all images; padding does not "
        "count. Functions such as SiLU make almost no zeros. Empty if only a shape was simulated",
    ),
    "origin": ("", "where the tensors come from: captured (a compressed model), file or synthetic"),
    "digest": ("", "SHA-256 of the layer's tensors"),
    "notes": (
        "",
        "what a reader of the row must know: for instance, that a tensor is read from DRAM more "
        "than four times its stored bytes",
    ),
    "spec_json": ("", "every field of the machine, as JSON"),
    "provenance_json": ("", "what made the run: version, source, seed, options, as JSON"),
}

# further columns of the points and layers of a sweep
SWEEP: Mapping[str, tuple[str, str]] = {
    "point": ("", "short name of the point"),
    "axis_<name>": ("", "the point's value on this axis; empty if its machine has no such field"),
    "front": (
        "",
        "yes if no other point of the network is better in latency or energy and at least "
        "as good in the other",
    ),
}

# further columns of compressed models, measured when the model was made
QUALITY: Mapping[str, tuple[str, str]] = {
    "accuracy": (
        "0 to 1",
        "share of the scored images that the integer network classifies correctly",
    ),
    "accuracy_low": ("0 to 1", "lower end of the 95 % confidence interval of `accuracy` (Wilson)"),
    "accuracy_high": ("0 to 1", "upper end of that interval"),
    "agreement": (
        "0 to 1",
        "share of the scored images for which it answers as the original network does",
    ),
    "agreement_low": (
        "0 to 1",
        "lower end of the 95 % confidence interval of `agreement` (Wilson)",
    ),
    "agreement_high": ("0 to 1", "upper end of that interval"),
    "scored_images": ("images", "number of images behind `accuracy` and `agreement`"),
}

# further columns of ``escalate pareto``: the models and the machines that run them
FRONT: Mapping[str, tuple[str, str]] = {
    "method": ("", "compression method"),
    "ratio": (
        "×",
        "size that was asked for: so many times smaller than FP32; empty without a budget",
    ),
    "budget_bytes": ("B", "FP32 bytes of all parameters, divided by `ratio`"),
    "stored_bytes": ("B", "bytes on disk of every file that decoding needs, headers included"),
    "compression_ratio": ("×", "FP32 bytes of all parameters, divided by `stored_bytes`"),
    "accuracy_original": ("0 to 1", "accuracy of the original network in floating point"),
    "divergence": (
        "nats",
        "how far the answers move: the mean Kullback-Leibler divergence of the class probabilities "
        "from the original's, over the first 256 scored images",
    ),
    "payload_bytes": (
        "B",
        "encoded coefficients, weights, bases and scales, without headers and manifest",
    ),
    "ideal_bytes": (
        "B",
        "lower bound: the entropy of the coefficients and weights times their number, plus the "
        "bases as stored; multipliers and biases are left out",
    ),
    "hardware_bytes": (
        "B",
        "bytes of weights, coefficients and bases that the row's machine reads from DRAM for the "
        "simulated images, in its own format and in whole bursts; what it reads twice counts twice",
    ),
    "on_front": (
        "",
        "true if no other row is at least as good in accuracy, `stored_bytes`, `latency_s` and "
        "`energy_j`, and better in one of them",
    ),
    "remark": (
        "",
        "what differs from the request: the model is more than a tenth smaller than `ratio` asks, "
        "and why; or none of its layers is decomposed",
    ),
    "model": ("", "folder of the model"),
    "fed": ("", "what the machine was fed: a compressed model, or which kind of 8-bit weights"),
    "best": (
        "",
        "true for the machine with the lowest `edp_j_s` (energy-delay product) of those requested",
    ),
    "problem": ("", "why the model could not be made or run"),
}


def described(name: str) -> str | None:
    """Return the name in the tables above that describes a column, or None.

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
        "The columns of every table, frame, CSV, Parquet file and JSON object. This page is made",
        "from `reports/columns.py` by `python -m reports.columns > docs/columns.md`.",
        "",
        "A count or an energy that a machine does not have is 0. A ratio whose divisor is 0 is",
        "empty.",
        "",
        *_table(COLUMNS),
        "",
        "Rows of compressed models have these columns too, measured when the model was made:",
        "",
        *_table(QUALITY),
        "",
        "The points and layers of a sweep have these columns too:",
        "",
        *_table(SWEEP),
        "",
        "The rows of `escalate pareto` have these columns too:",
        "",
        *_table(FRONT),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
