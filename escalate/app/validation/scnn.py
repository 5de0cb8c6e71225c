"""SCNN beside two simulators run on the same masks, a third one's log, and its own paper."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby

import numpy as np

from arch.scnn.model import MACHINE
from arch.scnn.spec import PRESETS, ScnnSpec
from arch.scnn.timing import causes, times
from arch.scnn.work import Found, counted
from arch.spec import override
from escalate.app.validation.check import Band, Check
from escalate.app.validation.layers import ones, square
from reports.publication import row as one_row
from reports.publication import rows
from workloads.layer import ConvLayer
from workloads.network import network

EXACT, TENTH, FIFTH, REPORTED = (
    Band("exact"),
    Band("share", 0.1),
    Band("share", 0.2),
    Band("reported"),
)
DNNSIM = "DNNsim 4748a60, SCNN model"
LOSIF63 = "SCNN_Simulator_101 04a86bf"
KAIST = "james98kr/SCNN_simulation d5b33c6, log"
PAPER = "SCNN, ISCA 2017"
ROOMY = 1 << 30  # bytes: the simulators know no end of their activation memories

# Each simulator's own tiling and barrier.
AS_DNNSIM = ScnnSpec(
    tiling="padded_input", barrier="channel", halo="serial", iaram_bytes=ROOMY, oaram_bytes=ROOMY
)
AS_LOSIF63 = ScnnSpec(
    tiling="input",
    barrier="layer",
    bank_conflicts="queued",
    filters_per_group=32,
    iaram_bytes=ROOMY,
    oaram_bytes=ROOMY,
)
AS_KAIST = ScnnSpec(
    tiling="input",
    barrier="layer",
    bank_conflicts="queued",
    channel_cycles=1,
    iaram_bytes=ROOMY,
    oaram_bytes=ROOMY,
)

Masks = tuple[np.ndarray, np.ndarray]


def checks() -> Iterator[Check]:
    """Pairs, slots, cycles, speedups over the dense rule, the density sweep, and area.

    Examples
    --------
    >>> next(checks()).verdict
    'inside'
    """
    yield from synthetic()
    yield from full_size()
    yield from kaist()
    yield from paper()


def _cycles(found: Found, spec: ScnnSpec) -> int:
    return int(times(found.part, spec).lengths.sum())


@cache
def _case(name: str) -> tuple[ConvLayer, np.ndarray, np.ndarray]:
    """One of the synthetic cases."""
    row = one_row("effectual_pairs.csv", case=name)
    layer = square(row, "case")
    densities = float(row["iact_density"]), float(row["weight_density"])
    return layer, *ones(layer, densities, (int(row["iact_salt"]), int(row["weight_salt"])))


STRIDED_HALO = (
    "DNNsim exchanges (R-1) x (S-1) psums a filter whatever the stride; a stride of 4 leaves a "
    "quarter of them on each side"
)


def synthetic() -> Iterator[Check]:
    """Small layers: DNNsim with two sizes of accumulators, and losif63."""
    for row in rows("effectual_pairs.csv"):
        found = counted(*_with(AS_DNNSIM, row["case"]))
        pairs = float(row["pairs"])
        source = "three simulators, one count"
        yield Check("scnn", "effectual pairs", row["case"], pairs, found.pairs, EXACT, source)
    for row in rows("scnn_dnnsim.csv"):
        yield from _dnnsim(row)
    for row in rows("scnn_losif63.csv"):
        found = counted(*_with(AS_LOSIF63, row["case"]))
        yield from _losif63(row["case"], row, found, found.pairs, row["valid_mults"])


def _with(spec: ScnnSpec, case: str) -> tuple[ConvLayer, ScnnSpec, np.ndarray, np.ndarray]:
    layer, pixels, weights = _case(case)
    return layer, spec, pixels, weights


def _dnnsim(row: Mapping[str, str]) -> Iterator[Check]:
    """All of DNNsim's counters for one small layer."""
    case = f"{row['case']}, {row['accumulator_entries']} psums"
    spec = override(AS_DNNSIM, {"accumulator_entries": int(row["accumulator_entries"])})
    layer, *_ = _case(row["case"])
    found = counted(*_with(spec, row["case"]))
    taken = times(found.part, spec)
    split = causes(found.part, found.useful, spec, taken)
    ours = {
        "mults": found.useful,
        "f_loop": found.part.blocks,
        "i_loop": found.part.activation_vectors,
        "idle_bricks": split["outside"] + split["fragmentation"],
        "idle_conflicts": split["bank_conflict"],
        "idle_pe": split["imbalance"] + split["idle_mapping"],
        "weight_buff_reads": found.part.weight_vectors * spec.weight_vector,
        "act_buff_reads": found.part.activation_vectors * spec.activation_vector,
        "accumulator_updates": found.useful,
    }
    for quantity, count in ours.items():
        published = float(row[quantity])
        yield Check("scnn", f"DNNsim {quantity}", case, published, count, EXACT, DNNSIM)
    exchange = int(row["idle_halo"]) // spec.units
    without = float(int(row["cycles"]) - exchange)
    compute = int(taken.compute.sum())
    quantity = "cycles without halo"
    yield Check("scnn", quantity, case, without, compute, EXACT, DNNSIM)
    why = STRIDED_HALO if max(layer.strides) > 1 else ""
    total = int(taken.lengths.sum())
    yield Check("scnn", "cycles", case, float(row["cycles"]), total, TENTH, DNNSIM, why)
    dense = override(spec, {"skip_zeros": False})
    plain = counted(*_with(dense, row["case"]))
    published = float(row["dense_cycles"])
    total = _cycles(plain, dense)
    yield Check("scnn", "dense cycles", case, published, total, TENTH, DNNSIM, why)


LOSIF63_CYCLES = (
    "losif63 takes up to about 4 cycles more for each channel and group of 32 filters, which "
    "nobody documents; the less work a channel has, the more they count"
)


def _losif63(
    case: str, row: Mapping[str, str], found: Found, pairs: int, published_pairs: str
) -> Iterator[Check]:
    """What losif63 prints for one layer."""
    slots = found.part.blocks * AS_LOSIF63.products
    published = float(row["multiplier_slots"])
    yield Check("scnn", "multiplier slots", case, published, slots, EXACT, LOSIF63)
    yield Check("scnn", "products kept", case, float(published_pairs), pairs, EXACT, LOSIF63)
    name = "layer_cycles" if "layer_cycles" in row else "losif63_layer_cycles"
    cycles = int(times(found.part, AS_LOSIF63).compute.sum())
    published = float(row[name])
    quantity = "cycles without barrier"
    yield Check("scnn", quantity, case, published, cycles, TENTH, LOSIF63, LOSIF63_CYCLES)


def full_size() -> Iterator[Check]:
    """AlexNet and GoogLeNet layers through both simulators."""
    for row in rows("scnn_fullsize.csv"):
        layer, case = square(row), f"{row['net']} {row['layer']}"
        densities = float(row["act_density"]), float(row["wgt_density"])
        masks = ones(layer, densities, (int(row["salt_a"]), int(row["salt_w"])))
        pairs = float(row["effectual_macs"])
        found = counted(layer, AS_LOSIF63, *masks)
        source = "three simulators, one count"
        yield Check("scnn", "effectual pairs", case, pairs, found.pairs, EXACT, source)
        if row["losif63_multiplier_slots"]:
            named = {
                "multiplier_slots": row["losif63_multiplier_slots"],
                "layer_cycles": row["losif63_layer_cycles"],
            }
            yield from _losif63(case, named, found, found.pairs, row["effectual_macs"])
        for entries in ("1024", "6144"):
            spec = override(AS_DNNSIM, {"accumulator_entries": int(entries)})
            yield from _full_dnnsim(row, f"{case}, {entries} psums", entries, spec, layer, masks)


def _full_dnnsim(
    row: Mapping[str, str], case: str, entries: str, spec: ScnnSpec, layer: ConvLayer, masks: Masks
) -> Iterator[Check]:
    why = STRIDED_HALO if max(layer.strides) > 1 else ""
    for dense in (False, True):
        published = row[f"dnnsim_{'dense_' * dense}cycles_acc{entries}"]
        if published:
            chosen = override(spec, {"skip_zeros": not dense})
            ours = _cycles(counted(layer, chosen, *masks), chosen)
            quantity = "dense cycles" if dense else "cycles"
            yield Check("scnn", quantity, case, float(published), ours, TENTH, DNNSIM, why)


KAIST_CYCLES = (
    "its own random masks; queues of 5 products before the banks, none of which stalls here; "
    "28 rows are cut into 8 tiles of 3 or 4, here into 7 of 4, whose vectors are fuller"
)
KAIST_PRODUCTS = "its own random masks; one draw of so few values strays by 2 % and more"


def kaist() -> Iterator[Check]:
    """The log of a third simulator: PE-cycles summed over all tiles."""
    for number, row in enumerate(rows("scnn_kaist.csv")):
        padding = str((int(row["R"]) - 1) // 2)
        layer = square({**row, "stride": "1", "pad": padding})
        spec = override(AS_KAIST, {"filters_per_group": int(row["Kc"])})
        densities = 1 - float(row["act_sparsity"]), 1 - float(row["wgt_sparsity"])
        found = counted(layer, spec, *ones(layer, densities, (2 * number + 1, 2 * number + 2)))
        case = f"{row['layer']}, {row['Kc']} filters a group"
        cycles, products = float(row["sum_PE_cycles"]), float(row["products"])
        quantity = "PE-cycles"
        ours = found.part.busy_cycles
        yield Check("scnn", quantity, case, cycles, ours, TENTH, KAIST, KAIST_CYCLES)
        band, ours = Band("share", 0.02), found.part.products
        yield Check("scnn", "products", case, products, ours, band, KAIST, KAIST_PRODUCTS)


# The paper's plan: the whole plane at once, and as many filters as fit.
PUBLISHED = override(PRESETS["published"], {"filters_per_group": "most"})
DENSE = override(PUBLISHED, {"skip_zeros": False})
QUEUED = override(PUBLISHED, {"bank_conflicts": "queued"})
DENSITIES = (
    "seeded masks at densities of pruned models others published, not the paper's; DCNN is the "
    "dense rule of the same tiles; DRAM left out; GoogLeNet: 12 of 54 layers"
)
SPEEDUP = (
    "every block waits for its fullest bank, about half of all busy cycles; the paper says that "
    "twice as many banks as products suffice, which takes queues: see conflicts queued; "
    + DENSITIES
)
QUEUES = (
    "queues absorb all bank conflicts, as in two of the simulators; tiles are even, so all 64 PEs "
    "work where a plane of 14 rows in tiles of 2 leaves 15 of them idle; " + DENSITIES
)
IDEAL = "over a dense machine whose 1024 multipliers are always busy; " + DENSITIES


VARIANTS: Mapping[str, ScnnSpec] = {
    "channel": override(PUBLISHED, {"barrier": "channel"}),
    "group": PUBLISHED,
    "layer": override(PUBLISHED, {"barrier": "layer"}),
    "queued channel": override(QUEUED, {"barrier": "channel"}),
    "queued group": QUEUED,
    "queued layer": override(QUEUED, {"barrier": "layer"}),
    "dense": DENSE,
}


@cache
def network_cycles() -> Mapping[str, Mapping[str, int]]:
    """Cycles without DRAM by network, then by variant; ``ideal`` is MACs / multipliers."""
    table: dict[str, dict[str, int]] = {}
    for name, layers in groupby(rows("pruned_layers.csv"), lambda row: row["network"]):
        totals = dict.fromkeys((*VARIANTS, "ideal"), 0)
        for number, row in enumerate(layers):
            layer = square(row)
            densities = float(row["input_density"]), float(row["weight_density"])
            masks = ones(layer, densities, (2 * number + 1, 2 * number + 2))
            worked = {id(spec): counted(layer, spec, *masks) for spec in (PUBLISHED, QUEUED, DENSE)}
            for variant, spec in VARIANTS.items():
                base = QUEUED if "queued" in variant else DENSE if variant == "dense" else PUBLISHED
                totals[variant] += _cycles(worked[id(base)], spec)
            totals["ideal"] += layer.macs // PUBLISHED.units
        table[name] = totals
    return table


def paper() -> Iterator[Check]:
    """Speedups, utilization, fully connected layers and area of the paper."""
    yield from speedups()
    yield from sweep()
    yield from late_layers()
    yield from fully_connected()
    yield from chip_area()


def speedups() -> Iterator[Check]:
    """Speedup over the dense rule, brackets of two barriers, and over an ideal dense machine."""
    quantity = "speedup over DCNN"
    for row in rows("scnn_paper.csv"):
        if row["quantity"] != quantity:
            continue
        cycles, published, case = network_cycles()[row["case"]], float(row["value"]), row["case"]
        for prefix, name, why in (("", "", SPEEDUP), ("queued ", ", conflicts queued", QUEUES)):
            low, middle, high = (
                cycles["dense"] / cycles[prefix + barrier]
                for barrier in ("channel", "group", "layer")
            )
            band, both = Band("bracket", low=low), f"{case}{name}"
            yield Check("scnn", quantity, both, published, high, band, PAPER, why)
            one = f"{both}, barrier of the group"
            yield Check("scnn", quantity, one, published, middle, REPORTED, PAPER, why)
            over, ours = f"{both}, ideal dense", cycles["ideal"] / cycles[prefix + "group"]
            yield Check("scnn", quantity, over, published, ours, REPORTED, PAPER, IDEAL)
    row = one_row("scnn_paper.csv", quantity=f"{quantity}, mean")
    published = float(row["value"])
    for prefix, name, why in (("", "", SPEEDUP), ("queued ", ", conflicts queued", QUEUES)):
        ratios = [found["dense"] / found[f"{prefix}group"] for found in network_cycles().values()]
        case, mean = row["case"] + name, float(np.mean(ratios))
        yield Check("scnn", row["quantity"], case, published, mean, REPORTED, PAPER, why)


SWEEP = (
    "all convolutions of GoogLeNet with evenly spread zeros of one density; DCNN is the dense rule "
    "of the same tiles, whose vectors are as ragged as SCNN's; the paper's DCNN takes dot products "
    "along the channels, which fill its vectors, so at 1.0 and 1.0 it gains on SCNN"
)


def sweep() -> Iterator[Check]:
    """GoogLeNet with synthetic densities: performance over the dense rule."""
    prefix = "performance over DCNN, densities "
    for row in rows("scnn_paper.csv"):
        if not row["quantity"].startswith(prefix):
            continue
        density = float(row["quantity"].removeprefix(prefix).split()[0])
        dense = ours = 0
        for number, layer in enumerate(network("googlenet").shapes):
            if layer.is_linear:
                continue
            masks = ones(layer, (density, density), (2 * number + 1, 2 * number + 2))
            ours += _cycles(counted(layer, PUBLISHED, *masks), PUBLISHED)
            dense += _cycles(counted(layer, DENSE, *masks), DENSE)
        published = float(row["value"])
        ratio = dense / ours
        yield Check("scnn", row["quantity"], row["case"], published, ratio, FIFTH, PAPER, SWEEP)


def late_layers() -> Iterator[Check]:
    """Utilization of the 1x1 layers of GoogLeNet's last module, groups of 8 filters."""
    row = one_row("scnn_paper.csv", case="GoogLeNet 5b")
    spec = override(PUBLISHED, {"filters_per_group": 8})
    band = Band("at_most")
    for number, entry in enumerate(rows("pruned_layers.csv")):
        if "5b" not in entry["layer"] or entry["R"] != "1":
            continue
        layer = square(entry)
        densities = float(entry["input_density"]), float(entry["weight_density"])
        found = counted(layer, spec, *ones(layer, densities, (2 * number + 1, 2 * number + 2)))
        ours = found.useful / (_cycles(found, spec) * spec.units)
        case = entry["layer"]
        yield Check("scnn", row["quantity"], case, float(row["value"]), ours, band, PAPER)


def fully_connected() -> Iterator[Check]:
    """All values non-zero: a block holds one activation, so 4 of 16 multipliers work."""
    row = one_row("scnn_paper.csv", quantity="share of the peak, fully connected layers")
    layer = ConvLayer("fc", C=64, K=4096, H=1, W=1)
    spec = override(PUBLISHED, {"bank_conflicts": "queued"})
    found = counted(layer, spec, *ones(layer, (1.0, 1.0), (1, 2)))
    ours = found.useful / (_cycles(found, spec) * spec.units)
    yield Check("scnn", row["quantity"], "4096 x 64", float(row["value"]), ours, EXACT, PAPER)


AREA = (
    "CACTI's and Aladdin's components scaled to 16 nm; control, FIFOs of indices and wires have no "
    "figure; the crossbar is the paper's own"
)


def chip_area() -> Iterator[Check]:
    """Area of the published preset, for the record."""
    found = {name: size / 1e12 for name, size in MACHINE.resources(PUBLISHED).area.items()}
    total, pe = sum(found.values()), sum(found.values()) / PUBLISHED.pes
    array = found["multiplier"] / PUBLISHED.pes
    for name, ours in (
        ("chip area, mm2", total),
        ("PE area, mm2", pe),
        ("multiplier array area of a PE, mm2", array),
    ):
        published = float(one_row("scnn_paper.csv", quantity=name)["value"])
        yield Check("scnn", name, "published preset", published, ours, REPORTED, PAPER, AREA)
