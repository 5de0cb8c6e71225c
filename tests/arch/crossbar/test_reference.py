"""Does the fast machine do what the slow one does?  Every integer, exactly."""

from collections import Counter

import numpy as np
from hypothesis import given, settings

from arch.crossbar.model import MACHINE, work
from arch.crossbar.spec import CrossbarSpec
from arch.crossbar.tally import CAUSES
from arch.errors import OperandError
from tests.arch.crossbar.cases import specs, tensors
from tests.reference.crossbar import Machine
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def check(given_tensors, spec):
    """All of one layer: psums, steps, causes, traffic and events."""
    weights = given_tensors.dense_weights()
    fast = work(given_tensors, weights, spec)
    machine = Machine(given_tensors, spec)
    slow = machine.run()
    np.testing.assert_array_equal(slow.psums, convolve(given_tensors))
    assert fast.steps.lengths.tolist() == slow.lengths
    for side, wanted in ((fast.steps.loads, slow.loads), (fast.steps.stores, slow.stores)):
        assert {name: part.tolist() for name, part in side.items()} == wanted
    assert {key: count for key, count in fast.causes.items() if count} == dict(+slow.causes)
    assert {key: size for key, size in fast.traffic.items() if size} == dict(+slow.traffic)
    assert {key: count for key, count in fast.events.items() if count} == dict(+slow.events)
    assert fast.multiplies == slow.multiplies
    assert sum(fast.causes.values()) == spec.crossbars * sum(slow.lengths)
    each = spec.crossbars_per_tile
    assert fast.extras["crossbars"] == each * len(machine.tiles)
    assert fast.extras["crossbars_unpruned"] == each * machine.possible
    assert slow.largest <= spec.top_code
    run = MACHINE.run(given_tensors, spec)
    np.testing.assert_array_equal(run.psums, slow.psums)


@settings(max_examples=120, deadline=None)
@given(tensors(), specs())
def test_layers_equal_the_slow_machine(given_tensors, spec):
    try:
        MACHINE.run(given_tensors, spec)
    except OperandError:
        return  # too small a buffer, see test_model.py
    check(given_tensors, spec)


@settings(max_examples=40, deadline=None)
@given(tensors(), specs(input_bytes=1 << 16, weight_bytes=1 << 16, output_bytes=1 << 16))
def test_layers_that_fit_equal_the_slow_machine(given_tensors, spec):
    check(given_tensors, spec)


def drawn(seed):
    """A layer of some size on a machine that is busy in every way; all from one seed."""
    rng = np.random.default_rng(seed)
    groups, side = int(rng.choice((1, 1, 2))), int(rng.integers(3, 7))
    layer = ConvLayer(
        "layer",
        C=groups * int(rng.integers(2, 6)),
        K=groups * int(rng.integers(2, 8)),
        H=side,
        W=side + 1,
        R=int(rng.integers(1, 4)),
        S=int(rng.integers(1, 4)),
        stride=(int(rng.integers(1, 3)), 1 + seed % 2),
        padding=(1, 0, 0, 1),
        groups=groups,
    )
    kind = rng.choice((np.uint8, np.int8))
    pixels = rng.integers(0, 128, (int(rng.integers(1, 3)), layer.C, layer.H, layer.W)).astype(kind)
    matrix = rng.integers(-128, 128, (layer.K, layer.weight_shape[1] * layer.R * layer.S))
    matrix *= rng.random((layer.K, 1)) < 0.8
    matrix *= rng.random((1, matrix.shape[1])) < 0.7
    given_tensors = LayerTensors(layer, pixels, matrix.astype(np.int8).reshape(layer.weight_shape))
    fields = {
        "crossbars": int(rng.integers(4, 150)),
        "crossbar_rows": int(rng.integers(3, 11)),
        "crossbar_columns": int(rng.integers(2, 5)),
        "rows_at_once": int(rng.integers(1, 5)),
        "cell_bits": int(rng.choice((2, 4))),
        "adc_hz": int(rng.choice((10_000_000, 1_200_000_000))),
        "write_ns": 10,
        "skip": str(rng.choice(("structured", "tiles", "none"))),
        "programming": str(rng.choice(("counted", "beforehand"))),
        "input_bytes": int(rng.choice((250, 700, 1 << 16))),
        "weight_bytes": int(rng.choice((40, 200, 1 << 16))),
        "output_bytes": int(rng.choice((80, 200, 1 << 16))),
        "port_bytes": int(rng.choice((1, 4, 32))),
    }
    return given_tensors, CrossbarSpec(**fields)


def test_seeded_layers_equal_the_slow_machine_in_every_situation():
    """All causes, several passes, waiting psums and copies occur."""
    seen = Counter()
    for seed in range(40):
        given_tensors, spec = drawn(seed)
        result = MACHINE.run(given_tensors, spec).result
        check(given_tensors, spec)
        seen.update(name for name, count in result.counters.causes.items() if count)
        seen["passes"] += result.extras["passes"] > 1
        seen["copies"] += result.extras["copies"] > 1
        seen["pruned"] += result.extras["crossbars"] < result.extras["crossbars_unpruned"]
        seen["waiting"] += result.counters.traffic_bytes("glb", tensor="psum") > 0
    assert set(+seen) == {*CAUSES, "dram", "passes", "copies", "pruned", "waiting"}


def test_a_column_of_tiles_cut_into_passes():
    """Twelve strips on three tiles: psums wait in DRAM three times."""
    layer = ConvLayer("fc", C=12, K=3, H=1, W=1)
    rng = np.random.default_rng(2)
    given_tensors = LayerTensors(
        layer,
        rng.integers(0, 256, (2, 12, 1, 1)).astype(np.uint8),
        rng.integers(1, 128, layer.weight_shape).astype(np.int8),
    )
    fields = {"crossbars": 12, "crossbar_rows": 1, "crossbar_columns": 2, "write_ns": 10}
    spec = MACHINE.presets["iso"].model_copy(update=fields)
    check(given_tensors, spec)
    result = MACHINE.run(given_tensors, spec).result
    assert result.extras["passes"] == 8
    assert result.counters.traffic_bytes("glb", tensor="psum", direction="write") > 0
