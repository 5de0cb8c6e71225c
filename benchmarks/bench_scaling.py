"""Does twice the work take twice the time?  One layer's plane, 1 to 64 times as many pixels."""

import numpy as np
from bench_basis_first import BASIS, CHANNELS, activations, ternary
from timing import best_seconds, report

from arch.machine import machine, preset
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SIDE = 28
TIMES = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    """Time the layer for each number of pixels."""
    basis_first = machine("basis_first")
    spec = preset(basis_first, "default")
    rng = np.random.default_rng(0)
    basis = rng.integers(-99, 100, (BASIS, 3, 3), dtype=np.int8)
    coefficients = ternary(rng, (CHANNELS, CHANNELS, BASIS))
    alone = 0.0
    for times in TIMES:
        layer = ConvLayer(
            "scaling", CHANNELS, CHANNELS, SIDE * times, SIDE, 3, 3, padding=(1, 1, 1, 1)
        )
        case = LayerTensors(layer, activations(rng, layer), basis=basis, coefficients=coefficients)
        seconds = best_seconds(lambda case=case: basis_first.run(case, spec))
        alone = alone or seconds
        report(f"scaling, {times} x the pixels", seconds, of_one=round(seconds / alone, 2))


if __name__ == "__main__":
    main()
