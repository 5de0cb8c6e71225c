"""Is what a layer loses on its own measured, and is the one named that loses most?"""

import math

import numpy as np
import pytest
import torch

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.score import score
from escalate.app.scores import stored_loss, told_loss
from escalate.errors import DecompositionError
from escalate.store.model_file import load
from escalate.train.images import image_tensor
from escalate.train.modules import float_module
from escalate.train.sqnr import layer_sqnr
from tests.operators.test_operators import a_graph, calibrated


def test_each_layer_is_measured_alone():
    """By hand: rounded operands, the rounded layer, against the floats."""
    network, module, image, pixels = calibrated(a_graph("conv", 0), 0)
    found = layer_sqnr(float_module(network), module, image, pixels)
    values = {"input": image_tensor(image, pixels)}
    with torch.no_grad():
        for node, _, value in float_module(network).walk(values["input"]):
            values[node.name] = value
    for node in network.graph.convs:
        span = module.tensor_ranges[node.inputs[0]]
        steps = (values[node.inputs[0]] / span.scale + 0.5).floor().clamp(span.low, span.high)
        with torch.no_grad():
            rounded = module.run_node(node, [steps * span.scale])
        noise = float((rounded - values[node.name]).double().square().sum())
        signal = float(values[node.name].double().square().sum())
        assert found[node.name] == pytest.approx(10 * math.log10(signal / noise), abs=0.02)
    with pytest.raises(DecompositionError, match="is not calibrated"):
        layer_sqnr(float_module(network), float_module(network), image, pixels)


class Coarse(torch.nn.Module):
    """A network whose second layer has one huge weight in each filter, so that all others go."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Conv2d(1, 6, 3), torch.nn.Conv2d(6, 6, 3, padding=1)
        self.last = torch.nn.Linear(6, 10)
        with torch.no_grad():
            self.first.bias[0], self.first.weight[0] = -1e3, 0  # a channel that is always 0
            self.second.weight[:, 0, 0, 0] = 1e3

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(x.mean((2, 3)))


def test_the_layer_that_loses_most_is_named_everywhere(tmp_path):
    made = compress(
        Coarse(), data=Data("digits", limit=64), out=tmp_path / "out", method="int8", name="net"
    )
    assert min(made.layer_sqnr, key=made.layer_sqnr.get) == "second"
    told = f"SQNR {made.int8.sqnr_db:.1f} dB; second loses most, "
    assert made.loss.startswith(told)
    model = load(made.folder)
    assert model.provenance["layer_sqnr_db"] == made.layer_sqnr
    assert told_loss(stored_loss(model.provenance, "int8")).startswith(told)
    (row,) = score(made.folder, count=30)
    assert (row["loses_most"], row["layer_sqnr_db"]) == ("second", made.layer_sqnr["second"])
    assert np.isfinite(row["sqnr_db"])


def test_models_that_do_not_say_are_left_alone():
    assert stored_loss({"accuracy": {"images": 3}}, "int8") == {}
    assert stored_loss({"layer_sqnr_db": {"a": "x"}}, "int8") == {}
    assert told_loss({}) == ""
