"""Have synthetic tensors the densities asked for, and are they the same bytes every time?"""

import hashlib
from math import nan, sqrt

import numpy as np
import pytest

from workloads import synthetic
from workloads.errors import WorkloadError
from workloads.network import Network, NetworkLayer, linear, network, square
from workloads.synthetic import (
    WORDS,
    Synthetic,
    channel_densities,
    sparse_int8,
    sparse_ternary,
    sparse_uint8,
    synthetic_layer,
    synthetic_layers,
)

SIGMAS = 6  # a false alarm in 1e9 counts; the seeds are fixed, so none comes later
RECIPE = Synthetic(coefficients=0.12, activations=0.4, weights=0.7, seed=3)
PINNED = "12a311e5225f5a0ed77ed5e2d82ad3e955b6a795c8dbd3c78594ac02b1c27a0e"
OR = " or the published ones of han"
SMALL = Network(
    "small",
    "every kind of layer",
    "ours",
    (3, 12, 12),
    (
        NetworkLayer(square("first", 3, 16, 12, 3)),
        NetworkLayer(square("three", 16, 24, 12, 3), ("first",)),
        NetworkLayer(square("grouped", 24, 32, 12, 5, groups=2), ("three",)),
        NetworkLayer(square("depthwise", 32, 32, 12, 3, groups=32), ("grouped",)),
        NetworkLayer(square("same", 32, 32, 12), ("depthwise",), ("grouped",)),
        NetworkLayer(square("wider", 32, 48, 12), ("same",), ("same",)),
        NetworkLayer(linear("fc", 48, 10), ("wider",)),
    ),
)


def tensors_of(recipe=RECIPE, net=SMALL, **options):
    return {t.layer.name: t for t in synthetic_layers(net, recipe, **options)}


def assert_density(array, density):
    bound = SIGMAS * sqrt(density * (1 - density) / array.size) + 1 / WORDS
    assert abs(np.count_nonzero(array) / array.size - density) <= bound


def rng(seed=0):
    return np.random.default_rng(seed)


def test_forms_of_the_layers():
    made = tensors_of()
    assert {name: t.mode for name, t in made.items()} == {
        "first": "bypass",
        "three": "decomposed",
        "grouped": "decomposed",
        "depthwise": "bypass",
        "same": "pointwise",
        "wider": "pointwise",
        "fc": "pointwise",
    }
    assert made["grouped"].coefficients.shape == (32, 12, 6)
    assert made["grouped"].basis.shape == (6, 5, 5)
    assert {t.origin for t in made.values()} == {"synthetic"}
    assert made["same"].producers == ("depthwise",)
    assert made["three"].activations.dtype == np.uint8


def test_a_basis_has_at_most_as_many_kernels_as_its_layer_has_weights():
    made = tensors_of(Synthetic(0.1, 0.4, basis=10))
    assert made["three"].basis.shape == (9, 3, 3)
    assert made["grouped"].basis.shape == (10, 5, 5)


def test_densities_are_those_asked_for():
    for name, made in tensors_of().items():
        assert_density(made.activations, 1.0 if name == "first" else 0.4)
        if made.coefficients is not None:
            assert_density(made.coefficients, 0.12)
        if made.weights is not None:
            assert_density(made.weights, 0.7)
        if made.basis is not None:
            assert made.basis.all()


def test_dense_form_for_machines_that_eat_int8():
    ternary, dense = tensors_of(), tensors_of(dense=True)
    for name, made in dense.items():
        assert made.mode == "bypass"
        assert_density(made.weights, 0.7)
        assert np.array_equal(made.activations, ternary[name].activations)
    assert np.array_equal(dense["first"].weights, ternary["first"].weights)


def test_weights_are_dense_unless_told():
    assert tensors_of(Synthetic(0.1, 0.4))["first"].weights.all()


def test_batches_hold_different_images():
    made = tensors_of(Synthetic(0.1, 0.4, images=2))["three"]
    assert made.activations.shape == (2, 16, 12, 12)
    assert not np.array_equal(made.activations[0], made.activations[1])


def test_shortcuts_have_the_density_of_activations():
    made = tensors_of()
    assert {name for name, t in made.items() if t.shortcut is not None} == {"same", "wider"}
    assert_density(made["same"].shortcut, 0.4)
    assert made["wider"].shortcut.shape == (1, 48, 12, 12)
    assert_density(made["wider"].shortcut[:, 8:40], 0.4)
    assert not made["wider"].shortcut[:, :8].any()
    assert not made["wider"].shortcut[:, 40:].any()


def test_a_layer_is_the_same_whatever_is_made_before_it():
    made = tensors_of()
    for entry in reversed(SMALL.layers):
        assert synthetic_layer(SMALL, entry, RECIPE).digest() == made[entry.name].digest()


def test_seed_network_and_layer_change_the_bytes():
    entry = SMALL["three"]
    plain = synthetic_layer(SMALL, entry, RECIPE)
    other_seed = synthetic_layer(SMALL, entry, Synthetic(0.12, 0.4, 0.7, seed=4))
    renamed = Network("other", "", "", SMALL.input, SMALL.layers)
    other_network = synthetic_layer(renamed, entry, RECIPE)
    arrays = [t.activations.tobytes() for t in (plain, other_seed, other_network)]
    assert len(set(arrays)) == 3
    made = tensors_of()
    assert not np.array_equal(made["depthwise"].activations, made["same"].activations)


def test_bytes_are_pinned():
    """NumPy keeps SFC64's bits between its versions, so these stay too."""
    sha = hashlib.sha256()
    for made in tensors_of().values():
        for array in (made.activations, made.weights, made.coefficients, made.basis, made.shortcut):
            sha.update(b"" if array is None else array.tobytes())
    assert sha.hexdigest() == PINNED


def test_other_tensors_do_not_depend_on_a_density():
    sparse, full = tensors_of(), tensors_of(Synthetic(0.12, 0.9, 0.7, seed=3))
    for name in sparse:
        assert full[name].coefficients is sparse[name].coefficients is None or np.array_equal(
            full[name].coefficients, sparse[name].coefficients
        )


@pytest.mark.parametrize("make", [sparse_uint8, sparse_int8, sparse_ternary])
def test_a_higher_density_only_adds(make):
    low, high = make(rng(), (7, 60_000), 0.3), make(rng(), (7, 60_000), 0.5)
    assert np.array_equal(high[low != 0], low[low != 0])
    assert np.count_nonzero(high) > np.count_nonzero(low)


@pytest.mark.parametrize("density", [0.0, 1 / WORDS, 0.001, 0.05, 0.5, 1 - 1 / WORDS, 1.0])
@pytest.mark.parametrize("make", [sparse_uint8, sparse_int8, sparse_ternary])
@pytest.mark.parametrize("per_row", [False, True])
def test_densities_of_the_generators(make, density, per_row):
    given = np.full(3, density) if per_row else density
    array = make(rng(), (3, synthetic.CHUNK + 5), given)
    assert_density(array, density)
    if density == 0 or (density == 1 and not per_row):
        assert np.count_nonzero(array) == density * array.size


def test_values_of_the_generators():
    assert np.array_equal(np.unique(sparse_uint8(rng(), (1, 99_999), 1.0)), np.arange(1, 256))
    signed = np.unique(sparse_int8(rng(), (1, 99_999), 1.0))
    assert np.array_equal(signed, [*range(-127, 0), *range(1, 128)])
    ternary = sparse_ternary(rng(), (1, 1_000_000), 0.5)
    assert ternary.dtype == np.int8
    assert_density(ternary[ternary != 0] > 0, 0.5)


@pytest.mark.parametrize("mean", [0.02, 0.4, 0.9])
@pytest.mark.parametrize("concentration", [0.7, 30.0])
def test_channel_densities_have_the_mean_and_spread_of_their_distribution(mean, concentration):
    drawn = channel_densities(rng(), mean, 20_000, concentration=concentration)
    assert drawn.mean() == pytest.approx(mean, abs=1e-9)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    # Pressing to the exact mean moves the deviation by less than 5 % at this many channels.
    assert drawn.std() == pytest.approx(sqrt(mean * (1 - mean) / (concentration + 1)), rel=0.05)


@pytest.mark.parametrize("mean", [0.0, 1e-4, 1.0])
def test_channel_densities_at_the_edges(mean):
    for seed in range(20):
        drawn = channel_densities(rng(seed), mean, 3, concentration=0.7)
        assert drawn.mean() == pytest.approx(mean, abs=1e-9)
        assert ((drawn >= 0) & (drawn <= 1)).all()


def test_channels_share_their_density():
    recipe = Synthetic(0.12, 0.4, seed=1, kind="channel", images=2)
    entry = network("resnet18")["layer1.0.conv2"]
    made = synthetic_layer(network("resnet18"), entry, recipe)
    nonzero = (made.activations != 0).mean(axis=(2, 3))
    assert nonzero.mean() == pytest.approx(0.4, abs=0.01)
    assert nonzero.std() > 0.3  # iid: 0.009
    assert np.abs(nonzero[0] - nonzero[1]).max() < 0.06
    filters = (made.coefficients != 0).mean(axis=(1, 2))
    assert filters.mean() == pytest.approx(0.12, abs=0.01)
    assert filters.std() > 0.04  # iid: 0.017
    assert synthetic_layer(network("resnet18"), entry, recipe).digest() == made.digest()


def test_layers_are_made_when_asked_for(monkeypatch):
    made = []
    original = synthetic.synthetic_layer
    monkeypatch.setattr(
        synthetic,
        "synthetic_layer",
        lambda net, entry, recipe, **options: (
            made.append(entry.name) or original(net, entry, recipe, **options)
        ),
    )
    layers = synthetic_layers(SMALL, RECIPE)
    assert made == []
    next(layers)
    assert made == ["first"]


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (
            Synthetic(activations=0.4),
            {},
            "small: three needs the density of its coefficients, wanted coefficients=0..1",
        ),
        (
            Synthetic(coefficients=0.1),
            {},
            "small: three needs the density of its activations, wanted activations=0..1",
        ),
        (
            Synthetic(),
            {"dense": True},
            "small: three needs the density of its activations, wanted activations=0..1",
        ),
    ],
)
def test_a_missing_density_is_refused_before_the_first_layer(recipe, options, message):
    with pytest.raises(WorkloadError) as error:
        synthetic_layers(SMALL, recipe, **options)
    assert str(error.value) == message
    assert synthetic_layer(SMALL, SMALL.layers[0], recipe, **options).mode == "bypass"


def test_dense_layers_need_no_coefficients():
    assert len(tensors_of(Synthetic(activations=0.4), dense=True)) == len(SMALL.layers)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"coefficients": 1.5}, "synthetic: coefficients is 1.5, wanted a density 0..1"),
        ({"activations": -0.1}, "synthetic: activations is -0.1, wanted a density 0..1" + OR),
        ({"activations": nan}, "synthetic: activations is nan, wanted a density 0..1" + OR),
        ({"activations": "0.5"}, "synthetic: activations is '0.5', wanted a density 0..1" + OR),
        ({"weights": None}, "synthetic: weights is None, wanted a density 0..1" + OR),
        ({"basis": 0}, "synthetic: basis is 0, wanted an integer 1 to 1024"),
        ({"seed": -1}, "synthetic: seed is -1, wanted an integer 0 to 1e18"),
        ({"images": 1.0}, "synthetic: images is 1.0, wanted an integer 1 to 1e6"),
        ({"images": True}, "synthetic: images is True, wanted an integer 1 to 1e6"),
        ({"coefficients": True}, "synthetic: coefficients is True, wanted a density 0..1"),
        ({"basis": 1025}, "synthetic: basis is 1025, wanted an integer 1 to 1024"),
        ({"kind": "block"}, "synthetic: kind is 'block', allowed are iid, channel"),
    ],
)
def test_an_impossible_recipe_is_refused(fields, message):
    with pytest.raises(WorkloadError) as error:
        Synthetic(**fields)
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["resnet20_cifar10", "squeezenet1_1", "mobilenet_v2_cifar10"])
def test_every_layer_of_a_network_gets_tensors(name):
    found = network(name)
    made = list(synthetic_layers(found, RECIPE))
    assert [t.layer for t in made] == list(found.shapes)
    assert [t.producers for t in made] == [entry.producers for entry in found.layers]
