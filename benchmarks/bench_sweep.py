"""A sweep of ResNet-18: what a further point costs where phase 1 is kept."""

import time
from itertools import chain

from timing import report

from escalate.app.feed import Feed, parse_synthetic
from escalate.app.machines import choose
from escalate.app.simulate import run_choices
from escalate.app.sources import resolve

FIELDS = {
    "intermediate_fifo": (1, 2, 8, 16),
    "pe_blocks": (8, 16, 64),
    "dram_bandwidth_bytes_per_s": (1_000_000_000, 10_000_000_000, 100_000_000_000),
}


def main() -> None:
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


if __name__ == "__main__":
    main()
