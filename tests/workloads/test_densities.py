"""Published densities: whole, for the layers we list, and met by synthetic tensors."""

from math import sqrt

import numpy as np
import pytest

from workloads.densities import PUBLISHED, published
from workloads.errors import WorkloadError
from workloads.network import network
from workloads.synthetic import Synthetic, synthetic_layers

CASES = [(name, net) for name, each in PUBLISHED.items() for net in each.networks]


@pytest.mark.parametrize(("name", "net"), CASES)
@pytest.mark.parametrize("tensor", ["weights", "activations"])
def test_every_layer_of_a_network_has_a_density(name, net, tensor):
    found = published(name, net, tensor)
    assert list(found) == [entry.name for entry in network(net).layers]
    assert all(0 < density <= 1 for density in found.values())
    assert PUBLISHED[name].source


def test_a_layer_reads_what_the_one_before_it_writes():
    read = published("han", "vgg16", "activations")
    assert (read["conv1_1"], read["conv1_2"], read["conv2_1"]) == (1.0, 0.53, 0.89)
    assert (read["fc6"], read["fc7"], read["fc8"]) == (0.19, 0.38, 0.42)


def test_operations_left_are_the_printed_ones():
    """Han et al. print 33 % of the operations for conv2 of AlexNet."""
    weights = published("han", "alexnet", "weights")["conv2"]
    inputs = published("han", "alexnet", "activations")["conv2"]
    assert round(100 * weights * inputs) == 33


def test_synthetic_tensors_have_the_published_densities():
    recipe = Synthetic(weights="han", activations="han", seed=1)
    weights = published("han", "alexnet", "weights")
    read = published("han", "alexnet", "activations")
    for tensors in synthetic_layers(network("alexnet"), recipe, dense=True):
        name = tensors.layer.name
        for array, wanted in ((tensors.weights, weights), (tensors.activations, read)):
            share = np.count_nonzero(array) / array.size
            bound = 6 * sqrt(wanted[name] * (1 - wanted[name]) / array.size) + 2**-16
            assert abs(share - wanted[name]) <= bound, name


def test_the_recipe_tells_the_source():
    told = Synthetic(weights="han", activations=0.5).told
    assert told.startswith("activations 0.5, weights han, basis 6")
    assert told.endswith("han is Han et al., NIPS 2015, arXiv 1506.02626, tables 4 and 5")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "hahn"}, "weights is 'hahn', wanted a density 0..1 or the published ones of"),
        ({"activations": "hahn"}, "activations is 'hahn', wanted a density"),
        ({"coefficients": "han"}, r"coefficients is 'han', wanted a density 0\.\.1$"),
    ],
)
def test_names_that_nobody_published_are_refused(fields, message):
    with pytest.raises(WorkloadError, match=message):
        Synthetic(**fields)


def test_a_network_without_published_densities_is_refused():
    recipe = Synthetic(weights="han", activations=0.5)
    with pytest.raises(WorkloadError, match="resnet18: densities 'han' are published of alexnet"):
        synthetic_layers(network("resnet18"), recipe, dense=True)
    with pytest.raises(WorkloadError, match="densities 'hahn' are unknown, wanted one of han"):
        published("hahn", "vgg16", "weights")
