"""Run every benchmark here, and set the times beside the recorded ones.

    python benchmarks/run.py [--record] [--only WORD] [--peers PYTHON [--peer-network]]

Times depend on the computer: record before a change and compare after it, on one computer.
``recorded.json`` holds the times of whoever recorded last, with the processor's name.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workloads.network import network as find_network
from workloads.topology import write_topology

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"

Measurement = dict[str, Any]


def processor() -> str:
    """The processor and how many of it, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else ())
        if line.startswith("model name")
    ]
    return f"{os.cpu_count()} x {names[0] if names else platform.processor() or platform.machine()}"


def measure(file: Path, python: str = sys.executable, *arguments: str) -> list[Measurement]:
    """The lines one benchmark file prints; what is no JSON is passed on."""
    command = [python, str(file), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found.append(json.loads(line))
        else:
            print(line)
    return found


def show(found: Sequence[Measurement], before: Mapping[str, Measurement]) -> None:
    """One line per measurement: seconds, their ratio to the recorded ones, the other numbers."""
    for line in found:
        old = before.get(line["name"])
        ratio = f"{line['seconds'] / old['seconds']:7.2f} x" if old else "      new"
        rest = ", ".join(f"{k} {v}" for k, v in line.items() if k not in ("name", "seconds"))
        print(f"{line['name']:<40} {line['seconds']:12.6f} s {ratio}   {rest}")


def peers(python: str, *, network: bool) -> list[Measurement]:
    """What other simulators need for the same work; a whole network takes them minutes."""
    if not network:
        return measure(HERE / "peers.py", python)
    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "resnet18.csv"
        write_topology(topology, find_network("resnet18").shapes, gemm=True)
        return measure(HERE / "peers.py", python, str(topology))


def versus(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> None:
    """How many times longer a peer took than the Basis-First machine, where both were measured."""
    times = {line["name"]: line for line in (*ours, *theirs)}
    mine, other = times.get("basis_first resnet18"), times.get("peer scalesim resnet18")
    if mine and other:
        alone = other["seconds"] / mine["seconds"]
        whole = other["seconds"] / mine["process_seconds"]
        print(f"resnet18: scalesim takes {alone:,.0f} x as long, {whole:,.0f} x our whole process")


def main() -> None:
    """Measure, compare, and keep the times where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="keep these times as recorded.json")
    parser.add_argument("--only", default="", help="files whose name holds this word")
    parser.add_argument("--peers", default=sys.executable, help="a Python that has SCALE-Sim")
    parser.add_argument(
        "--peer-network", action="store_true", help="give the peers all of ResNet-18: minutes"
    )
    chosen = parser.parse_args()
    kept = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {"times": []}
    before = {line["name"]: line for line in kept["times"]}
    if before:
        print(f"ratios to times on {kept['processor']}; below 1 is faster")
    found: list[Measurement] = []
    for file in sorted(HERE.glob("bench_*.py")):
        if chosen.only in file.stem:
            lines = measure(file)
            show(lines, before)
            found += lines
    theirs = peers(chosen.peers, network=chosen.peer_network)
    show(theirs, before)
    versus(found, theirs)
    if chosen.record:
        times = list((before | {line["name"]: line for line in found}).values())
        RECORDED.write_text(
            json.dumps({"processor": processor(), "times": times}, indent=2) + "\n", "utf-8"
        )
        print(f"recorded {len(found)} times in {RECORDED.name}")


if __name__ == "__main__":
    main()
