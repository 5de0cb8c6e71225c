"""compress: from a float network and images to integers, and options that do not fit."""

import json

import numpy as np
import pytest

from escalate.capture.network import FloatNetwork
from escalate.compressors.escalate.sizes import basis_sizes
from escalate.compressors.layers import kept as kept_layers
from escalate.errors import DataError, DecompositionError
from escalate.recipe.compression import compress
from escalate.recipe.options import compress_options
from escalate.ternary.decompose import decompose
from escalate.ternary.survival import Survival
from escalate.train.images import image_tensor
from escalate.train.modules import float_module
from escalate.train.retrain import Lesson, accuracy, retrain
from escalate.train.settings import RetrainOptions
from escalate.version import VERSION
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images
from workloads.integer import IntegerModel

PIXELS, LABELS = bright_corner(256)


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    """``tiny``, trained in floats."""
    start = with_random_weights(tiny(), seed=4)
    module = float_module(start)
    image = TINY_SETTINGS.quantizer(PIXELS)
    retrain(module, Lesson(image, PIXELS, LABELS), RetrainOptions(8, learning_rate=0.03, batch=16))
    assert accuracy(module, image, PIXELS, LABELS) > 0.95
    parts = {node.name: module.convolution(node.name) for node in start.graph.convs}
    return FloatNetwork(
        start.graph,
        {name: part.weights.detach().numpy().copy() for name, part in parts.items()},
        {name: part.bias.detach().numpy().copy() for name, part in parts.items()},
        start.original_parameters,
    )


def logits(model: IntegerModel, pixels: np.ndarray) -> np.ndarray:
    outputs = execute(model, quantize_images(model.image, pixels), convolve)
    return outputs[model.graph.output.name].reshape(len(pixels), -1)


def share_right(model: IntegerModel) -> float:
    return float((logits(model, PIXELS).argmax(axis=1) == LABELS).mean())


def test_escalate_keeps_the_accuracy(network):
    reports = []
    options = compress_options(
        basis=4, density=0.5, epochs=6, batch=16, learning_rate=0.03, remove=False
    )
    model = compress(
        network, options, PIXELS, LABELS, TINY_SETTINGS, source="corners", progress=reports.append
    )
    assert share_right(model) > 0.93
    assert len(reports) == 6
    assert model.convs["first"].weights.weights is not None
    assert model.convs["middle"].weights.basis.shape == (4, 3, 3)
    assert model.convs["last"].weights.coefficients.shape == (3, 8, 1)
    density = np.count_nonzero(model.convs["middle"].weights.coefficients) / (8 * 6 * 4)
    assert density == pytest.approx(0.5, abs=0.01)


def test_int8_stays_next_to_the_float_network(network):
    model = compress(network, compress_options(method="int8"), PIXELS, None, TINY_SETTINGS)
    assert all(layer.weights is not None for layer in model.weights.values())
    wanted = float_module(network)(image_tensor(model.image, PIXELS)).detach().numpy()
    off = np.abs(logits(model, PIXELS) * model.output_scale - wanted)
    assert off.max() < 0.05 * np.abs(wanted).max()


def test_without_retraining_no_labels_are_needed(network):
    options = compress_options(basis=9, threshold=0.05, epochs=0)
    model = compress(network, options, PIXELS, None, TINY_SETTINGS)
    assert share_right(model) > 0.6  # ternary, matched, not retrained


def test_the_same_call_gives_the_same_bits(network):
    options = compress_options(basis=4, density=0.5, epochs=1)
    first, second = (compress(network, options, PIXELS, LABELS, TINY_SETTINGS) for _ in "ab")
    for name in ("first", "middle", "last"):
        for field in ("weights", "basis", "coefficients"):
            left, right = (getattr(m.convs[name].weights, field) for m in (first, second))
            assert (left is None and right is None) or np.array_equal(left, right)
        left, right = first.convs[name].requantizer, second.convs[name].requantizer
        assert left.shift == right.shift
        assert np.array_equal(left.multiplier, right.multiplier)
        assert np.array_equal(left.bias, right.bias)


def test_a_killed_compression_resumes(network, tmp_path):
    options = compress_options(basis=4, density=0.5, epochs=3)
    whole = compress(network, options, PIXELS, LABELS, TINY_SETTINGS)

    def kill(report):
        raise KeyboardInterrupt

    arguments = (network, options, PIXELS, LABELS, TINY_SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        compress(*arguments, checkpoint=tmp_path / "c.pt", progress=kill)
    resumed = compress(*arguments, checkpoint=tmp_path / "c.pt")
    assert np.array_equal(logits(whole, PIXELS), logits(resumed, PIXELS))


def test_provenance_says_what_made_the_model(network):
    options = compress_options(method="int8", seed=7)
    model = compress(network, options, PIXELS, LABELS, TINY_SETTINGS, source="corners")
    about = json.loads(json.dumps(model.provenance))
    assert about["method"] == "int8"
    assert about["seed"] == 7
    assert about["version"] == VERSION
    assert about["options"]["calibration"] == "mse"
    assert about["data"]["source"] == "corners"
    assert about["data"]["images"] == 256
    assert len(about["data"]["sha256"]) == 64


@pytest.mark.parametrize("method", ["escalate", "int8"])
def test_every_operator_goes_through(method):
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    basis = 5 if method == "escalate" else None
    options = compress_options(method=method, basis=basis, epochs=0, calibration="percentile")
    model = compress(start, options, pixels, None, SETTINGS)
    assert logits(model, pixels).shape == (24, 5)


# Options against a network.


def test_the_first_layer_and_depthwise_ones_stay_at_eight_bits():
    graph = every_operator()
    assert kept_layers(graph, compress_options()) == {"c1", "dw"}
    assert kept_layers(graph, compress_options(classifier="int8")) == {"c1", "dw", "fc"}
    assert kept_layers(graph, compress_options(keep_int8=())) == frozenset()
    assert kept_layers(graph, compress_options(keep_int8=("c2",))) == {"c2"}


def every_network() -> FloatNetwork:
    return with_random_weights(every_operator(), seed=2)


def test_one_number_is_lowered_to_the_taps_of_small_kernels():
    network = every_network()
    everything = compress_options(keep_int8=())
    assert basis_sizes(network, everything) == {"c1": 6, "c2": 6, "dw": 6}
    assert basis_sizes(network, compress_options(basis={"c2": 3})) == {"c2": 3}


def test_the_basis_that_an_error_asks_for_is_the_smallest_with_that_error():
    network = every_network()
    for error in (0.0, 0.05, 0.3, 0.9):
        for name, size in basis_sizes(network, compress_options(error=error)).items():
            weights = network.weights[name]
            total = float((weights.astype(np.float64) ** 2).sum())

            def squared(count, name=name, weights=weights):
                rebuilt = decompose(name, weights, count).reconstruct()
                return float(((weights - rebuilt) ** 2).sum())

            assert squared(size) <= error * total + 1e-9 * total
            assert size == 1 or squared(size - 1) > error * total


def test_a_network_of_pointwise_layers_needs_no_basis():
    kept = compress_options(basis=99, keep_int8=("c1", "c2", "dw"))
    assert basis_sizes(every_network(), kept) == {}


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (10, r"c1: M is 10, wanted 1\.\.9; no layer of every has more taps"),
        ({"c1": 3, "dw": 3}, "c2: the basis table has no entry"),
        ({"c1": 3, "c2": 12, "dw": 3}, r"c2: M is 12, wanted 1\.\.9"),
        ({"c3": 1}, "c3: the basis table names it, but every has no such layer with a basis"),
    ],
)
def test_a_basis_that_does_not_fit_is_refused(basis, message):
    with pytest.raises(DecompositionError, match=message):
        basis_sizes(every_network(), compress_options(basis=basis, keep_int8=()))


def test_keeping_an_unknown_layer_is_refused():
    with pytest.raises(DecompositionError, match="conv9: keep_int8 names it, but every has no"):
        kept_layers(every_operator(), compress_options(keep_int8=("conv9",)))


def test_retraining_without_labels_is_refused(network):
    with pytest.raises(DataError, match="corners: retraining needs labels"):
        compress(network, compress_options(), PIXELS, None, TINY_SETTINGS, source="corners")


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "zip"},
        {"basis": 0},
        {"basis": {"a": 0}},
        {"density": 0.0},
        {"density": 1.5},
        {"threshold": 1.0},
        {"density": 0.5, "threshold": 0.5},
        {"density": {"a": 0.0}},
        {"basis": 3, "error": 0.1},
        {"error": 1.0},
        {"scales": "channel"},
        {"weighting": "labels"},
        {"weight_bits": 9},
        {"ramp": 1.5},
        {"l1": -1.0},
        {"precision": "float16"},
        {"epochs": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("inf")},
        {"distillation": 2.0},
        {"calibration": "guess"},
        {"colour": "blue"},
    ],
)
def test_options_out_of_range_are_refused(fields):
    with pytest.raises(ValueError, match=r"density and|basis and|" + next(iter(fields))):
        compress_options(**fields)


def test_the_rule_of_the_options():
    assert compress_options().survival("a") == Survival(density=0.3)
    assert compress_options(threshold=0.25).survival("a") == Survival(threshold=0.25)
    table = compress_options(density={"a": 0.1, "b": 0.2})
    assert table.survival("b") == Survival(density=0.2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"density": {"middle": 0.1}}, "last: the density table has no entry"),
        ({"density": {"first": 0.1, "middle": 0.1, "last": 0.1}}, "first: the density table names"),
        ({"weight_bits": {"middle": 4}}, "middle: weight_bits names it"),
    ],
)
def test_tables_that_do_not_fit_are_refused(network, fields, message):
    with pytest.raises(DecompositionError, match=message):
        compress(network, compress_options(epochs=0, **fields), PIXELS, None, TINY_SETTINGS)
