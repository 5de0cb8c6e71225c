"""Eyeriss beside its chip (JSSC 2017), ISCA 2016, figure 10, and nn-dataflow's own output."""

from collections.abc import Iterator, Mapping

import numpy as np

from arch.counters import Counters, LayerResult
from arch.energy import AJ_PER_J, charges, total_attojoules
from arch.eyeriss.coding import Maps, pairs_before
from arch.eyeriss.model import MACHINE, Pairs, work
from arch.eyeriss.plan import plan
from arch.eyeriss.spec import PRESETS, EyerissSpec
from arch.pairs import tap_counts
from arch.spec import override
from arch.undecomposed import fed_shape, layer_run
from escalate.app.validation.check import Band, Check
from reports.publication import row as published_row
from reports.publication import rows
from workloads import hash_masks
from workloads.layer import ConvLayer
from workloads.network import network

CHIP = "Eyeriss, JSSC 2017, table V"
ISCA = "Eyeriss, ISCA 2016, figure 10"
NN_DATAFLOW = "nn-dataflow 2.1, tool output"
EXACT, REPORTED = Band("exact"), Band("reported")
DRAM_RATIO = 200  # one DRAM access over one MAC
RENAMED = {"fc1": "fc6", "fc2": "fc7", "fc3": "fc8"}
UNLIMITED = 1 << 20  # words or bytes per cycle of buses and a DRAM that nobody waits for
SQUARE = {"rows": 16, "columns": 16, "glb_bytes": 120 * 1024}  # ISCA 2016: 256 PEs, 128 kB
OTHER_MAPPING = "our mapper's choice, not the chip's: it gives the GLB to other sizes of blocks"
CONTRADICTION = (
    "the printed mapping adds 4 channels in a pass, 64 passes; the printed traffic is that of 6 "
    "channels, 43 passes, as conv4's mapping has them"
)
LATENCY = (
    "a pass begins when its operands have come over the buses; what else the chip waits for "
    "between passes nobody published"
)
POWER = (
    "the only SRAMs in our tables leak like high-performance devices (361 mW at 65 nm), the chip "
    "is made in a low-power process; its clock tree, pads and control have no published energy "
    "and are priced 0, see the row without leakage"
)
MOVING = "spads, GLB and arithmetic alone; the rest of the chip is clock, control and leakage"
CHIP_PRICES = (
    "the prices were fitted to the chip with every multiplication done and DRAM included; with "
    "zeros gated, as on the chip, less is left for clock and control, which have no price"
)
DRAM = "where the photographs' zeros are is not published: ours are spread evenly; link at 480 MB/s"
ISCA_DRAM = "the study's own mapper reads some operands more often; ours minimizes the same ratios"


def checks() -> Iterator[Check]:
    """Array use, latency, traffic, power and energies."""
    layers = {entry.name: entry.layer for entry in network("alexnet").layers}
    for row in rows("eyeriss_chip.csv"):
        if row["layer"] in layers:
            yield from _chip(layers[row["layer"]], row)
        else:
            yield _vgg(row)
    for row in rows("eyeriss_isca16.csv"):
        yield from _isca(layers[RENAMED.get(row["layer"], row["layer"])], row)
    for row in rows("nn_dataflow_alexnet.csv"):
        yield _nn_dataflow(layers, row)


def _published(**fields: object) -> EyerissSpec:
    found: EyerissSpec = override(PRESETS["published"], fields)
    return found


def _ms(counters: Counters, spec: EyerissSpec) -> float:
    return (counters.compute_cycles + counters.drain_cycles) / spec.clock_hz * 1e3


def _bound(result: LayerResult, spec: EyerissSpec) -> float:
    """Multiply-accumulates over active PEs, ms."""
    return result.counters.macs / int(result.extras["active_pes"]) / spec.clock_hz * 1e3


def _chip(layer: ConvLayer, row: Mapping[str, str]) -> Iterator[Check]:
    case, images = f"AlexNet {layer.name}", int(row["batch"])
    spec = _published(mapping=row["mapping"])
    result = _filled(layer, row, spec)
    counters, active = result.counters, float(row["active_pes"])

    def check(quantity: str, published: float, ours: float, band: Band, why: str = "") -> Check:
        return Check("eyeriss", quantity, case, published, ours, band, CHIP, why)

    yield check("active PEs", active, float(result.extras["active_pes"]), EXACT)
    between = Band("between", low=_bound(result, spec))
    silicon = float(row["processing_ms"])
    yield check("processing latency, ms", silicon, _ms(counters, spec), between, LATENCY)
    total = counters.cycles / spec.clock_hz * 1e3
    yield check("total latency, ms", float(row["total_ms"]), total, REPORTED, DRAM)
    own = MACHINE.run_shape(layer, _published(), images).result
    quantity = "processing latency with our mapper, ms"
    yield check(quantity, silicon, _ms(own.counters, spec), REPORTED, OTHER_MAPPING)
    quantity = "active PEs with our mapper"
    yield check(quantity, active, float(own.extras["active_pes"]), REPORTED, OTHER_MAPPING)
    yield from _glb(layer, row, result)
    yield check(
        "DRAM traffic, MB", float(row["dram_mb"]), counters.dram_bytes / 1e6, REPORTED, DRAM
    )
    chip, (moving, still) = float(row["power_mw"]), _milliwatts(counters, spec)
    within = Band("share", 0.25)
    yield check("power, mW", chip, moving + still, within, POWER)
    yield check("power without leakage, mW", chip, moving, REPORTED, MOVING)
    on_chip, dram = _chip_milliwatts(counters, spec)
    yield check("power by prices fitted to the chip, mW", chip, on_chip + dram, within, CHIP_PRICES)
    quantity = "power by prices fitted to the chip, without DRAM, mW"
    yield check(quantity, chip, on_chip, REPORTED, CHIP_PRICES)


def _glb(layer: ConvLayer, row: Mapping[str, str], result: LayerResult) -> Iterator[Check]:
    """By the printed mapping; conv3, whose tables disagree, by that of conv4 as well."""
    case, published, band = f"AlexNet {layer.name}", float(row["glb_mb"]), Band("share", 0.05)
    agrees = layer.name != "conv3"
    yield Check(
        "eyeriss",
        "GLB traffic, MB",
        case,
        published,
        _glb_bytes(result.counters) / 1e6,
        band if agrees else REPORTED,
        CHIP,
        "" if agrees else CONTRADICTION,
    )
    if not agrees:
        other = _published(mapping=published_row("eyeriss_chip.csv", layer="conv4")["mapping"])
        counters = MACHINE.run_shape(layer, other, int(row["batch"])).result.counters
        ours = _glb_bytes(counters) / 1e6
        quantity = "GLB traffic with conv4's mapping, MB"
        yield Check("eyeriss", quantity, case, published, ours, band, CHIP, CONTRADICTION)


def _glb_bytes(counters: Counters) -> int:
    """Psums both ways, inputs on their way to the array, outputs on theirs to DRAM."""
    wanted = (("input", "read"), ("psum", "read"), ("psum", "write"), ("output", "read"))
    return sum(counters.traffic["glb", tensor, way] for tensor, way in wanted)


def _filled(layer: ConvLayer, row: Mapping[str, str], spec: EyerissSpec) -> LayerResult:
    """The layer with zeros by the hash rule in inputs and outputs, at the published densities."""
    images = int(row["batch"])
    shape = (images, layer.C, layer.H, layer.W)
    inputs = hash_masks.mask(shape, 1 - float(row["ifmap_zeros_pct"]) / 100, 1)
    shape = (images, layer.K, layer.P, layer.Q)
    outputs = hash_masks.mask(shape, float(row["output_density"]), 2)
    longest = (1 << spec.run_bits) - 1
    maps = Maps(
        None if layer.name == "conv1" else pairs_before(inputs, longest),
        pairs_before(outputs, longest),
    )
    multiplies = int(tap_counts(layer, inputs.astype(np.uint8)).sum()) * layer.K // layer.groups
    pairs = Pairs(layer.macs * images, multiplies)
    done = work(plan(layer, spec, images), pairs, maps, spec)
    return layer_run("eyeriss", "dense", fed_shape(layer, images, spec), spec, done, None).result


def _milliwatts(counters: Counters, spec: EyerissSpec) -> tuple[float, float]:
    """Power of what moves and of what leaks while the array works, DRAM left out."""
    bill = charges(counters, MACHINE.prices(spec))
    still = total_attojoules(line for line in bill if line.tensor == "static") / counters.cycles
    moving = total_attojoules(
        line for line in bill if line.component != "dram" and line.tensor != "static"
    ) / (counters.compute_cycles + counters.drain_cycles)
    per_cycle = spec.clock_hz / AJ_PER_J * 1e3  # attojoules per cycle -> milliwatts
    return moving * per_cycle, still * per_cycle


def _chip_milliwatts(counters: Counters, spec: EyerissSpec) -> tuple[float, float]:
    """Power by nn-dataflow's prices of 16-bit words: the chip with what leaks, and its DRAM.

    A multiply-accumulate makes four accesses to the spads, three where its input is zero.
    """
    price = {row["component"]: float(row["value"]) for row in rows("nn_dataflow_prices.csv")}
    words = {
        level: counters.traffic_bytes(level) / spec.operand_bytes
        for level in ("array", "glb", "dram")
    }
    spads = 3 * counters.macs + counters.multiplies
    on_chip = counters.multiplies * price["mac"] + spads * price["rf"]
    on_chip += words["array"] * price["array"] + words["glb"] * price["glb"]
    seconds = _ms(counters, spec) / 1e3
    dram = words["dram"] * price["dram"]
    return on_chip / 1e9 / seconds + price["static"], dram / 1e9 / seconds


def _vgg(row: Mapping[str, str]) -> Check:
    spec, images = _published(), int(row["batch"])
    found, bound = 0.0, 0.0
    for entry in network("vgg16").layers:
        if not entry.layer.is_linear:
            result = MACHINE.run_shape(entry.layer, spec, images).result
            found, bound = found + _ms(result.counters, spec), bound + _bound(result, spec)
    return Check(
        "eyeriss",
        "processing latency, ms",
        "VGG-16, all convolutions",
        float(row["processing_ms"]),
        found,
        Band("bound", low=bound),
        CHIP,
        "a lower bound: our mapper cuts the early layers into far fewer passes than the chip does; "
        "nobody published a formula that reproduces VGG-16",
    )


def _isca(layer: ConvLayer, row: Mapping[str, str]) -> Iterator[Check]:
    spec = _published(**SQUARE, objective="energy")
    result = MACHINE.run_shape(layer, spec, 16).result
    words = result.counters.dram_bytes / spec.operand_bytes
    ours = {
        "alu": result.counters.macs,
        "rf": int(result.extras["spad_accesses_of_macs"]),
        "dram": DRAM_RATIO * words,
    }
    for name, value in ours.items():
        yield Check(
            "eyeriss",
            f"{name.upper()} energy, 1e9 MACs",
            f"AlexNet {row['layer']}, batch 16",
            float(row[name]),
            value / 1e9,
            Band("difference", 0.1),
            ISCA,
            ISCA_DRAM if name == "dram" else "",
        )


def _half(layers: Mapping[str, ConvLayer], name: str) -> ConvLayer:
    """nn-dataflow's layer: half the filters of a convolution, or fc6 as a 6x6 convolution."""
    if name == "fc1":
        return ConvLayer(name, C=256, K=4096, H=6, W=6, R=6, S=6)
    if name.startswith("fc"):
        return layers[RENAMED[name]]
    layer = layers[name.partition("_")[0]]
    fields = {"C": layer.channels_per_group, "K": layer.K // 2, "H": layer.H, "W": layer.W}
    fields |= {"R": layer.R, "S": layer.S, "stride": layer.strides[0]}
    return ConvLayer(name, padding=layer.padding, **fields)


def _nn_dataflow(layers: Mapping[str, ConvLayer], row: Mapping[str, str]) -> Check:
    """Cycles of multiplications alone: no pass waits for operands."""
    chip = row["config"] == "eyeriss_jssc17"
    buses = dict.fromkeys(("filter_bus_words", "ifmap_bus_words", "psum_bus_words"), UNLIMITED)
    buses["dram_bandwidth_bytes_per_s"] = UNLIMITED * PRESETS["published"].clock_hz
    layer = _half(layers, row["layer"])
    named = chip and row["layer"].startswith("conv")
    chosen = "auto"
    if named:
        chosen = published_row("eyeriss_chip.csv", layer=row["layer"].partition("_")[0])["mapping"]
    array = {} if chip else SQUARE
    spec = _published(**array, **buses, mapping=chosen, dram_overlap="off" if named else "on")
    result = MACHINE.run_shape(layer, spec, int(row["batch"])).result
    return Check(
        "eyeriss",
        "cycles of multiplications",
        f"AlexNet {row['layer']}, {spec.rows}x{spec.columns} PEs, batch {row['batch']}",
        float(row["time_cycles"]),
        float(result.counters.compute_cycles),
        EXACT if named else Band("bound", low=result.counters.macs / spec.units),
        NN_DATAFLOW,
        "" if named else OTHER_MAPPING,
    )
