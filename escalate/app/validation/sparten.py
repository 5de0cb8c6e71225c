"""SparTen beside BitSim's own output and its paper's average speedups."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby, product
from math import prod

from arch.sparten.charges import counts
from arch.sparten.join import all_joins
from arch.sparten.model import MACHINE
from arch.sparten.plan import plan
from arch.sparten.spec import PRESETS, SpartenSpec
from escalate.app.validation import scnn
from escalate.app.validation.check import Band, Check
from escalate.app.validation.layers import ones, square
from reports.publication import row as one_row
from reports.publication import rows
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

EXACT, QUARTER, REPORTED = Band("exact"), Band("share", 0.25), Band("reported")
BITSIM = "BitSim 6845fad, SparTen model"
PAPER = "SparTen, MICRO 2019, abstract"
CLUSTER = "SparTen, MICRO 2019, table 4, quoted by a student simulator"
COLUMN = re.compile(r"cycles_(\d+)x(\d+)_load(\d+)")


def checks() -> Iterator[Check]:
    """Pairs, matches and cycles of BitSim's cases; speedups; one cluster's power and area.

    Examples
    --------
    >>> next(checks()).verdict
    'inside'
    """
    yield from bitsim()
    yield from speedups()
    yield from over_scnn()
    yield from cluster()


def _tensors(
    layer: ConvLayer, densities: tuple[float, float], salts: tuple[int, int]
) -> LayerTensors:
    return LayerTensors(layer, *ones(layer, densities, salts), origin="synthetic")


def bitsim() -> Iterator[Check]:
    """BitSim waits after each chunk of a tile of filters x positions of one output row."""
    for row in rows("sparten_bitsim.csv"):
        sizes = {name: int(row[name]) for name in ("C", "K", "H", "W", "R", "S", "stride")}
        layer = ConvLayer(row["case"], padding=(int(row["pad"]),) * 4, **sizes)
        densities = float(row["act_density"]), float(row["wgt_density"])
        tensors = _tensors(layer, densities, (int(row["salt_a"]), int(row["salt_w"])))
        for column, published in row.items():
            found = COLUMN.fullmatch(column)
            if not found:
                continue
            filters, positions, load = (int(number) for number in found.groups())
            spec = SpartenSpec(
                units_per_cluster=filters,
                clusters=positions,
                load_cycles=load,
                chunk_order="taps",
                sync="chunk",
                balance="none",
            )
            run = MACHINE.run(tensors, spec).result
            cycles = run.counters.compute_cycles
            tile = f"{filters} filters x {positions} positions, load {load}"
            yield _bitsim(f"cycles, {tile}", row["case"], published, cycles)
        counters = run.counters
        yield _bitsim(
            "effectual pairs", row["case"], row["effectual_macs"], counters.effectual_ops or 0
        )
        yield _bitsim("matches", row["case"], row["matches"], counters.multiplies)
        yield _bitsim("chunk pairs", row["case"], row["chunk_pairs"], run.extras["chunk_pairs"])


def _bitsim(quantity: str, case: str, published: str, ours: int) -> Check:
    return Check("sparten", quantity, case, float(published), float(ours), EXACT, BITSIM)


def _pruned(row: Mapping[str, str], number: int) -> LayerTensors:
    """A layer of a pruned network, its zeros spread evenly; the salts are ours."""
    densities = float(row["input_density"]), float(row["weight_density"])
    return _tensors(square(row), densities, (2 * number + 1, 2 * number + 2))


# What is compared: SparTen, and the same units dense or one-sided, which have nothing to balance.
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "SparTen": {},
    "dense": {"skip": "none", "balance": "none"},
    "one-sided (weights)": {"skip": "weights", "balance": "none"},
    "one-sided (activations)": {"skip": "activations", "balance": "none"},
}
SYNCS = ("asynchronous", "chunk")  # the two bounds
NO_DRAM = {"dram_latency_ns": 0, "dram_bandwidth_bytes_per_s": 10**15}  # never waited for
Cycles = Mapping[tuple[str, str], int]


def _cycles(tensors: LayerTensors, spec: SpartenSpec) -> int:
    """Cycles of a layer, waits for DRAM left out of the plan as well."""
    layer, pixels = tensors.layer, tensors.activations
    ways = all_joins(layer, pixels, tensors.dense_weights(), spec)
    return plan(layer, pixels, ways, None, spec).dram.cycles


@cache
def network_cycles() -> Mapping[str, Cycles]:
    """Cycles by network, then by variant and sync."""
    found: dict[str, Cycles] = {}
    for network, layers in groupby(rows("pruned_layers.csv"), lambda row: row["network"]):
        totals: Counter[tuple[str, str]] = Counter()
        for number, row in enumerate(layers):
            tensors = _pruned(row, number)
            for (name, fields), sync in product(VARIANTS.items(), SYNCS):
                spec = PRESETS["published"].model_copy(update={**NO_DRAM, **fields, "sync": sync})
                totals[name, sync] += _cycles(tensors, spec)
        found[network] = totals
    return found


DENSITIES = (
    "bounded by the densities, which are what can be read of the pruned models, zeros spread "
    "evenly; the published mean is over an unknown list of layers; DRAM left out"
)
REASONS: Mapping[str, str] = {
    "dense": "the first layers are nearly dense (AlexNet's conv1 alone is a sixth of its MACs); "
    + DENSITIES,
    "one-sided (weights)": "whose zeros the one-sided machine skips is not in the abstract; "
    + DENSITIES,
    "one-sided (activations)": "weights are sparser than activations here, so skipping the "
    "activations' zeros alone gains less and SparTen gains more over it; the published figure lies "
    "between this and one-sided (weights); " + DENSITIES,
}
OVER_SCNN = (
    "cycles at one clock, SCNN waiting for the slowest PE behind each group of filters; SCNN's own "
    "bank conflicts decide it, which published simulators resolve differently; " + DENSITIES
)
LOCKED = "all clusters wait after each chunk, in both machines: the other bound"


def speedups() -> Iterator[Check]:
    """Geometric mean over AlexNet, VGG-16 and 12 layers of GoogLeNet, and each of them."""
    cycles = network_cycles()
    for reference, reason in REASONS.items():
        over, quantity = reference.partition(" ")[0], f"speedup over {reference}"
        published = float(one_row("sparten_speedup.csv", over=over)["speedup"])
        for sync in SYNCS:
            ratios = {
                name: found[reference, sync] / found["SparTen", sync]
                for name, found in cycles.items()
            }
            free = sync == "asynchronous"
            ratios = {"geometric mean": prod(ratios.values()) ** (1 / len(ratios)), **ratios}
            for name, ours in ratios.items():
                band = QUARTER if free and name == "geometric mean" else REPORTED
                why = reason if free else LOCKED
                case = f"{name}, {sync}"
                yield Check("sparten", quantity, case, published, ours, band, PAPER, why)


def over_scnn() -> Iterator[Check]:
    """Speedup over SCNN on the same densities: cycles of both, DRAM left out."""
    own, other = network_cycles(), scnn.network_cycles()
    published = float(one_row("sparten_speedup.csv", over="SCNN")["speedup"])
    for key, told in (("group", "conflicts stall"), ("queued group", "conflicts queued")):
        ratios = {
            name: other[name][key] / found["SparTen", "asynchronous"] for name, found in own.items()
        }
        mean = prod(ratios.values()) ** (1 / len(ratios))
        for name, ours in {"geometric mean": mean, **ratios}.items():
            judged = name == "geometric mean" and key == "group"
            band, case = QUARTER if judged else REPORTED, f"{name}, {told}"
            yield Check(
                "sparten", "speedup over SCNN", case, published, ours, band, PAPER, OVER_SCNN
            )


# Our components beside those of the paper's table; leakage is in none of them.
PARTS: Mapping[str, tuple[str, ...]] = {
    "buffers": ("filter_buffer", "input_buffer"),
    "prefix_sums": ("inner_join prefix_sum",),
    "priority_encoders": ("inner_join pick",),
    "MACs": ("unit",),
    "permute_network": ("permute_network",),
}
POWER = (
    "adders, registers and CACTI's SRAM in place of a synthesized cluster; dynamic energy only, on "
    "AlexNet's conv3; the paper's activity is unknown"
)


def _power_mw(tensors: LayerTensors, spec: SpartenSpec) -> dict[str, float]:
    """Dynamic power of one cluster by part of the table, filters paired as the spec says, mW."""
    layer, pixels = tensors.layer, tensors.activations
    paired = all_joins(layer, pixels, tensors.dense_weights(), spec)[:1]
    (alone,) = plan(layer, pixels, paired, None, spec).parts
    table, found = MACHINE.prices(spec), dict.fromkeys(PARTS, 0)
    for (component, action, _), count in counts(alone, spec)[1].items():
        for part, names in PARTS.items():
            if component in names or f"{component} {action}" in names:
                found[part] += count * table[component, action].attojoules
    busy = alone.dram.cycles * spec.clusters
    return {part: energy * 1e-15 * spec.clock_hz / busy for part, energy in found.items()}


def cluster() -> Iterator[Check]:
    """Power and area of one cluster, for the record."""
    spec = PRESETS["published"]
    power = _power_mw(_pruned(rows("pruned_layers.csv")[2], 2), spec)
    for part, ours in power.items():
        published = float(one_row("sparten_cluster.csv", part=part)["power_mw"])
        case = part.replace("_", " ")
        yield Check(
            "sparten", "power of a cluster, mW", case, published, ours, REPORTED, CLUSTER, POWER
        )
    table = MACHINE.resources(spec).area
    own = sum(size for name, size in table.items() if not name.endswith("glb"))
    published = float(one_row("sparten_cluster.csv", part="total")["area_mm2"])
    ours = own / spec.clusters / 1e12
    yield Check(
        "sparten",
        "area of a cluster, mm2",
        "all",
        published,
        ours,
        REPORTED,
        CLUSTER,
        "buffers of unpublished size; Aladdin's adders and CACTI's SRAM",
    )
