"""The Basis-First machine on one fixed layer of each mode, seeded random tensors."""

import numpy as np
from timing import best_seconds, report

from arch.machine import machine, preset
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

CHANNELS, SIDE, BASIS = 128, 28, 6
ACTIVE, KEPT = 0.4, 0.1  # densities of activations and coefficients


def activations(rng: np.random.Generator, layer: ConvLayer) -> np.ndarray:
    """Random activations of the density ``ACTIVE``."""
    shape = (1, layer.C, layer.H, layer.W)
    values = rng.integers(1, 64, shape, dtype=np.uint8)
    return values * (rng.random(shape) < ACTIVE).astype(np.uint8)


def ternary(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random coefficients of the density ``KEPT``."""
    signs = rng.choice(np.array([-1, 1], np.int8), shape)
    return signs * (rng.random(shape) < KEPT).astype(np.int8)


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


def main() -> None:
    """Time each layer."""
    basis_first = machine("basis_first")
    spec = preset(basis_first, "default")
    for tensors in layers():
        cycles = basis_first.run(tensors, spec).result.counters.cycles
        seconds = best_seconds(lambda tensors=tensors: basis_first.run(tensors, spec))
        name = f"basis_first {tensors.layer.name}"
        report(name, seconds, cycles=cycles, cycles_per_s=round(cycles / seconds))


if __name__ == "__main__":
    main()
