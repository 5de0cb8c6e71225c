"""Does a written trace say what the counters say, in a form that viewers open?"""

import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from arch.basis_first import tracks
from arch.basis_first.model import simulate
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from arch.machine import Neighbours
from arch.systolic.model import MACHINE as SYSTOLIC
from arch.systolic.spec import SystolicSpec
from arch.trace import LayerTrace
from reports.trace import UNIT, count_events, write_trace
from tests.reference.basis_first_golden import GOLDEN, LAYER_D, GoldenRow
from tests.reports.trace_file import (
    TraceFile,
    check_basis_first,
    check_phases,
    check_requests,
    read,
)
from tests.strategies import cases
from workloads.layer import ConvLayer

WHOLE = 1 << 62


def written(layer: LayerTrace, path: Path, first: int = 0, last: int = WHOLE) -> TraceFile:
    last = min(last, layer.result.counters.cycles)
    events = write_trace(path, layer, first, last, {"layer": layer.result.layer.name})
    assert events == count_events(layer, first, last, WHOLE)
    return read(path)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_golden_layers(row: GoldenRow, tmp_path) -> None:
    layer = tracks.trace(
        row.tensors, BasisFirstSpec.model_validate(row.fields), Neighbours(row.planes)
    )
    found = written(layer, tmp_path / "trace.json")
    check_basis_first(found, layer.result)
    causes = found.cycles("cat", ("PE blocks",))
    names = ("mac", "ca", "broadcast", "slowest", "idle", "dram")
    assert tuple(causes[name] for name in names) == row.causes
    assert found.last == row.cycles[0]
    assert len(found.group("layer")["broadcast"]) == layer.result.extras["broadcast_pixels"]
    assert len(found.group("layer")["steps"]) == row.shape[4]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cases())
def test_any_layer(tmp_path, drawn) -> None:
    case, fields, planes = drawn
    spec = BasisFirstSpec.model_validate(fields)
    try:
        layer = tracks.trace(case, spec, Neighbours(planes))
    except OperandError:
        return
    assert layer.result == simulate(case, spec, Neighbours(planes)).result
    if layer.result.counters.cycles:
        check_basis_first(written(layer, tmp_path / "trace.json"), layer.result)


def test_windows_add_up(tmp_path) -> None:
    """Two windows hold the cycles of the whole, and start with what was there before."""
    layer = tracks.trace(LAYER_D, BasisFirstSpec())
    path, cycles = tmp_path / "trace.json", layer.result.counters.cycles
    whole = written(layer, path)
    groups = ("PE blocks", "layer", *(f"block {n}" for n in range(32)))
    for cut in (1, 200, 311, 500, cycles - 1):
        parts = [written(layer, path, 0, cut), written(layer, path, cut, cycles)]
        sums = [part.cycles("name", groups) for part in parts]
        assert sums[0] + sums[1] == whole.cycles("name", groups)
        assert parts[0].last <= cut
        for key, events in whole.counts.items():
            seen = parts[1].counts.get(key, [])
            later = [event for event in events if event["ts"] > cut]
            assert [event for event in seen if event["ts"] != cut] == later
            held = next((e["args"] for e in reversed(events) if e["ts"] <= cut), {})
            if any(held.values()):
                assert seen[0]["ts"] == cut
                assert seen[0]["args"] == held


def test_the_same_trace_gives_the_same_bytes(tmp_path) -> None:
    texts = []
    for name in ("one.json.gz", "two.json.gz", "three.json"):
        layer = tracks.trace(LAYER_D, BasisFirstSpec())
        written(layer, tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    assert gzip.decompress(texts[0]) == texts[2]
    assert len(texts[0]) < len(texts[2]) / 5


def test_the_file_says_what_its_unit_is(tmp_path) -> None:
    found = written(tracks.trace(LAYER_D, BasisFirstSpec()), tmp_path / "trace.json")
    assert found.about == {"time": UNIT, "layer": "golden"}


def test_counting_stops_with_an_estimate() -> None:
    layer = tracks.trace(LAYER_D, BasisFirstSpec())
    cycles = layer.result.counters.cycles
    exact = count_events(layer, 0, cycles, WHOLE)
    assert 0.5 < count_events(layer, 0, cycles, 10) / exact < 2
    assert count_events(layer, 0, cycles, exact) == exact


@pytest.mark.parametrize(
    ("dataflow", "preset"),
    [
        ("os", {}),
        ("ws", {}),
        ("is", {"dram_latency_ns": 0}),
        ("ws", {"filter_bytes": 512, "ofmap_bytes": 2048, "rows": 8, "columns": 8}),
        ("ws", {"fold_overhead": "preloaded"}),
    ],
)
def test_systolic(dataflow: str, preset: dict, tmp_path) -> None:
    spec = SystolicSpec(dataflow=dataflow, **preset)
    layer = ConvLayer("groups", 32, 48, 9, 9, 3, 3, padding=(1, 1, 1, 1), groups=2)
    traced = SYSTOLIC.trace_shape(layer, spec, 2)
    found = written(traced, tmp_path / "trace.json")
    check_phases(found, traced.result)
    check_requests(found, traced.result)
    pieces = found.group("layer")["steps"]
    extras = traced.result.extras
    assert {event["args"]["step"] for event in pieces} == set(range(extras["steps"]))
    assert len(pieces) >= max(extras["steps"], extras["folds"])
    assert sum(event["dur"] for event in pieces) == traced.result.counters.compute_cycles
    folds = [event for event in pieces if event["name"] == "fold"]
    assert len(folds) == len(pieces) - (spec.fold_overhead == "preloaded")
    assert Counter(event["args"]["group"] for event in folds) == {
        0: len(folds) // 2,
        1: len(folds) // 2,
    }
    on_tensors = SYSTOLIC.trace(LAYER_D, spec)
    assert on_tensors.result == SYSTOLIC.run(LAYER_D, spec).result
    check_requests(written(on_tensors, tmp_path / "trace.json"), on_tensors.result)
