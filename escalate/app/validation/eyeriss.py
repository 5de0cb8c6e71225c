"""Eyeriss beside its chip (JSSC 2017, table V) and the energies of ISCA 2016, figure 10."""

from collections.abc import Iterator, Mapping

import numpy as np

from arch.counters import Counters, LayerResult
from arch.energy import AJ_PER_J, charges, total_attojoules
from arch.eyeriss.model import MACHINE
from arch.eyeriss.spec import PRESETS, EyerissSpec
from arch.spec import override
from escalate.app.validation.check import Band, Check
from reports.publication import rows
from workloads import hash_masks
from workloads.layer import ConvLayer
from workloads.network import network
from workloads.tensors import LayerTensors

CHIP = "Eyeriss, JSSC 2017, table V"
ISCA = "Eyeriss, ISCA 2016, figure 10"
EXACT, REPORTED = Band("exact"), Band("reported")
AGREE = ("conv2", "conv4", "conv5")  # layers of which tables III and V agree
DRAM_RATIO = 200  # one DRAM access over one MAC
RENAMED = {"fc1": "fc6", "fc2": "fc7", "fc3": "fc8"}
OTHER_MAPPING = "our mapper's choice, not the chip's: it gives the GLB to other sizes of blocks"
GLB = {
    "conv1": "the chip counts 12 % more than the paper's own formula",
    "conv3": "the printed mapping holds 64 of 384 filters at once, so its inputs come six times; "
    "the printed traffic fits fewer",
}
LATENCY = (
    "a pass begins when its operands have come over the buses; what else the chip waits for "
    "between passes nobody published"
)
POWER = (
    "the only SRAMs in the table leak like high-performance devices (361 mW at 65 nm), the chip is "
    "made in a low-power process; its clock tree, pads and control have no published energy and "
    "are priced 0, see the row without leakage"
)
MOVING = "spads, GLB and arithmetic alone; the rest of the chip is clock, control and leakage"
DRAM = "input zeros of the photographs are known as one number per layer; link at 480 MB/s"


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
    result = MACHINE.run_shape(layer, spec, images).result
    counters, active = result.counters, float(row["active_pes"])

    def check(quantity: str, published: float, ours: float, band: Band, why: str = "") -> Check:
        return Check("eyeriss", quantity, case, published, ours, band, CHIP, why)

    yield check("active PEs", active, float(result.extras["active_pes"]), EXACT)
    between = Band("between", low=_bound(result, spec))
    silicon = float(row["processing_ms"])
    yield check("processing latency, ms", silicon, _ms(counters, spec), between, LATENCY)
    own = MACHINE.run_shape(layer, _published(), images).result
    quantity = "processing latency with our mapper, ms"
    yield check(quantity, silicon, _ms(own.counters, spec), REPORTED, OTHER_MAPPING)
    quantity = "active PEs with our mapper"
    yield check(quantity, active, float(own.extras["active_pes"]), REPORTED, OTHER_MAPPING)
    band = Band("share", 0.05) if layer.name in AGREE else REPORTED
    moved = _glb_bytes(counters) / 1e6
    why = GLB.get(layer.name, "")
    yield check("GLB traffic, MB", float(row["glb_mb"]), moved, band, why)
    tensors = _tensors(layer, images, 1 - float(row["ifmap_zeros_pct"]) / 100)
    filled = MACHINE.run(tensors, spec).result.counters
    yield check("DRAM traffic, MB", float(row["dram_mb"]), filled.dram_bytes / 1e6, REPORTED, DRAM)
    chip, moving, still = float(row["power_mw"]), *_milliwatts(filled, spec)
    yield check("power, mW", chip, moving + still, Band("share", 0.25), POWER)
    yield check("power without leakage, mW", chip, moving, REPORTED, MOVING)


def _glb_bytes(counters: Counters) -> int:
    """Psums both ways and inputs on their way to the array; weights bypass the GLB."""
    wanted = (("input", "read"), ("psum", "read"), ("psum", "write"))
    return sum(counters.traffic["glb", tensor, way] for tensor, way in wanted)


def _tensors(layer: ConvLayer, images: int, density: float) -> LayerTensors:
    """Ones and zeros by the hash rule, spread evenly; an input made by a layer before."""
    shape = (images, layer.C, layer.H, layer.W)
    pixels = hash_masks.mask(shape, density, 1).astype(np.uint8)
    weights = np.ones(layer.weight_shape, np.int8)
    before = () if layer.name == "conv1" else ("before",)
    return LayerTensors(layer, pixels, weights, producers=before, origin="synthetic")


def _milliwatts(counters: Counters, spec: EyerissSpec) -> tuple[float, float]:
    """Power of what moves and of what leaks while the array works, DRAM left out."""
    bill = charges(counters, MACHINE.prices(spec))
    still = total_attojoules(line for line in bill if line.tensor == "static") / counters.cycles
    moving = total_attojoules(
        line for line in bill if line.component != "dram" and line.tensor != "static"
    ) / (counters.compute_cycles + counters.drain_cycles)
    per_cycle = spec.clock_hz / AJ_PER_J * 1e3  # attojoules per cycle -> milliwatts
    return moving * per_cycle, still * per_cycle


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
        Band("between", low=bound),
        CHIP,
        "our mapper cuts the early layers into far fewer passes than the chip does; "
        "nobody published a formula that reproduces VGG-16",
    )


def _isca(layer: ConvLayer, row: Mapping[str, str]) -> Iterator[Check]:
    spec = _published(rows=16, columns=16, glb_bytes=120 * 1024, objective="energy")
    result = MACHINE.run_shape(layer, spec, 16).result
    words = result.counters.dram_bytes / spec.operand_bytes
    ours = {
        "alu": result.counters.macs,
        "rf": int(result.extras["spad_accesses_of_macs"]),
        "dram": DRAM_RATIO * words,
    }
    for name, value in ours.items():
        judged = name != "dram"
        yield Check(
            "eyeriss",
            f"{name.upper()} energy, 1e9 MACs",
            f"AlexNet {row['layer']}, batch 16",
            float(row[name]),
            value / 1e9,
            Band("difference", 0.1) if judged else REPORTED,
            ISCA,
            "" if judged else "another mapper's blocks; ours minimizes the same ratios",
        )
