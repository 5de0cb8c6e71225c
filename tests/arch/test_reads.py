"""Is a tensor's size in DRAM what a machine reads of it once, coded as the machine codes it?"""

import numpy as np
import pytest

from arch.machine import machine, preset
from arch.spec import override
from reports.table import reread_notes
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SMALL_GLBS = {"filter_glb_bytes": 700, "input_glb_bytes": 1600}


def sparse(C, K, size):
    layer = ConvLayer("conv", C=C, K=K, H=size, W=size, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(1)
    shape = (1, C, size, size)
    pixels = rng.integers(1, 4, shape) * (rng.random(shape) < 0.3)
    weights = rng.integers(1, 4, layer.weight_shape) * (rng.random(layer.weight_shape) < 0.3)
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8))


def run(name, preset_name, tensors, **fields):
    model = machine(name)
    spec = override(preset(model, preset_name), {"dram_burst_bytes": 1, **fields})
    return model.run(tensors, spec).result


CASES = [
    ("sparten", "weight", (32, 64, 12), SMALL_GLBS, (32, 64, 12), 12),
    ("bit_tactical", "weight", (32, 64, 12), {}, (16, 16, 4), None),
    ("eyeriss", "input", (16, 80, 16), {}, (16, 4, 6), None),
    ("eyeriss_v2", "input", (32, 64, 12), {}, (16, 16, 4), None),
    ("eyeriss_v2", "weight", (4, 8, 24), {}, (8, 8, 6), None),
    ("scnn", "weight", (16, 64, 24), {"iaram_bytes": 64}, (16, 16, 4), 9),
]


@pytest.mark.parametrize(("name", "tensor", "large", "fields", "small", "times"), CASES)
def test_reads_are_counted_in_coded_bytes(name, tensor, large, fields, small, times):
    often, once = run(name, "tiny", sparse(*large), **fields), run(name, "tiny", sparse(*small))
    assert often.reads[tensor] > 4
    if times is not None:
        assert often.reads[tensor] == times
    assert f"{tensor} ({often.reads[tensor]:.1f} times)" in reread_notes([often])[0]
    assert once.reads[tensor] == 1
    assert reread_notes([once]) == []
