"""Variational coding of weights: variances decide the bits, budgets are met, bytes are exact."""

import json

import numpy as np
import pytest

from escalate.compressors.distortion import Cost
from escalate.compressors.rate_distortion.clustering import costs
from escalate.compressors.settled import channel_sizes
from escalate.compressors.vbq.variational import given_precisions, precisions, variational_layer
from escalate.errors import DataError, DecompositionError
from escalate.integers.integer import predict
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options
from escalate.store import model_file
from escalate.store.footprint import footprint
from escalate.train.modules import float_module
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.layer import ConvLayer

PIXELS, LABELS = bright_corner(96)
NETWORK = with_random_weights(tiny(), seed=4)
IMAGE = TINY_SETTINGS.quantizer(PIXELS)


def options(**fields):
    return compress_options(method="vbq", **{"remove": False, **fields})


def made(labels=LABELS, **fields):
    return compress(NETWORK, options(**fields), PIXELS, labels, TINY_SETTINGS, source="corners")


def asked(kind, images=96, labels=LABELS):
    module = float_module(NETWORK)
    return precisions(NETWORK, module, IMAGE, PIXELS, labels, kind=kind, images=images)


def test_precisions_are_those_of_laplace_and_share_the_other_methods_fisher():
    shared = costs(float_module(NETWORK), IMAGE, PIXELS, None, "kl")
    for name, found in asked("fisher").items():
        weights = NETWORK.weights[name]
        by = channel_sizes(weights)[:, None, None, None]
        tau = 1 / (np.mean((weights / by) ** 2) * by**2)
        np.testing.assert_allclose(found.square, 96 * shared[name].square + tau, rtol=1e-12)
        assert not found.fourth.any()
    constant = asked("constant")
    for name, found in constant.items():
        by = channel_sizes(NETWORK.weights[name])[:, None, None, None]
        even = found.square * by**2
        np.testing.assert_allclose(even, even.flat[0])


LAYER = ConvLayer("a", C=8, K=4, H=3, W=3, R=3, S=3)


def test_uncertain_weights_take_shorter_codes_and_certain_ones_stay():
    weights = np.random.default_rng(0).normal(size=LAYER.weight_shape).astype(np.float32)
    precise = np.ones(weights.shape)
    precise[:, 4:] = 1e6
    cost = Cost(precise, np.zeros(weights.shape))
    found = variational_layer(LAYER, weights, np.zeros(4, np.float32), cost, 1.0)
    moved = np.abs(found.weight().numpy() - weights)
    assert moved[:, 4:].max() < 0.03 < 0.3 < moved[:, :4].max()
    codes = found.integers().weights.weights
    assert np.unique(codes[:, :4]).size < 6 < 60 < np.unique(codes[:, 4:]).size


def test_a_layer_of_zeros_stays_zero():
    weights = np.zeros(LAYER.weight_shape, np.float32)
    cost = Cost(np.ones(weights.shape), np.zeros(weights.shape))
    found = variational_layer(LAYER, weights, np.zeros(4, np.float32), cost, 1.0)
    assert not found.integers().weights.weights.any()


def test_a_higher_price_takes_fewer_bytes():
    sizes = [model_file.packed_size(made(rate_penalty=2.0**e)) for e in (-6, 0, 4, 8, 16)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.3 * sizes[-1]


def test_a_budget_is_met_and_nearly_used():
    network, size = NETWORK, model_file.packed_size(made(rate_penalty=0.25))
    ratio = 4 * network.original_parameters / (size + 0.5)
    model = made(ratio=ratio)
    budget = byte_budget(network, ratio)
    assert 0.97 * budget <= model_file.packed_size(model) <= budget
    assert model.provenance["asked"]["ratio"] == ratio
    assert model.provenance["options"]["rate_penalty"] > 0
    with pytest.raises(DecompositionError, match=r"budget: the smallest rate makes \d+ bytes"):
        made(ratio=50)


@pytest.mark.parametrize("uncertainty", ["fisher", "labels", "constant"])
def test_the_model_is_read_back_bit_for_bit_and_its_bytes_are_counted(uncertainty, tmp_path):
    model = made(uncertainty=uncertainty)
    model_file.save(model, tmp_path)
    found = model_file.load(tmp_path)
    for name, layer in model.weights.items():
        np.testing.assert_array_equal(found.convs[name].weights.weights, layer.weights, strict=True)
    np.testing.assert_array_equal(predict(found, PIXELS), predict(model, PIXELS))
    assert model_file.bytes_on_disk(tmp_path) == model_file.packed_size(model)
    assert json.loads(json.dumps(found.provenance))["method"] == "vbq"
    for each in footprint(found):
        assert each.coefficient_bytes >= each.ideal_bits / 8 - 1e-9


def test_the_same_call_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        model_file.save(made(), tmp_path / name)
    for file in (model_file.TENSORS, model_file.MANIFEST):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def variances(**changed):
    return {name: np.full(w.shape, 0.01) for name, w in NETWORK.weights.items()} | changed


def test_variances_of_a_users_own(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **variances())
    found = given_precisions(str(path), {n: w.shape for n, w in NETWORK.weights.items()})
    np.testing.assert_allclose(found["middle"].square, 100)
    model = made(variances=str(path), labels=None)
    assert model.provenance["options"]["variances"] == str(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"middle": np.zeros((8, 6, 3, 3))}, "middle: one is 0.0, wanted finite and above 0"),
        ({"middle": np.full((8, 6, 3, 3), np.nan)}, "middle: one is nan, wanted finite"),
        ({"middle": np.ones((8, 6, 3))}, r"middle: is float64 \(8, 6, 3\), wanted numbers of"),
        ({"ghost": np.ones(3)}, "ghost: no such layer"),
    ],
)
def test_variances_that_are_none_are_refused(changed, message, tmp_path):
    np.savez(tmp_path / "mine.npz", **variances(**changed))
    with pytest.raises(DecompositionError, match=message):
        made(variances=str(tmp_path / "mine.npz"))


def test_files_that_hold_no_variances_are_refused(tmp_path):
    path = tmp_path / "mine.npz"
    with pytest.raises(DecompositionError, match=r"variances: .*mine.npz: No such file"):
        made(variances=str(path))
    path.write_bytes(b"nothing")
    with pytest.raises(DecompositionError, match=r"is no \.npz file of arrays"):
        made(variances=str(path))
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(DecompositionError, match=r"is no \.npz file of arrays"):
        made(variances=str(tmp_path / "one.npy"))
    some = variances()
    del some["last"]
    np.savez(path, **some)
    with pytest.raises(DecompositionError, match="last: the layer is missing"):
        made(variances=str(path))


def test_labels_are_asked_for_where_they_are_needed():
    with pytest.raises(DataError, match="uncertainty = labels needs labels"):
        made(labels=None, uncertainty="labels")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate_penalty": 0.0}, "rate_penalty"),
        ({"uncertainty": "mine"}, "uncertainty"),
        ({"uncertainty": "fisher", "variances": "a.npz"}, "both given"),
        ({"ratio": 9.0, "rate_penalty": 1.0}, "ratio and rate_penalty are both given"),
        ({"epochs": 2}, "epochs has no meaning for method vbq"),
        ({"density": 0.5}, "density has no meaning for method vbq"),
    ],
)
def test_options_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        options(**fields)


def test_every_operator_goes_through():
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    model = compress(start, options(), pixels, None, SETTINGS)
    assert predict(model, pixels).shape == (24, 5)
