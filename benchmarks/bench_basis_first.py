"""The Basis-First machine: its kernels by themselves, and one fixed layer of each mode."""

import numpy as np
from timing import best_seconds, report

from arch.basis_first.ca_unit import PIXELS, ideal_cycles
from arch.basis_first.modes import channel_tile
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.work import add_cycles
from arch.bitmask import pack
from arch.machine import machine, preset
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CHANNELS, SIDE, BASIS = 128, 28, 6
ACTIVE, KEPT = 0.45, 0.1  # densities of activations and coefficients
WIDE = 512  # channels of the layers whose rows are timed
PLANES = (56, 14, 7)  # sides of theirs
LANES = BasisFirstSpec().ca_lanes


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


def wide(side: int, kept: float) -> tuple[LayerTensors, np.ndarray]:
    """A layer of ``WIDE`` channels, and the non-zero coefficients of its sums (K, 1)."""
    rng = np.random.default_rng(1)
    layer = ConvLayer("rows", C=WIDE, K=WIDE if side > PIXELS // 4 else 6 * WIDE, H=side, W=side)
    signs = ternary(rng, (layer.K, layer.C, 1), kept)
    case = LayerTensors(layer, activations(rng, layer), coefficients=signs)
    return case, np.count_nonzero(signs, axis=1).astype(np.int64)


def rows(side: int, kept: float) -> None:
    """Rows per second, gathering included; sums of one row are left out, as the machine does."""
    case, lengths = wide(side, kept)
    spec = BasisFirstSpec()
    counted = lengths > spec.ca_lanes
    code = np.zeros((side * side, case.layer.K), np.uint16)
    tile = (0, channel_tile(case.layer, spec))
    seconds = best_seconds(lambda: add_cycles(case, spec, tile, lengths, counted, code))
    found = int((-(-lengths // spec.ca_lanes))[counted].sum()) * side * side
    name = f"CA units, window, {WIDE} channels {side}x{side}, density {kept}"
    report(name, seconds, rows_per_s=round(found / seconds))


def pairs(side: int, kept: float) -> None:
    """Operand pairs per second of the packing ``ideal``, masks given."""
    case, lengths = wide(side, kept)
    nonzero = case.activations.reshape(WIDE, -1) != 0
    words = np.ascontiguousarray(pack(np.ascontiguousarray(nonzero.T)).T)
    assert case.coefficients is not None
    wanted, column = pack(case.coefficients[:, :, 0] != 0), np.arange(case.layer.K)
    code = np.zeros((side * side, case.layer.K), np.uint16)
    seconds = best_seconds(lambda: ideal_cycles(words, wanted, column, LANES, code), repeats=9)
    found = lengths.size * WIDE * side * side
    name = f"CA units, ideal, {WIDE} channels {side}x{side}, density {kept}"
    report(name, seconds, operand_pairs_per_s=round(found / seconds))


def main() -> None:
    """Time the kernels, then each layer."""
    for side in PLANES:
        for kept in (0.1, 0.2):
            rows(side, kept)
    pairs(PLANES[0], KEPT)
    basis_first = machine("basis_first")
    spec = preset(basis_first, "default")
    for tensors in layers():
        cycles = basis_first.run(tensors, spec).result.counters.cycles
        seconds = best_seconds(lambda tensors=tensors: basis_first.run(tensors, spec))
        name = f"basis_first {tensors.layer.name}"
        report(name, seconds, cycles=cycles, cycles_per_s=round(cycles / seconds))


if __name__ == "__main__":
    main()
