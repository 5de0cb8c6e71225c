"""Eyeriss v2 beside the ground truth of its sparse PE and the chip's published throughput."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from arch.counters import LayerResult
from arch.eyeriss_v2.model import MACHINE
from arch.eyeriss_v2.spec import PRESETS, EyerissV2Spec
from arch.machine import Kept
from arch.spec import override
from escalate.app.validation.check import Band, Check
from escalate.app.validation.layers import ones
from reports.publication import row, rows
from workloads.hash_masks import mask
from workloads.layer import ConvLayer
from workloads.network import network
from workloads.synthetic import Synthetic, synthetic_layer
from workloads.tensors import LayerTensors

EXACT, REPORTED = Band("exact"), Band("reported")
ARTIFACT = "Sparseloop artifact (MICRO 2022), masks of pruned MobileNet"
CHIP = "Chen et al., Eyeriss v2, JETCAS 2019"
MOBILENET = "mobilenet_v1_050_128"
LIMIT = {"dram_bandwidth_bytes_per_s": 25_600_000_000}
MIXED = "pruned network not published; seeded tensors of the densities in eyeriss_v2_densities.csv"
WAITS = (
    "too fast: no wait in the network on chip, for addresses or empty columns; too slow: weights "
    f"load before each pass, densities of channels are spread at random; {MIXED}"
)


def spread(count: int, size: int) -> np.ndarray:
    """``count`` ones as evenly as it goes among ``size`` places, int8.

    Examples
    --------
    >>> spread(2, 5).tolist()
    [0, 0, 1, 0, 1]
    """
    at = np.arange(size + 1) * count // size
    return np.diff(at).astype(np.int8)


def _result(layer: ConvLayer, iacts: np.ndarray, weights: np.ndarray, preset: str) -> LayerResult:
    tensors = LayerTensors(layer, iacts.astype(np.uint8), weights.astype(np.int8), origin="file")
    return MACHINE.run(tensors, PRESETS[preset]).result


def _counted(layer: ConvLayer, entries: list[Mapping[str, str]]) -> LayerResult:
    """The layer with the non-zeros of each channel that the real masks have."""
    iacts = np.stack([spread(int(entry["iacts"]), layer.H * layer.W) for entry in entries])
    weights = np.stack([spread(int(entry["weights"]), layer.K) for entry in entries], axis=1)
    pixels = iacts.reshape(1, layer.C, layer.H, layer.W)
    return _result(layer, pixels, np.ascontiguousarray(weights)[:, :, None, None], "pe_v2")


def _pe_checks() -> Iterator[Check]:
    """One PE with one multiplier on the real masks, and on random ones of the same density."""
    counted = rows("eyeriss_v2_channels.csv")
    for entry in rows("eyeriss_v2_pe.csv"):
        layer = network(MOBILENET)[entry["name"]].layer
        case, truth = f"{entry['layer']} {layer.name}", float(entry["cycles"])
        channels = [one for one in counted if one["layer"] == entry["layer"]]
        if channels:
            found = _counted(layer, channels).counters
            yield _check("PE cycles, real counts per channel", case, truth, found.compute_cycles)
            yield _check("effectual pairs", case, truth, found.effectual_ops or 0)
            yield _random(entry, layer, case, truth)
        elif layer.is_depthwise and entry["layer"] != "L18":
            dense = np.ones((1, layer.C, layer.H, layer.W))
            found = _result(layer, dense, np.ones(layer.weight_shape), "pe_v2").counters
            yield _check("PE cycles, depthwise", case, truth, found.compute_cycles)


def _check(quantity: str, case: str, published: float, ours: int) -> Check:
    return Check("eyeriss_v2", quantity, case, published, float(ours), EXACT, ARTIFACT)


def _random(entry: Mapping[str, str], layer: ConvLayer, case: str, truth: float) -> Check:
    densities = float(entry["iact_density"]), float(entry["weight_density"])
    cycles = _result(layer, *ones(layer, densities, (1, 2)), "pe_v2").counters.compute_cycles
    return Check(
        "eyeriss_v2",
        "PE cycles, random masks of the same densities",
        case,
        truth,
        float(cycles),
        REPORTED,
        ARTIFACT,
        "real zeros of iacts and weights are correlated by channel",
    )


def _pair_checks() -> Iterator[Check]:
    """Pairs that three other simulators agree on."""
    for entry in rows("effectual_pairs.csv"):
        sizes = {name: int(entry[name]) for name in ("C", "K", "H", "W", "R", "S", "stride")}
        layer = ConvLayer(entry["case"], **sizes, padding=(int(entry["pad"]),) * 4)
        densities = float(entry["iact_density"]), float(entry["weight_density"])
        salts = int(entry["iact_salt"]), int(entry["weight_salt"])
        found = _result(layer, *ones(layer, densities, salts), "published").counters
        source = "DNNsim, losif63/SCNN_Simulator_101, BitSim"
        pairs, ours = float(entry["pairs"]), float(found.effectual_ops or 0)
        yield Check("eyeriss_v2", "effectual pairs", layer.name, pairs, ours, EXACT, source)


@dataclass
class _Network:
    """A network of seeded tensors, run on the published machine."""

    name: str
    sparse: bool

    @cached_property
    def tensors(self) -> list[tuple[LayerTensors, Kept]]:
        """Zeros as the densities say."""
        found = []
        table = network(self.name)
        for entry in table.layers:
            density = row("eyeriss_v2_densities.csv", network=self.name, layer=entry.name)
            iacts = float(density["iact_density"])
            recipe = Synthetic(
                activations=iacts,
                weights=float(density["weight_density"]) if self.sparse else 1.0,
                kind="channel",
            )
            made = synthetic_layer(table, entry, recipe, dense=True)
            if entry.name == "conv1":  # the image, which a recipe always makes dense
                seen = mask(made.activations.shape, iacts, 1).astype(np.uint8)
                made = replace(made, activations=made.activations * seen)
            found.append((made, Kept()))
        return found

    def results(self, **fields: object) -> list[LayerResult]:
        """All layers on the published preset with some fields replaced."""
        spec = override(PRESETS["published"], fields)
        assert isinstance(spec, EyerissV2Spec)
        return [MACHINE.run(one, spec, kept=kept).result for one, kept in self.tensors]

    @cached_property
    def plain(self) -> list[LayerResult]:
        """All layers on the published preset."""
        return self.results()

    @property
    def per_second(self) -> float:
        """Inferences in a second."""
        return _rate(self.plain)


def _rate(results: list[LayerResult]) -> float:
    return PRESETS["published"].clock_hz / sum(result.counters.cycles for result in results)


def _convolution_mb(results: list[LayerResult]) -> float:
    return sum(r.counters.dram_bytes for r in results if not r.layer.is_linear) / 1e6


def _chip_checks() -> Iterator[Check]:
    """Whole networks against the chip's figures."""
    runs = {
        "AlexNet": _Network("alexnet", sparse=False),
        "sparse AlexNet": _Network("alexnet", sparse=True),
        "MobileNet": _Network(MOBILENET, sparse=False),
        "sparse MobileNet": _Network(MOBILENET, sparse=True),
    }
    for entry in rows("eyeriss_v2_chip.csv"):
        quantity, case = entry["quantity"], entry["case"]
        band, reason = REPORTED, MIXED
        if quantity == "inferences per second":
            ours, reason = runs[case].per_second, WAITS
        elif quantity == "inferences/s ratio":
            above, below = case.split(" over ")
            ours = runs[above].per_second / runs[below].per_second
        elif quantity.startswith("throughput lost"):
            ours = 1 - _rate(runs[case].results(**LIMIT)) / runs[case].per_second
            reason = f"loads of the next pass are hidden behind this one; {MIXED}"
        elif quantity.startswith("DRAM"):
            ours = _convolution_mb(runs[case].plain)
            reason = f"12 bits a value, shared rows and weights again for each tile; {MIXED}"
        else:
            ours = sum(result.counters.macs for result in runs[case].plain) / 1e6
            band, reason = Band("difference", 0.05), ""
        yield Check("eyeriss_v2", quantity, case, float(entry["value"]), ours, band, CHIP, reason)
    dense = _rate(runs["sparse MobileNet"].results(processing="dense"))
    yield Check(
        "eyeriss_v2",
        "inferences/s ratio",
        "sparse MobileNet, zeros skipped over not skipped",
        float(row("eyeriss_v2_chip.csv", case="sparse MobileNet over MobileNet")["value"]),
        runs["sparse MobileNet"].per_second / dense,
        REPORTED,
        CHIP,
        f"another reading of 'skipping alone'; {MIXED}",
    )


def checks() -> Iterator[Check]:
    """PE cycles, effectual pairs, and whole networks.

    Examples
    --------
    >>> next(checks()).verdict
    'inside'
    """
    yield from _pe_checks()
    yield from _pair_checks()
    yield from _chip_checks()
