"""Does every method there is keep what Compressor promises?  A new one joins by existing."""

import numpy as np
import pytest

from escalate.compressors.compressor import Compressor, Given, Task
from escalate.compressors.layers import changed
from escalate.compressors.options import KEPT, Options, TrainedOptions
from escalate.compressors.registry import FIRST, compressor, compressors, ours
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options
from escalate.recipe.trials import quantized
from escalate.store import model_file
from escalate.train.convolutions import QuantizedConvolution
from escalate.train.modules import float_module
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    with_random_weights,
)

NETWORK = with_random_weights(every_operator(), seed=5)
PIXELS = random_pixels(NETWORK.graph, 24)
LABELS = np.arange(len(PIXELS)) % 5
NAMES = ours()


def without_retraining(name, **fields):
    if compressor(name).trained:
        fields["epochs"] = 0
    if name == "wpc":
        fields["group"] = (1, 1)  # the network's layers have few channels
    return compress_options(method=name, **fields)


def test_a_folder_is_a_method():
    assert NAMES[0] == FIRST == "escalate"
    assert set(NAMES) <= set(compressors())
    for name in NAMES:
        assert compressor(name).name == name
        assert type(compressor(name)).__module__ == f"escalate.compressors.{name}.compressor"


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    method = compressor(name)
    assert isinstance(method, Compressor)
    for word in (method.summary, method.kind, method.layers, method.form):
        assert word
    kind = method.options
    assert issubclass(kind, TrainedOptions if method.trained else Options)
    assert kind().method == name
    for field, info in kind.model_fields.items():
        assert info.description.endswith("."), field
    assert set(method.tables) <= set(kind.model_fields)
    assert len({each.kind for each in compressors().values()}) == len(compressors())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_recorded_makes_the_same_options(name):
    options = compress_options(method=name)
    found = options.recorded()
    known = [field for field in found if field in KEPT]
    assert known == [field for field in KEPT if field in found]
    assert list(found)[: len(known)] == known
    assert compress_options(**found) == options


@pytest.mark.parametrize("name", NAMES)
def test_integers_are_the_weights_of_every_layer(name):
    method, options = compressor(name), without_retraining(name)
    task = Task(NETWORK, SETTINGS.quantizer(PIXELS), PIXELS, float_module(NETWORK), LABELS, 24)
    costs = method.measured(task, options)
    names = changed(NETWORK.graph, method, options)
    assert bool(names) == method.changes
    for layer in names:
        arrays = (NETWORK.graph[layer].layer, NETWORK.weights[layer], NETWORK.biases[layer])
        form = method.convolution(Given(*arrays, cost=costs.get(layer)), options)
        assert isinstance(form, QuantizedConvolution)
        integers = form.integers()
        rebuilt = integers.weights.dense() * integers.scales[:, None, None, None]
        np.testing.assert_allclose(form.weight().detach().numpy(), rebuilt, rtol=1e-4, atol=1e-5)
        assert (integers.weights.basis is not None) <= method.basis
    module = quantized(task, options, costs)
    assert {node.name for node in module.graph.convs} >= set(names)


@pytest.mark.parametrize("name", [name for name in NAMES if compressor(name).budgeted])
def test_a_size_is_met_without_retraining(name):
    ratio = 2.4
    model = compress(NETWORK, without_retraining(name, ratio=ratio), PIXELS, None, SETTINGS)
    # The digest of the provenance in the manifest moves the size by a few bytes.
    assert model_file.packed_size(model) <= byte_budget(NETWORK, ratio) + 8
    assert model.provenance["asked"]["ratio"] == ratio
    assert compressor(name).why_below(
        without_retraining(name, ratio=ratio), model.provenance["options"]
    )
