"""Does twice the work take twice the time?  One layer's plane, 1 to 64 times as many pixels.

``--plot FILE`` also draws the times, and the line that doubling would follow, as SVG.
"""

import argparse
from pathlib import Path

import numpy as np
from bench_basis_first import BASIS, CHANNELS, activations, ternary
from timing import best_seconds, report

from arch.machine import machine, preset
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SIDE = 28
TIMES = (1, 2, 4, 8, 16, 32, 64)


def plot(path: Path, found: list[float]) -> None:
    """Times against work, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.loglog(TIMES, found, "o-", base=2, label="measured")
    axes.loglog(TIMES, [found[0] * times for times in TIMES], "--", base=2, label="in proportion")
    axes.set_xlabel("pixels, as a multiple of 28 x 28")
    axes.set_ylabel("seconds")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Time the layer for each number of pixels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="an .svg or .png file")
    chosen = parser.parse_args()
    basis_first = machine("basis_first")
    spec = preset(basis_first, "default")
    rng = np.random.default_rng(0)
    basis = rng.integers(-99, 100, (BASIS, 3, 3), dtype=np.int8)
    coefficients = ternary(rng, (CHANNELS, CHANNELS, BASIS))
    found: list[float] = []
    for times in TIMES:
        layer = ConvLayer(
            "scaling", CHANNELS, CHANNELS, SIDE * times, SIDE, 3, 3, padding=(1, 1, 1, 1)
        )
        case = LayerTensors(layer, activations(rng, layer), basis=basis, coefficients=coefficients)
        seconds = best_seconds(lambda case=case: basis_first.run(case, spec))
        found.append(seconds)
        report(f"scaling, {times} x the pixels", seconds, of_one=round(seconds / found[0], 2))
    if chosen.plot is not None:
        plot(chosen.plot, found)


if __name__ == "__main__":
    main()
