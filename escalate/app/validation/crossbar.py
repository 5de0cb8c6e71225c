"""The crossbar machine beside the savings of structured pruning that Yuan et al. published."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import prod, sqrt

import numpy as np

from arch.crossbar.model import MACHINE, work
from arch.crossbar.spec import PRESETS
from escalate.app.validation.check import Band, Check
from reports.publication import rows
from workloads.layer import ConvLayer
from workloads.network import network
from workloads.synthetic import sparse_int8, sparse_uint8
from workloads.tensors import LayerTensors

CLOSE, REPORTED = Band("share", 0.02), Band("reported")
SPEC = PRESETS["published"]
ARRAYS = ("adc", "dac", "cell", "shift_add")
INPUT_DENSITY = 0.45
MILLION, PERCENT = 1e6, 100.0
BASE = "whether the last layer, biases and batch norm count as weights is not said"
SAVING = (
    "masks of ours are random and keep the same share of every layer; a tile holds at least one "
    "crossbar for each slice and sign; converters and what else the paper's model counts, or "
    "prices at fewer bits, are not known; its baseline, 9 bits in two arrays of 8, is ours too"
)


@dataclass(frozen=True, slots=True)
class Arrays:
    """Crossbars of a network, and attojoules spent in them and their converters for one image."""

    crossbars: int
    attojoules: int


def checks() -> Iterator[Check]:
    """Weights removed, and what the arrays of two pruned networks save.

    Examples
    --------
    >>> removed("vgg16_cifar10", 29.81)
    14.217
    """
    for name, found in groupby(rows("crossbar.csv"), lambda row: row["network"]):
        yield from _network_checks(name, list(found))


def convolutions(name: str) -> list[ConvLayer]:
    """Layers of a network without the fully connected ones."""
    layers = [entry.layer for entry in network(name).layers]
    return [layer for layer in layers if layer.H * layer.W > 1]


def removed(name: str, ratio: float) -> float:
    """Weights that a compression of ``ratio`` removes from the convolutions, million."""
    weights = sum(prod(layer.weight_shape) for layer in convolutions(name))
    return round(weights * (1 - 1 / ratio) / MILLION, 3)


def structured(layer: ConvLayer, keep: float, source: np.random.Generator) -> LayerTensors:
    """Random bytes; of the layer matrix the square root of ``keep`` of rows and of columns stay.

    At least one of each.
    """
    pixels = sparse_uint8(source, (layer.C, layer.H * layer.W), INPUT_DENSITY)
    matrix = sparse_int8(source, (layer.K, prod(layer.weight_shape[1:])), 1.0)
    for axis, size in enumerate(matrix.shape):
        gone = source.permutation(size)[max(1, round(sqrt(keep) * size)) :]
        matrix[(slice(None),) * axis + (gone,)] = 0
    return LayerTensors(
        layer,
        pixels.reshape(1, layer.C, layer.H, layer.W),
        matrix.reshape(layer.weight_shape),
        origin="synthetic",
    )


def arrays(name: str, keep: float) -> Arrays:
    """What the convolutions of a network take and spend."""
    crossbars, spent, table = 0, 0, MACHINE.prices(SPEC)
    for seed, layer in enumerate(convolutions(name)):
        tensors = structured(layer, keep, np.random.default_rng(seed))
        done = work(tensors, tensors.dense_weights(), SPEC)
        crossbars += done.extras["crossbars"]
        spent += sum(
            count * table[part, action].attojoules
            for (part, action, _), count in done.events.items()
            if part in ARRAYS
        )
    return Arrays(crossbars, spent)


def _network_checks(name: str, found: list[Mapping[str, str]]) -> Iterator[Check]:
    ratio = float(found[0]["ratio"])
    dense, pruned = arrays(name, 1.0), arrays(name, 1 / ratio)
    ours = {
        "weights removed": removed(name, ratio),
        "power saving": PERCENT * (1 - pruned.attojoules / dense.attojoules),
        "area saving": PERCENT * (1 - pruned.crossbars / dense.crossbars),
    }
    for row in found:
        quantity = row["quantity"]
        judged = quantity == "weights removed"
        yield Check(
            "crossbar",
            f"{quantity}, {'million' if judged else '%, arrays and converters'}",
            f"{name} at {ratio:g}x",
            float(row["published"]),
            ours[quantity],
            CLOSE if judged else REPORTED,
            row["source"],
            BASE if judged else SAVING,
        )
