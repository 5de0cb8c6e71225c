"""Do machines that skip zeros agree on what there is to do, and all machines on the numbers?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.machine import MACHINES, Kept, machine, preset
from arch.pairs import effectual_pairs
from tests.arch.layers import small_layers
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

SKIPPING = ("scnn", "sparten", "eyeriss_v2", "bit_tactical")


def sparse(layer, seed, density, images=1):
    rng = np.random.default_rng(seed)
    shape = (images, layer.C, layer.H, layer.W)
    pixels = rng.integers(1, 4, shape) * (rng.random(shape) < density)
    weights = rng.choice((-1, 1), layer.weight_shape) * (rng.random(layer.weight_shape) < density)
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8))


@settings(max_examples=25, deadline=None)
@given(small_layers(), st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.3, 0.7, 1.0)))
def test_every_machine_counts_the_same_pairs_and_computes_the_same_psums(layer, seed, density):
    tensors = sparse(layer, seed, density)
    pairs = effectual_pairs(layer, tensors.activations, tensors.weights)
    wanted, kept = convolve(tensors), Kept()
    for name in MACHINES:
        model = machine(name)
        try:
            run = model.run(tensors, next(iter(model.presets.values())), kept=kept)
        except OperandError:
            continue  # a layer that this machine cannot take
        np.testing.assert_array_equal(run.psums, wanted)
        if name in SKIPPING:
            assert run.result.counters.effectual_ops == pairs, name


@pytest.mark.parametrize("density", [0.2, 0.6])
def test_inner_joins_and_single_multipliers_multiply_just_the_pairs(density):
    layer = ConvLayer("conv", C=24, K=20, H=9, W=9, R=3, S=3, padding=(1, 1, 1, 1))
    tensors = sparse(layer, 5, density)
    pairs = effectual_pairs(layer, tensors.activations, tensors.weights)
    joins = machine("sparten").run(tensors, preset(machine("sparten"), "iso"))
    assert joins.result.counters.multiplies == pairs
    single = machine("eyeriss_v2")
    assert single.run(tensors, preset(single, "pe_v2")).result.counters.multiplies == pairs


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "basis_first"])
def test_without_zeros_no_machine_beats_its_multipliers(name):
    """Evenly divided work: dense MACs over multipliers, and never fewer cycles than that."""
    layer = ConvLayer("even", C=64, K=64, H=16, W=16)
    shape = (1, layer.C, layer.H, layer.W)
    ones = LayerTensors(layer, np.ones(shape, np.uint8), np.ones(layer.weight_shape, np.int8))
    model = machine(name)
    result = model.run(ones, next(iter(model.presets.values()))).result
    counters, multipliers = result.counters, model.resources(result.spec).multipliers
    assert counters.effectual_ops == counters.macs
    serial = 8 if name == "bit_tactical" else 1  # ones need one of eight bits
    assert counters.compute_cycles * multipliers * serial >= counters.macs
    # Without imbalance: fill, drain and ragged ends may cost, but not three times the work.
    busy = counters.compute_cycles * multipliers
    assert busy <= 3 * counters.macs, busy / counters.macs
