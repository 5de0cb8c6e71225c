"""Do machines that skip zeros agree on what there is to do, and all machines on the numbers?"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.machine import MACHINES, Kept, machine, preset
from arch.pairs import effectual_pairs
from arch.simulate import Session
from arch.spec import override
from tests.arch.layers import small_layers
from tests.workloads.models import every_operator, random_integers
from workloads.convolve import convolve
from workloads.execute import execute
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors
from workloads.weights import LayerWeights


def sparse(layer, seed, density, images=1):
    rng = np.random.default_rng(seed)
    shape = (images, layer.C, layer.H, layer.W)
    pixels = rng.integers(1, 4, shape) * (rng.random(shape) < density)
    weights = rng.choice((-1, 1), layer.weight_shape) * (rng.random(layer.weight_shape) < density)
    return LayerTensors(layer, pixels.astype(np.uint8), weights.astype(np.int8))


def ternary(layer, data):
    """Ternary coefficients with small basis kernels, 1x1 layers without, scales of every kind."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    M = data.draw(st.integers(1, layer.R * layer.S))
    alone = layer.R * layer.S == 1
    scale = data.draw(st.sampled_from(("layer", "filter_basis", "two_sided")))
    pixels = rng.integers(0, 3, (2, layer.C, layer.H, layer.W)).astype(np.uint8)
    return LayerTensors(
        layer,
        pixels,
        basis=None if alone else rng.integers(-2, 3, (M, layer.R, layer.S)).astype(np.int8),
        coefficients=rng.integers(-1, 2, (layer.K, layer.channels_per_group, M)).astype(np.int8),
        alpha=rng.integers(1, 4, (layer.K, M)).astype(np.uint8)
        if scale == "filter_basis"
        else None,
        two_sided=(2, 1) if scale == "two_sided" else None,
    )


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
        assert run.result.counters.effectual_ops == pairs, name


@settings(max_examples=25, deadline=None)
@given(small_layers(pointwise=st.booleans()), st.data())
def test_decomposed_layers_have_the_pairs_of_their_integer_weights_on_every_machine(layer, data):
    tensors = ternary(layer, data)
    pairs = effectual_pairs(layer, tensors.activations, tensors.dense_weights())
    for name in MACHINES:
        model = machine(name)
        try:
            run = model.run(tensors, next(iter(model.presets.values())))
        except OperandError:
            continue  # a weight or layer that this machine cannot take
        assert run.result.counters.effectual_ops == pairs, name


def network_of_small_weights(seed):
    """Every operator, layers decomposed and not, each integer weight within 8 bits."""
    rng = np.random.default_rng(seed)

    def small(layer, weights):
        if weights.basis is not None:
            basis = rng.integers(-9, 10, weights.basis.shape).astype(np.int8)
            return LayerWeights(basis=basis, coefficients=weights.coefficients)
        if weights.coefficients is not None:
            return weights
        kept = rng.random(layer.weight_shape) < 0.5
        return LayerWeights(weights=(rng.integers(-9, 10, kept.shape) * kept).astype(np.int8))

    model = random_integers(rng, every_operator())
    layers = {node.name: node.layer for node in model.graph.nodes if node.op == "conv"}
    convs = {
        name: replace(conv, weights=small(layers[name], conv.weights))
        for name, conv in model.convs.items()
    }
    return replace(model, convs=convs)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_network_has_the_same_pairs_on_every_machine(seed):
    """Each machine feeds its layers with what its own psums become."""
    model = network_of_small_weights(seed)
    low, high = model.image.low, model.image.high
    shape, rng = model.graph.nodes[0].shape, np.random.default_rng(seed)
    pixels = np.maximum(rng.integers(low, high + 1, (2, *shape)), 0)
    pixels = pixels.astype(np.int8 if low < 0 else np.uint8)
    counted = {}
    for name in MACHINES:
        own = machine(name)
        session = Session(own, next(iter(own.presets.values())))
        execute(model, pixels, lambda tensors, session=session: session.run(tensors).psums)
        counted[name] = session.finish("every", "first").effectual_ops
    wanted = []

    def plain(tensors):
        dense = tensors.dense_weights()
        wanted.append(effectual_pairs(tensors.layer, tensors.activations, dense))
        return convolve(tensors)

    execute(model, pixels, plain)
    assert len(wanted) == 6
    assert sum(wanted) > 0
    assert counted == dict.fromkeys(MACHINES, sum(wanted))


def test_pairs_do_not_depend_on_buffers_and_a_shape_has_none():
    """Halos are broadcast again and counted in the first stage, but no pair is there twice."""
    layer = ConvLayer("conv", C=24, K=20, H=9, W=9, R=3, S=3, padding=(1, 1, 1, 1))
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 2, (1, 24, 9, 9)).astype(np.uint8)
    basis = rng.integers(-9, 9, (2, 3, 3)).astype(np.int8)
    signs = rng.integers(-1, 2, (20, 24, 2)).astype(np.int8)
    tensors = LayerTensors(layer, pixels, basis=basis, coefficients=signs)
    own = machine("basis_first")
    spec = override(preset(own, "default"), {"loop_order": "input_outer"})
    tight = override(spec, {"input_glb_bytes": 1200, "psum_buffer_bytes": 108})
    wide, narrow = (own.run(tensors, each).result.counters for each in (spec, tight))
    assert wide.effectual_ops == narrow.effectual_ops
    assert wide.stage1_pairs < narrow.stage1_pairs
    for name in ("systolic", "eyeriss"):
        model = machine(name)
        spec = next(iter(model.presets.values()))
        assert model.run(tensors, spec).result.counters.effectual_ops == wide.effectual_ops
        assert model.run_shape(layer, spec).result.counters.effectual_ops is None


@pytest.mark.parametrize("density", [0.5, 0.7])
def test_inner_joins_and_single_multipliers_multiply_just_the_pairs(density):
    """Dense enough that no run of zeros is longer than Eyeriss v2 counts: it would store a zero."""
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
