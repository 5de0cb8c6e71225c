"""Sweeps of ResNet-18: what a further point costs, and 200 points with one worker and with two."""

import tempfile
import time
from itertools import chain
from pathlib import Path

from timing import report

from escalate.app.feed import Feed, parse_synthetic
from escalate.app.machines import choose
from escalate.app.simulate import run_choices
from escalate.app.sources import resolve
from escalate.app.sweep import sweep

FIELDS = {
    "intermediate_fifo": (1, 2, 8, 16),
    "pe_blocks": (8, 16, 64),
    "dram_bandwidth_bytes_per_s": (1_000_000_000, 10_000_000_000, 100_000_000_000),
}
SWEEP = """
networks = ["resnet18"]
machines = ["basis_first"]
[synthetic]
coefficients = 0.1
activations = 0.45
[set.basis_first]
lookahead = [1, 2, 4, 8, 16]
intermediate_fifo = [1, 2, 4, 8]
pe_blocks = [16, 32]
dram_bandwidth_bytes_per_s = [3200000000, 6400000000, 12800000000, 25600000000, 51200000000]
"""


def further_points() -> None:
    """One point, then all of them."""
    source = resolve(["resnet18"])
    feed = Feed(synthetic=parse_synthetic("coefficients=0.1,activations=0.45"))
    settings = [(f"{field}={value}",) for field, some in FIELDS.items() for value in some]
    first = choose("basis_first")
    choices = [*first, *chain(*(choose("basis_first", settings=each) for each in settings))]
    run_choices(source, first, feed)
    start = time.perf_counter()
    run_choices(source, first, feed)
    alone = time.perf_counter() - start
    start = time.perf_counter()
    found = run_choices(source, choices, feed)
    together = time.perf_counter() - start
    report("sweep resnet18, the first point", alone, points=1)
    report(
        "sweep resnet18, each further point",
        (together - alone) / len(settings),
        points=len(settings),
        slowest=round(max(each.seconds for each in found[1:]), 3),
    )


def whole_sweeps() -> None:
    """The same 200 points by one process, by one thread, and by two processes of one thread."""
    seconds = {}
    for name, workers, threads in (("all cores", 1, None), ("one thread", 1, 1), ("two", 2, 1)):
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "sweep.toml"
            file.write_text(SWEEP)
            start = time.perf_counter()
            done = sweep(file, out=Path(scratch) / "results", workers=workers, threads=threads)
            seconds[name] = time.perf_counter() - start
            start = time.perf_counter()
            sweep(file, out=Path(scratch) / "results")
            again = time.perf_counter() - start
        report(
            f"sweep resnet18, 200 points, {name}",
            seconds[name],
            computed=len(done.computed),
            nothing_left_s=round(again, 2),
        )
    ratio = seconds["one thread"] / seconds["two"]
    report("sweep resnet18, a point by two workers", seconds["two"] / 200, gain=round(ratio, 2))


def main() -> None:
    """Both."""
    further_points()
    whole_sweeps()


if __name__ == "__main__":
    main()
