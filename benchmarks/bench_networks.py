"""Whole networks of ImageNet size on the Basis-First machine, nothing sampled, each in a process.

Densities: coefficients 0.10, activations 0.45.  ``seconds`` is the time in the machine model with
compiled kernels loaded; ``process_seconds`` that of all of ``escalate simulate``.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from timing import report

NETWORKS = ("resnet18", "resnet50", "vgg16", "resnet152", "mobilenet_v1", "mobilenet_v2")
SYNTHETIC = "coefficients=0.1,activations=0.45"
REPEATS = 3
MEASURE = """
import json, resource, sys
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.machines import choose
from escalate.app.simulate import run_source
from escalate.app.sources import resolve

source, choice = resolve([sys.argv[1]]), choose("basis_first")[0]
feed = Feed(synthetic=parse_synthetic(sys.argv[2]))
found = [run_source(source, choice, feed) for _ in range(1 + int(sys.argv[3]))][1:]
print(json.dumps({
    "seconds": min(each.seconds for each in found),
    "cycles": found[0].run.cycles,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def measured(network: str) -> dict[str, float]:
    """Seconds in the model, cycles and peak memory of a process of its own."""
    command = [sys.executable, "-c", MEASURE, network, SYNTHETIC, str(REPEATS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def process_seconds(network: str) -> float:
    """The whole command, kernels compiled and files in cache."""
    escalate = Path(sys.executable).with_name("escalate")
    command = [str(escalate), "simulate", network, "--synthetic", SYNTHETIC, "--format", "json"]
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure each network."""
    for network in NETWORKS:
        found = measured(network)
        rest = {name: int(found[name]) for name in ("cycles", "peak_mb")}
        wall = round(process_seconds(network), 2)
        report(f"basis_first {network}", found["seconds"], **rest, process_seconds=wall)


if __name__ == "__main__":
    main()
