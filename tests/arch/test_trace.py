"""Intervals and counts: merged, cut to a window, and requests put to their steps."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.machine import MACHINES, machine
from arch.memory import Traffic, schedule
from arch.spec import MachineSpec
from arch.trace import Counts, Label, Spans, Track, changes, dram_spans, runs
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

TRACK = Track("group", "track")
BUSY = Label("busy", "busy")


def spans(*bounds: tuple[int, int]) -> Spans:
    start, stop = np.array(bounds).T
    return Spans(TRACK, (BUSY,), np.zeros_like(start), start, stop, {"n": np.arange(start.size)})


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        (0, 9, [(2, 4, 0), (4, 7, 1)]),
        (3, 4, [(3, 4, 0)]),
        (3, 5, [(3, 4, 0), (4, 5, 1)]),
        (4, 5, [(4, 5, 1)]),
        (0, 2, []),
        (7, 9, []),
    ],
)
def test_intervals_are_cut_at_both_edges(first, last, left) -> None:
    cut = spans((2, 4), (4, 7)).within(first, last)
    found = zip(cut.start.tolist(), cut.stop.tolist(), cut.numbers["n"].tolist(), strict=True)
    assert list(found) == left
    assert len(cut) == len(left)


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        (0, 9, [(2, 1), (5, 0)]),
        (2, 5, [(2, 1)]),
        (3, 6, [(3, 1), (5, 0)]),
        (6, 9, [(6, 0)]),
        (0, 2, []),
    ],
)
def test_counts_begin_with_what_was_there(first, last, left) -> None:
    cut = Counts(TRACK, np.array([2, 5]), {"n": np.array([1, 0])}).within(first, last)
    assert list(zip(cut.at.tolist(), cut.values["n"].tolist(), strict=True)) == left


def test_changes_leave_out_what_stays() -> None:
    left = changes(TRACK, np.arange(5), {"a": np.array([0, 1, 1, 1, 0]), "b": np.zeros(5, int)})
    assert left.at.tolist() == [1, 4]
    assert left.values["a"].tolist() == [1, 0]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_runs_keep_every_cycle(drawn) -> None:
    label, gap, length = np.array(drawn, np.int64).reshape(-1, 3).T
    stop = np.cumsum(gap + length)
    start = stop - length
    first, last = runs(label, start, stop)
    cycles = {
        (cycle, int(kind))
        for kind, a, b in zip(label, start, stop, strict=True)
        for cycle in range(a, b)
    }
    bounds = (label[first].tolist(), start[first].tolist(), stop[last].tolist())
    merged = list(zip(*bounds, strict=True))
    assert cycles == {(cycle, kind) for kind, a, b in merged for cycle in range(a, b)}
    for (kind, _, end), (other, begin, _) in pairwise(merged):
        assert (kind, end) != (other, begin)


def test_every_request_is_shown_with_its_latency() -> None:
    asked = np.array([640, 0]), np.array([64, 64])
    timeline = schedule(Traffic(*asked, np.array([5, 5])), MachineSpec())

    def tensors(n: int, store: bool) -> dict[str, int]:
        return {"output" if store else "input": int(asked[store][n]), "weight": 0}

    spans = list(dram_spans(Track("layer", "DRAM"), timeline, 80, tensors))
    assert [(s.labels[0].name, int(s.start[0]), int(s.stop[0])) for s in spans] == [
        ("latency", 0, 80),
        ("load input", 80, 100),
        ("latency", 105, 185),
        ("store output", 185, 187),
        ("latency", 187, 267),
        ("store output", 267, 269),
    ]


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_has_a_timeline(name: str) -> None:
    """Its requests are those of the counters, and computing and waiting fill the layer."""
    layer = ConvLayer("conv", C=12, K=20, H=9, W=9, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 9, (2, 12, 9, 9)).astype(np.uint8)
    weights = rng.integers(-2, 3, layer.weight_shape).astype(np.int8)
    found = machine(name)
    traced = found.trace(LayerTensors(layer, pixels, weights), next(iter(found.presets.values())))
    counters, moved, phases = traced.result.counters, Counter(), Counter()
    for batch in traced.batches(0, counters.cycles):
        if batch.track.name == "DRAM":
            for label, size in zip(batch.label, batch.numbers.get("bytes", []), strict=False):
                moved[batch.labels[label].kind] += size
        if batch.track.name == "phases":
            for label, start, stop in zip(batch.label, batch.start, batch.stop, strict=True):
                phases[batch.labels[label].kind] += stop - start
    asked = Counter()
    for (level, tensor, way), size in counters.traffic.items():
        if level == "dram" and tensor != "shortcut":
            asked["load" if way == "read" else "store"] += size
    assert moved == +asked
    if name != "basis_first":  # which shows more phases
        stalls = counters.memory_stall_cycles
        assert phases == +Counter(compute=counters.cycles - stalls, dram=stalls)
