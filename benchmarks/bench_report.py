"""A report of 50,000 rows: tables, figures and the page, and reading them back as frames."""

import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from timing import report

from arch.spec import override
from escalate.app.code import code_digest
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.load import load
from escalate.app.machines import choose
from escalate.app.publish import publish_points
from escalate.app.simulate import run_source
from escalate.app.sources import resolve
from escalate.app.sweeps.points import Point
from escalate.app.sweeps.store import Store

ROWS = 50_000


def fill(folder: Path) -> int:
    """One simulated run of ResNet-18, written as many points of other bandwidths; rows in all.

    Only what is written, read and drawn is measured, so one run's numbers serve for all points.
    """
    source, choice = resolve(["resnet18"]), choose("basis_first")[0]
    feed = Feed(synthetic=parse_synthetic("coefficients=0.1,activations=0.45"))
    run = run_source(source, choice, feed).run
    store, count = Store(folder), -(-ROWS // len(run.results))
    started = time.perf_counter()
    for n in range(count):
        spec = override(choice.spec, {"dram_bandwidth_bytes_per_s": 10**9 * (n % 16 + 1)})
        spec = override(spec, {"dram_latency_ns": n // 16})
        key = hashlib.sha256(str(n).encode()).hexdigest()
        changed = replace(choice, spec=spec)
        point = Point(key, code_digest(), ("resnet18",), source, feed, changed)
        store.write(point, replace(run, spec=spec))
    report("writing a point", (time.perf_counter() - started) / count, points=count)
    return count * len(run.results)


def main() -> None:
    """Write, load and publish."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "results"
        rows = fill(folder)
        for level in ("layers", "points"):
            started = time.perf_counter()
            frame = load(folder, level)
            report(f"load, {level}", time.perf_counter() - started, rows=len(frame))
        started = time.perf_counter()
        publish_points(Path(scratch) / "page", [folder], title="benchmark")
        size = (Path(scratch) / "page" / "report.html").stat().st_size
        report("report", time.perf_counter() - started, rows=rows, page_mb=size // 1_000_000)


if __name__ == "__main__":
    main()
