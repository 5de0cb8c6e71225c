"""The Basis-First machine: its kernels by themselves, and one fixed layer of each mode."""

import numpy as np
from timing import best_seconds, report

from arch.basis_first.ca_unit import PIXELS
from arch.basis_first.modes import channel_tile
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.work import add_cycles
from arch.machine import machine, preset
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CHANNELS, SIDE, BASIS = 128, 28, 6
ACTIVE, KEPT = 0.45, 0.1  # densities of activations and coefficients
WIDE = 512  # channels of the layers whose rows are timed
PLANES = (56, 14, 7)  # sides of theirs


def activations(rng: np.random.Generator, layer: ConvLayer) -> np.ndarray:
    """Random activations of the density ``ACTIVE``."""
    shape = (1, layer.C, layer.H, layer.W)
    values = rng.integers(1, 64, shape, dtype=np.uint8)
    return values * (rng.random(shape) < ACTIVE).astype(np.uint8)


def ternary(rng: np.random.Generator, shape: tuple[int, ...], kept: float = KEPT) -> np.ndarray:
    """Random coefficients of a density."""
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    return signs * (rng.random(shape) < kept).astype(np.int8)


def layers() -> list[LayerTensors]:
    """A 3x3 layer on a basis, a ternary 1x1 layer, and a 3x3 layer of 8-bit weights."""
    rng = np.random.default_rng(0)
    size = {"K": CHANNELS, "H": SIDE, "W": SIDE}
    wide = ConvLayer("decomposed", C=CHANNELS, R=3, S=3, padding=(1, 1, 1, 1), **size)
    point = ConvLayer("pointwise", C=CHANNELS, **size)
    first = ConvLayer("bypass", C=3, R=3, S=3, padding=(1, 1, 1, 1), **size)
    return [
        LayerTensors(
            wide,
            activations(rng, wide),
            basis=rng.integers(-99, 100, (BASIS, 3, 3), dtype=np.int8),
            coefficients=ternary(rng, (CHANNELS, CHANNELS, BASIS)),
        ),
        LayerTensors(
            point, activations(rng, point), coefficients=ternary(rng, (CHANNELS, CHANNELS, 1))
        ),
        LayerTensors(
            first,
            activations(rng, first),
            weights=rng.integers(-99, 100, first.weight_shape, dtype=np.int8),
        ),
    ]


def rows(side: int, kept: float, packing: str) -> None:
    """Rows per second of the CA units, those of one row left out as the machine leaves them out."""
    rng = np.random.default_rng(1)
    layer = ConvLayer("rows", C=WIDE, K=WIDE if side > PIXELS // 4 else 6 * WIDE, H=side, W=side)
    signs = ternary(rng, (layer.K, layer.C, 1), kept)
    case = LayerTensors(layer, activations(rng, layer), coefficients=signs)
    spec = BasisFirstSpec(packing=packing)
    lengths = np.count_nonzero(signs, axis=1).astype(np.int64)
    counted = lengths > spec.ca_lanes
    code = np.zeros((side * side, layer.K), np.uint16)
    tile = (0, channel_tile(layer, spec))
    seconds = best_seconds(lambda: add_cycles(case, spec, tile, lengths, counted, code))
    found = int((-(-lengths // spec.ca_lanes))[counted].sum()) * side * side
    pairs = int(counted.sum()) * layer.C * side * side
    report(
        f"CA units, {packing}, {WIDE} channels {side}x{side}, density {kept}",
        seconds,
        rows_per_s=round(found / seconds),
        operand_pairs_per_s=round(pairs / seconds),
    )


def main() -> None:
    """Time the kernels, then each layer."""
    for side in PLANES:
        for kept in (0.1, 0.2):
            rows(side, kept, "window")
    rows(PLANES[0], KEPT, "ideal")
    basis_first = machine("basis_first")
    spec = preset(basis_first, "default")
    for tensors in layers():
        cycles = basis_first.run(tensors, spec).result.counters.cycles
        seconds = best_seconds(lambda tensors=tensors: basis_first.run(tensors, spec))
        name = f"basis_first {tensors.layer.name}"
        report(name, seconds, cycles=cycles, cycles_per_s=round(cycles / seconds))


if __name__ == "__main__":
    main()
