"""Rate-distortion compression: few values, stored exactly, budgets met, the paper's order."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from escalate.compressors.distortion import Cost, cluster, survivors
from escalate.compressors.knob import largest
from escalate.compressors.rate_distortion.clustering import compressed_layer, costs
from escalate.compressors.settled import SettledConvolution
from escalate.errors import BudgetError, DataError, DecompositionError
from escalate.integers.integer import predict
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options, meaningless
from escalate.store import model_file
from escalate.store.footprint import footprint, sizes
from escalate.train.images import ImageSettings, image_tensor
from escalate.train.modules import float_module
from escalate.train.retrain import Lesson, RetrainOptions, retrain
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    conv,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.graph import Graph, Node
from workloads.layer import ConvLayer

PIXELS, LABELS = bright_corner(96)
OBJECTIVES = ("baseline", "kl", "gradient", "hessian", "gradient_hessian")


def trained(start, settings, pixels, labels, **options):
    module = float_module(start)
    lesson = Lesson(settings.quantizer(pixels), pixels, labels)
    retrain(module, lesson, RetrainOptions(**options))
    parts = {node.name: module.convolution(node.name) for node in start.graph.convs}
    return replace(
        start,
        weights={name: part.weights.detach().numpy().copy() for name, part in parts.items()},
        biases={name: part.bias.detach().numpy().copy() for name, part in parts.items()},
    )


@pytest.fixture(scope="module")
def network():
    start = with_random_weights(tiny(), seed=4)
    return trained(start, TINY_SETTINGS, PIXELS, LABELS, epochs=8, learning_rate=0.03, batch=16)


def options(**fields):
    return compress_options(method="rate_distortion", **{"remove": False, **fields})


def made(network, **fields):
    return compress(network, options(**fields), PIXELS, LABELS, TINY_SETTINGS, source="corners")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_layers_take_as_many_values_as_asked_and_the_network_still_works(network, objective):
    model = made(network, objective=objective, clusters=8)
    for name in ("middle", "last"):
        assert np.unique(model.convs[name].weights.weights).size <= 8
    assert np.unique(model.convs["first"].weights.weights).size > 30  # kept at eight bits
    assert (predict(model, PIXELS).argmax(axis=1) == LABELS).mean() > 0.8


def test_density_and_clusters_go_together_and_by_layer(network):
    model = made(network, density={"middle": 0.25, "last": 0.5}, clusters={"middle": 3, "last": 2})
    for name, share, count in (("middle", 0.25, 3), ("last", 0.5, 2)):
        codes = model.convs[name].weights.weights
        assert np.unique(codes[codes != 0]).size <= count
        left = np.count_nonzero(codes)
        assert round(share * codes.size) - 2 <= left <= round(share * codes.size)


def test_the_model_is_read_back_bit_for_bit_and_its_bytes_are_counted(network, tmp_path):
    model = made(network, clusters=4)
    model_file.save(model, tmp_path)
    found = model_file.load(tmp_path)
    for name, layer in model.weights.items():
        np.testing.assert_array_equal(found.convs[name].weights.weights, layer.weights, strict=True)
    np.testing.assert_array_equal(predict(found, PIXELS), predict(model, PIXELS))
    on_disk = sum((tmp_path / f).stat().st_size for f in (model_file.TENSORS, model_file.MANIFEST))
    assert sizes(model).on_disk == model_file.bytes_on_disk(tmp_path) == on_disk
    rows = {each.name: each for each in footprint(found)}
    assert rows["middle"].coefficient_bytes >= rows["middle"].ideal_bits / 8
    assert rows["middle"].coefficient_bytes <= 432 * 2 / 8 + 25  # two bits each, and the list
    told = model_file.load_provenance(tmp_path)
    assert (told["method"], told["options"]["epochs"]) == ("rate_distortion", 0)


def test_the_same_call_gives_the_same_bytes(network, tmp_path):
    for name in ("one", "two"):
        model_file.save(made(network, clusters=5, seed=3), tmp_path / name)
    for file in (model_file.TENSORS, model_file.MANIFEST):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def room(network, **fields):
    """The ratio of the model that these options make."""
    size = model_file.packed_size(made(network, **fields))
    return 4 * network.original_parameters / (size + 0.5)


def test_a_budget_is_met_by_the_most_clusters_that_fit(network):
    ratio = room(network, clusters=20)
    model = made(network, ratio=ratio)
    assert model_file.packed_size(model) <= byte_budget(network, ratio)
    assert model.provenance["asked"]["ratio"] == ratio
    chosen = model.provenance["options"]["clusters"]
    assert chosen >= 16
    more = made(network, clusters=chosen + 8)
    assert model_file.packed_size(more) > byte_budget(network, ratio)


def test_a_budget_is_met_by_the_highest_density_that_fits(network):
    ratio = room(network, clusters=6, density=0.5)
    model = made(network, ratio=ratio, clusters=6)
    assert model_file.packed_size(model) <= byte_budget(network, ratio)
    assert model.provenance["options"]["clusters"] == 6
    chosen = model.provenance["options"]["density"]
    assert 0.4 < chosen < 0.7
    more = made(network, clusters=6, density=chosen + 0.2)
    assert model_file.packed_size(more) > byte_budget(network, ratio)


def test_a_budget_below_two_clusters_drops_weights_first(network):
    """A tenth of the weights in two clusters: half a bit a weight, where two clusters of all take
    one."""
    ratio = room(network, clusters=2, density=0.1)
    budget = byte_budget(network, ratio)
    assert model_file.packed_size(made(network, clusters=2)) > budget
    model = made(network, ratio=ratio)
    chosen = model.provenance["options"]
    assert chosen["clusters"] == 2
    assert 0.04 < chosen["density"] < 0.25  # sizes rise by fits and starts: exact to a few weights
    assert model_file.packed_size(model) <= budget
    more = made(network, clusters=2, density=chosen["density"] + 0.15)
    assert model_file.packed_size(more) > budget


def test_all_weights_in_two_clusters_are_smaller_than_most_of_them(network):
    """Which weights are 0 takes more than it saves, so a budget for 60 % is one for all of them."""
    model = made(network, ratio=room(network, clusters=2, density=0.6))
    chosen = model.provenance["options"]
    assert (chosen["clusters"] >= 2, chosen["density"]) == (True, 1.0)


def test_a_budget_that_nothing_meets_is_refused(network):
    with pytest.raises(
        DecompositionError, match=r"smallest density of two clusters makes \d+ bytes"
    ):
        made(network, ratio=50)
    with pytest.raises(DecompositionError, match=r"smallest density makes \d+ bytes, wanted at"):
        made(network, ratio=50, clusters=3)


def test_the_highest_number_may_make_less_than_those_below_it():
    table = {1: 2, 2: 4, 3: 6, 4: 8, 5: 9, 6: 5}
    assert [largest(lambda n: (table[n], n), room, 1, 6, "n") for room in (2, 4, 5, 9)] == [
        1, 2, 6, 6,
    ]  # fmt: skip
    with pytest.raises(BudgetError, match="the smallest n makes 2 bytes, wanted at most 1"):
        largest(lambda n: (table[n], n), 1, 1, 6, "n")


def test_the_largest_fits_where_sizes_do_not_rise():
    table = {2: 5, 3: 9, 4: 7, 5: 30, 6: 8}
    found = largest(lambda n: (table[n], n), 8, 2, 6, "n")
    assert table[found] <= 8


def test_every_operator_goes_through():
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    model = compress(start, options(clusters=6), pixels, None, SETTINGS)
    assert predict(model, pixels).shape == (24, 5)
    assert {
        name for name in model.convs if np.unique(model.convs[name].weights.weights).size <= 6
    } >= {
        "c2",
        "c3",
        "fc",
    }


def test_scales_of_channels_leave_the_objective_as_it_is():
    """Channels that differ by a factor, and in cost by its inverse square, are one channel."""
    layer = ConvLayer("a", C=8, K=2, H=3, W=3)
    random = np.random.default_rng(0)
    row, price = random.normal(size=(1, 8, 1, 1)), random.exponential(size=(1, 8, 1, 1))
    weights = np.concatenate([row, 100 * row]).astype(np.float32)
    cost = Cost(np.concatenate([price, price / 1e4]), np.zeros((2, 8, 1, 1)))
    found = compressed_layer(layer, weights, np.zeros(2, np.float32), cost, density=0.5, clusters=3)
    codes, scales = found.integers().weights.weights, found.integers().scales
    np.testing.assert_array_equal(codes[0], codes[1])
    assert scales[1] / scales[0] == pytest.approx(100)
    np.testing.assert_array_equal(found.survivors().numpy(), codes != 0)
    moved = found.weight().numpy() - weights
    assert (cost(moved) <= cost(weights) + 1e-6).all()


def test_a_settled_layer_has_integers_gains_and_silent_channels():
    layer = ConvLayer("a", C=2, K=2, H=3, W=3)
    weights = np.array([0.5, -1.0, 0.0, 0.0]).reshape(2, 2, 1, 1)
    found = SettledConvolution(layer, weights, np.zeros(2, np.float32), np.array([2.0, 1.0]))
    assert found.integers().weights.weights.ravel().tolist() == [64, -127, 0, 0]
    assert found.steps().tolist() == [pytest.approx(2 / 127), 0.0]
    found.scale_channels(torch.tensor([3.0, 3.0]))
    np.testing.assert_allclose(found.weight().ravel()[:2], [6 * 64 / 127, -6.0], rtol=1e-6)
    with pytest.raises(DecompositionError, match=r"a: weights are \(2, 2, 1, 1\) and scales"):
        SettledConvolution(layer, weights, np.zeros(2, np.float32), np.ones(3))


# Options.


def test_labels_are_asked_for(network):
    for objective in ("gradient", "gradient_hessian"):
        with pytest.raises(DataError, match=f"corners: objective {objective} needs labels"):
            compress(
                network, options(objective=objective), PIXELS, None, TINY_SETTINGS, source="corners"
            )
    compress(network, options(objective="hessian"), PIXELS, None, TINY_SETTINGS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 3}, "epochs has no meaning for method rate_distortion"),
        ({"basis": 3}, "basis has no meaning"),
        ({"mixed": True}, "mixed has no meaning"),
        ({"scope": "layer"}, "scope has no meaning"),
        ({"weighting": "inputs"}, "weighting has no meaning"),
        ({"distillation": 1.0}, "distillation has no meaning"),
        ({"ratio": 9.0, "density": 0.5, "clusters": 4}, "both given beside ratio, wanted at most"),
        ({"clusters": 1}, "clusters"),
        ({"clusters": 256}, "clusters"),
        ({"objective": "entropy"}, "objective"),
    ],
)
def test_options_without_meaning_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        options(**fields)


@pytest.mark.parametrize("method", ["escalate", "prune", "int8"])
@pytest.mark.parametrize("fields", [{"clusters": 4}, {"objective": "kl"}])
def test_other_methods_refuse_what_is_of_clusters(method, fields):
    (name,) = fields
    assert name in meaningless(method)
    with pytest.raises(ValueError, match=f"{name} has no meaning for method {method}"):
        compress_options(method=method, **fields)


def test_tables_that_do_not_fit_are_refused(network):
    with pytest.raises(DecompositionError, match="last: the clusters table has no entry"):
        made(network, clusters={"middle": 3})
    with pytest.raises(DecompositionError, match="no such clustered layer"):
        made(network, clusters={"middle": 3, "last": 3, "first": 3})


# The paper's order: a lower cross-entropy than with plain squares.  In floats, as the paper has it,
# and the mean of three networks, because one network's order is that of chance at some sizes.  It
# is not found where a network is broken (r = 0.1 and less) or hardly touched (16 clusters).


def perceptron():
    nodes = (
        Node("input", "input", (), (1, 8, 8)),
        conv("a", "input", ConvLayer("a", 1, 64, 8, 8, 8, 8), relu=True),
        conv("b", "a", ConvLayer("b", 64, 64, 1, 1), relu=True),
        conv("c", "b", ConvLayer("c", 64, 10, 1, 1)),
    )
    return Graph("perceptron", nodes)


def taught(seed, images, labels):
    module = float_module(with_random_weights(perceptron(), seed))
    optimizer = torch.optim.Adam(module.parameters(), 1e-3, weight_decay=1e-4)
    random = torch.Generator().manual_seed(seed)
    for _ in range(20):
        for batch in torch.randperm(len(images), generator=random).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()
    return module


@pytest.fixture(scope="module")
def perceptrons():
    """Networks, the costs of their weights, and test images with labels."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    pixels, labels = found.images.astype(np.uint8)[order, None], found.target[order]
    image = ImageSettings(1 / 16, (0.0,), (1.0,), (8, 8)).quantizer(pixels)
    images, answers = image_tensor(image, pixels), torch.from_numpy(labels)
    parts = []
    for seed in range(3):
        module = taught(seed, images[:1200], answers[:1200])
        given = {
            objective: costs(module, image, pixels[:1200], labels[:1200], objective)
            for objective in ("baseline", "kl")
        }
        parts.append((module, given))
    return parts, images[1200:], answers[1200:]


def cross_entropy(perceptrons, objective, changed):
    """Mean over the networks, with weights changed by a function of weights and cost."""
    parts, images, labels = perceptrons
    total = 0.0
    for module, given in parts:
        kept = {}
        for name, cost in given[objective].items():
            kept[name] = module.convolution(name).weights.data
            new = changed(kept[name].numpy(), cost).astype(np.float32)
            module.convolution(name).weights.data = torch.from_numpy(new)
        with torch.no_grad():
            total += float(functional.cross_entropy(module(images), labels)) / len(parts)
        for name, weights in kept.items():
            module.convolution(name).weights.data = weights
    return total


@pytest.mark.parametrize("count", [3, 4, 6, 8])
def test_the_papers_order_of_clusters(perceptrons, count):
    def changed(weights, cost):
        return cluster(weights, cost, count).weights

    plain, found = (cross_entropy(perceptrons, o, changed) for o in ("baseline", "kl"))
    assert found < plain


@pytest.mark.parametrize("share", [0.4, 0.5])
def test_the_papers_order_of_pruning(perceptrons, share):
    """By 15 % or more; at 0.3 the two are equal but for rounding, and below it sizes win."""

    def changed(weights, cost):
        return weights * survivors(weights, cost, share)

    plain, found = (cross_entropy(perceptrons, o, changed) for o in ("baseline", "kl"))
    assert found < plain


def test_costs_of_plain_squares_are_one(network):
    image = TINY_SETTINGS.quantizer(PIXELS)
    found = costs(float_module(network), image, PIXELS, None, "baseline")
    assert all((each.square == 1).all() and not each.fourth.any() for each in found.values())
