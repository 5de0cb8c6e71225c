"""Does a session hand outputs on as layer fusion asks, and nothing else?"""

import numpy as np
import pytest

from arch.basis_first.spec import BasisFirstSpec
from arch.machine import machine
from arch.simulate import NetworkRun, Session
from workloads.layer import ConvLayer
from workloads.network import Handover
from workloads.tensors import LayerTensors

SIDE, WIDE = 6, (1, 1, 1, 1)
CHAIN = {"one": Handover("two", others=False), "two": Handover("three", others=True)}


def layer(name: str, C: int, K: int, density: float = 0.5) -> LayerTensors:
    rng = np.random.default_rng(C * K)
    shape = ConvLayer(name, C, K, SIDE, SIDE, 3, 3, padding=WIDE)
    x = rng.integers(1, 9, (2, C, SIDE, SIDE)) * (rng.random((2, C, SIDE, SIDE)) < density)
    return LayerTensors(
        shape,
        x.astype(np.uint8),
        basis=rng.integers(-9, 10, (3, 3, 3)).astype(np.int8),
        coefficients=rng.integers(-1, 2, (K, C, 3)).astype(np.int8),
    )


def run(layers: list[LayerTensors], handovers=CHAIN, **fields) -> NetworkRun:
    session = Session(machine("basis_first"), BasisFirstSpec(**fields), None, handovers)
    for tensors in layers:
        session.run(tensors)
    return session.finish("chain", "default")


LAYERS = [layer("one", 5, 7), layer("two", 7, 20), layer("three", 20, 4)]


def moved(found: NetworkRun, tensor: str, way: str) -> list[int]:
    return [result.counters.traffic["dram", tensor, way] for result in found.results]


def test_what_stays_is_neither_written_nor_read() -> None:
    off, on = run(LAYERS), run(LAYERS, layer_fusion="on")
    reads, writes = moved(off, "input", "read"), moved(off, "output", "write")
    assert moved(on, "input", "read") == [reads[0], 0, 0]
    # a third layer reads the second output later as well, so that is written all the same
    assert moved(on, "output", "write") == [0, *writes[1:]]
    assert on.cycles < off.cycles
    assert on.energy_j < off.energy_j
    assert [r.extras["output_stays"] for r in on.results] == [1, 1, 0]
    assert [r.extras["input_on_chip"] for r in on.results] == [0, 1, 1]
    metadata = [r.counters.traffic["metadata", "output", "write"] for r in on.results]
    assert metadata[0] == 0 < metadata[1]


def test_off_and_unknown_readers_change_nothing() -> None:
    off = run(LAYERS)
    assert run(LAYERS, {}).results == off.results
    assert [r.counters for r in run(LAYERS, {}, layer_fusion="on").results] == [
        r.counters for r in off.results
    ]


def test_both_sides_of_the_capacity() -> None:
    """The first output fits half the output GLB by a byte or does not; then nothing is fused."""
    first = run(LAYERS[:1], layer_fusion="on", output_glb_bytes=1 << 20)
    stored = first.results[0].counters.traffic["glb", "output", "write"]
    fields = {"layer_fusion": "on", "loop_order": "coefficient_outer"}
    stays = run(LAYERS[:1], output_glb_bytes=2 * stored, **fields)
    goes = run(LAYERS[:1], output_glb_bytes=2 * stored - 1, **fields)
    assert [r.results[0].extras["output_stays"] for r in (stays, goes)] == [1, 0]
    assert moved(stays, "output", "write") == [0]
    assert moved(goes, "output", "write")[0] >= stored


def test_an_input_that_fits_worse_than_the_output_was_stored_after_all() -> None:
    """Layers whose tensors are unrelated: the second input is dense, the first output sparse."""
    silent = layer("one", 5, 7, density=0.0)
    dense = layer("two", 7, 20, density=1.0)
    fields = {"output_glb_bytes": 200, "loop_order": "coefficient_outer"}
    on = run([silent, dense], layer_fusion="on", **fields)
    off = run([silent, dense], **fields)
    assert [r.extras["output_stays"] for r in on.results] == [0, 0]
    assert [r.counters for r in on.results] == [r.counters for r in off.results]


def test_buffers_swap_roles() -> None:
    """With a large output GLB the second layer reads from it, and is priced by it."""
    fields = {"layer_fusion": "on", "input_glb_bytes": 2048, "output_glb_bytes": 65536}
    found = run(LAYERS, **fields)
    assert found.results[0].extras["output_stays"] == 1
    second = found.results[1].counters.events
    assert second["output_glb", "read", "input"] > 0
    assert second["input_glb", "write", "output"] > 0
    assert ("input_glb", "read", "input") not in second
    assert {r.spec.input_glb_bytes for r in found.results} == {2048}


@pytest.mark.parametrize("images", [1, 2])
def test_a_network_of_one_layer_is_handed_to_nobody(images) -> None:
    one = layer("three", 20, 4)
    alone = LayerTensors(
        one.layer,
        np.ascontiguousarray(one.activations[:images]),
        basis=one.basis,
        coefficients=one.coefficients,
    )
    assert run([alone], layer_fusion="on").results[0].counters == run([alone]).results[0].counters
