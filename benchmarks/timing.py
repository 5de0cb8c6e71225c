"""Shared by the benchmark files: time a call, print one JSON line."""

import json
import time
from collections.abc import Callable
from typing import Any


def best_seconds(call: Callable[[], object], *, repeats: int = 3) -> float:
    """Shortest wall time of ``repeats`` calls, after one that compiles and fills caches."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def report(name: str, seconds: float, **rates: Any) -> None:
    """Print one measurement as the line that benchmarks/run.py reads."""
    print(json.dumps({"name": name, "seconds": seconds, **rates}), flush=True)
