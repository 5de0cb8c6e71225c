"""Do problem files say what the layer is, in words that a YAML reader understands?"""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.arch.layers import small_layers
from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.network import NETWORKS, network
from workloads.timeloop import problem, quoted


def read(layer, **options):
    return yaml.safe_load(problem(layer, **options))["problem"]


def work(found):
    """Iterations of all loops."""
    return math.prod(found["instance"][name] for name in found["shape"]["dimensions"])


@pytest.mark.parametrize("name", NETWORKS)
def test_loops_are_the_multiply_accumulates(name):
    for layer in network(name).shapes:
        found = read(layer, images=2)
        assert work(found) == 2 * layer.macs
        assert found["shape"]["name"] == layer.name
        assert found["version"] == 0.4


def reach(found, space):
    """Elements under a data space: for each axis 1 + the sum of coefficient x (bound - 1)."""
    sizes = found["instance"]
    (axes,) = [s["projection"] for s in found["shape"]["data_spaces"] if s["name"] == space]

    def stride(term):
        return sizes[term[1]] if len(term) == 2 else 1

    return [1 + sum(stride(term) * (sizes[term[0]] - 1) for term in axis) for axis in axes]


@given(small_layers())
def test_the_data_spaces_are_the_layers_tensors(layer):
    found = read(layer)
    groups = [layer.groups] if layer.groups > 1 else []
    K, C = layer.K // layer.groups, layer.channels_per_group
    assert reach(found, "Weights") == [*groups, C, K, layer.R, layer.S]
    assert reach(found, "Outputs") == [1, *groups, K, layer.P, layer.Q]
    rows = (layer.P - 1) * layer.strides[0] + layer.dilations[0] * (layer.R - 1) + 1
    columns = (layer.Q - 1) * layer.strides[1] + layer.dilations[1] * (layer.S - 1) + 1
    assert reach(found, "Inputs") == [1, *groups, C, rows, columns]
    assert rows <= layer.H + layer.padding[0] + layer.padding[1]
    assert [space["name"] for space in found["shape"]["data_spaces"] if "read_write" in space] == [
        "Outputs"
    ]


def test_padding_is_told():
    layer = ConvLayer("conv1", C=3, K=8, H=9, W=9, R=3, S=3, padding=(1, 1, 1, 1))
    assert "# windows over the padding (top, bottom, left, right) (1, 1, 1, 1)" in problem(layer)
    assert "padding" not in problem(ConvLayer("fc", C=3, K=8, H=1, W=1))


@given(st.text(max_size=12))
def test_any_name_is_read_back(name):
    assert yaml.safe_load(f"name: {quoted(name)}") == {"name": name}
    assert read(ConvLayer(name, C=1, K=1, H=1, W=1))["shape"]["name"] == name


@pytest.mark.parametrize("name", ["yes", "null", "1.0", "a: b", "- x", "#", "{}", "'\"", "a\nb"])
def test_names_with_a_meaning_in_yaml(name):
    assert read(ConvLayer(name, C=1, K=1, H=1, W=1))["shape"]["name"] == name


def test_densities():
    layer = ConvLayer("fc", C=3, K=8, H=1, W=1)
    found = read(layer, densities={"Weights": 0.35, "Inputs": 1 / 3})["instance"]["densities"]
    assert found["Weights"] == {"distribution": "hypergeometric", "density": 0.35}
    assert found["Inputs"]["density"] == pytest.approx(1 / 3, abs=1e-6)
    assert "densities" not in read(layer)["instance"]
    with pytest.raises(WorkloadError, match="fc: density of 'Biases', allowed are Weights, Inputs"):
        problem(layer, densities={"Biases": 0.5})
    with pytest.raises(WorkloadError, match=r"fc: density of Inputs is 1\.5, wanted 0 to 1"):
        problem(layer, densities={"Inputs": 1.5})
