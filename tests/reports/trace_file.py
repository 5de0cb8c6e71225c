"""A reader of trace files that knows nothing of how they are made, and what must hold in them."""

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from arch.counters import LayerResult


@dataclass(frozen=True)
class TraceFile:
    """Events by (group, track); counters have the name of their events."""

    about: dict
    spans: dict
    counts: dict

    def group(self, name: str) -> dict:
        return {track: events for (group, track), events in self.spans.items() if group == name}

    def cycles(self, key: str, groups: tuple[str, ...]) -> Counter:
        """Cycles of the intervals by ``name`` or ``cat``."""
        total: Counter = Counter()
        for (group, _), events in self.spans.items():
            for event in events if group in groups else ():
                total[event[key]] += event["dur"]
        return total

    @property
    def last(self) -> int:
        ends = [e["ts"] + e["dur"] for events in self.spans.values() for e in events]
        return max([*ends, *(e["ts"] for events in self.counts.values() for e in events)])


def whole(value: object) -> bool:
    return type(value) is int and value >= 0


def read(path: Path) -> TraceFile:
    """Load a file as a viewer does; every event must have the fields of its kind."""
    raw = path.read_bytes()
    content = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    names: dict = {"process_name": {}, "thread_name": {}}
    spans, counts = defaultdict(list), defaultdict(list)
    for event in content["traceEvents"]:
        assert all(whole(event[field]) for field in ("ts", "pid", "tid")), event
        assert event["pid"] > 0, event  # 0 is the idle process of a real machine
        assert isinstance(event["name"], str), event
        if event["ph"] == "M":
            if event["name"] in names:
                key = event["pid"] if event["name"] == "process_name" else event["tid"]
                assert key not in names[event["name"]]
                names[event["name"]][key] = event["args"]["name"]
        elif event["ph"] == "X":
            assert whole(event["dur"]), event
            assert event["dur"] > 0, event
            spans[event["pid"], event["tid"]].append(event)
        else:
            assert event["ph"] == "C", event
            assert event["args"], event
            assert all(whole(value) for value in event["args"].values()), event
            counts[event["pid"], event["name"]].append(event)
    for events in spans.values():
        events.sort(key=lambda event: event["ts"])
        for before, after in pairwise(events):
            assert before["ts"] + before["dur"] <= after["ts"], (before, after)
    group, track = names["process_name"], names["thread_name"]
    return TraceFile(
        content["otherData"],
        {(group[pid], track[tid]): events for (pid, tid), events in spans.items()},
        {(group[pid], name): events for (pid, name), events in counts.items()},
    )


def check_requests(found: TraceFile, result: LayerResult) -> None:
    """The requests carry the layer's DRAM traffic; a shortcut's bytes are in no request."""
    moved: Counter = Counter()
    for event in found.group("layer").get("DRAM", []):
        if event["cat"] == "latency":
            assert event["dur"] == result.spec.dram_latency_cycles
            continue
        parts = {k: v for k, v in event["args"].items() if k not in ("step", "bytes")}
        assert sum(parts.values()) == event["args"]["bytes"]
        assert event["name"] == f"{event['cat']} {' + '.join(parts)}"
        for tensor, size in parts.items():
            moved["dram", tensor, {"load": "read", "store": "write"}[event["cat"]]] += size
    traffic = result.counters.traffic
    wanted = {key: size for key, size in traffic.items() if key[0] == "dram" and size}
    wanted.pop(("dram", "shortcut", "read"), None)
    assert moved == wanted


def check_phases(found: TraceFile, result: LayerResult) -> None:
    """The phases fill the layer and add up to the counters."""
    counters, events = result.counters, found.group("layer")["phases"]
    assert found.last == counters.cycles
    assert events[0]["ts"] == 0
    phases = {
        "compute": counters.compute_cycles,
        "drain": counters.drain_cycles,
        "pipeline": counters.pipeline_cycles,
        "waits for DRAM": counters.memory_stall_cycles,
    }
    total: Counter = Counter()
    for event in events:
        total[event["name"]] += event["dur"]
    assert total == {name: cycles for name, cycles in phases.items() if cycles}


def check_basis_first(found: TraceFile, result: LayerResult) -> None:
    """Everything that a trace of this machine shares with the counters."""
    check_phases(found, result)
    check_requests(found, result)
    counters, spec, extras = result.counters, result.spec, result.extras
    assert found.cycles("cat", ("PE blocks",)) == {k: v for k, v in counters.causes.items() if v}
    blocks = found.group("PE blocks")
    assert len(blocks) == spec.pe_blocks
    for events in blocks.values():
        assert events[0]["ts"] == 0
        assert sum(event["dur"] for event in events) == counters.cycles
    units = tuple(f"block {n}" for n in range(spec.pe_blocks))
    assert found.cycles("cat", units)["ca_cycles"] == extras["ca_cycles"]
    assert len(found.group("layer").get("broadcast", [])) <= extras["broadcast_pixels"]
    assert len(found.group("layer").get("steps", [])) <= extras["steps"]
    for (_, name), events in found.counts.items():
        at = [event["ts"] for event in events]
        assert at == sorted(set(at))
        assert not any(events[-1]["args"].values())
        for event in events:
            values = event["args"]
            if name.startswith("FIFOs"):
                assert 0 <= values["emptiest"] <= values["fullest"] <= spec.intermediate_fifo
            else:
                assert 0 <= values["pixels"] <= spec.broadcast_window
