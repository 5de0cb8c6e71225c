"""The systolic array on the matrix product that benchmarks/peers.py gives to SCALE-Sim."""

from timing import best_seconds, report

from arch.machine import machine, preset
from workloads.layer import ConvLayer

PIXELS_A_SIDE, TAPS, FILTERS = 16, 256, 128


def main() -> None:
    """Time the product by shape, as SCALE-Sim runs it."""
    systolic = machine("systolic")
    spec = preset(systolic, "iso")
    layer = ConvLayer("gemm", C=TAPS, K=FILTERS, H=PIXELS_A_SIDE, W=PIXELS_A_SIDE)
    seconds = best_seconds(lambda: systolic.run_shape(layer, spec))
    # SCALE-Sim's count leaves out the cycles that wait for DRAM.
    counters = systolic.run_shape(layer, spec).result.counters
    report("systolic gemm per shape", seconds, cycles=counters.compute_cycles)


if __name__ == "__main__":
    main()
