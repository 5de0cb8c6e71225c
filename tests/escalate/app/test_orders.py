"""Are both orders of the stages counted for whole networks, from any source of tensors?"""

import numpy as np
import pytest

from arch.basis_first.orders import stage_orders
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import SpecError
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.orders import orders, orders_object
from escalate.app.sources import ShapeSource, SourceError, TensorSource
from workloads.network import network
from workloads.synthetic import Synthetic, synthetic_layers

RECIPE = Synthetic(coefficients=0.2, activations=0.5)
SHAPES = ShapeSource("resnet20_cifar10", network("resnet20_cifar10"))


def test_a_network_of_shapes() -> None:
    found = orders(SHAPES, choose("basis_first")[0], Feed(synthetic=RECIPE))
    layers = {t.layer.name: t for t in synthetic_layers(SHAPES.network, RECIPE)}
    assert {row["layer"] for row in found.layers} | set(found.skipped) == set(layers)
    assert found.skipped == ("conv1", "fc")
    first = found.layers[0]
    ours, theirs = stage_orders(layers[first["layer"]], BasisFirstSpec())
    assert first["coefficients_first_multiplies"] == ours.multiplies
    assert first["convolve_first_adds"] == theirs.adds
    totals = found.totals
    assert totals["convolve_first_multiplies"] == sum(
        row["convolve_first_multiplies"] for row in found.layers
    )
    # C * M * P * Q of the first stage's layers: 16 * 6 * 32 * 32
    assert totals["convolve_first_intermediate_words"] == 98304
    assert totals["intermediate_ratio"] > 10
    assert "synthetic tensors: coefficients 0.2" in found.notes[0]
    assert orders_object(found)["totals"] == totals


def test_own_tensors_and_refusals() -> None:
    layers = tuple(synthetic_layers(SHAPES.network, RECIPE))[:3]
    found = orders(TensorSource("mine", layers), choose("basis_first")[0])
    assert [row["layer"] for row in found.layers] == [t.layer.name for t in layers[1:]]
    with pytest.raises(SourceError, match="orders needs tensors, not only shapes"):
        orders(SHAPES, choose("basis_first")[0])
    with pytest.raises(SpecError, match="wanted --machine basis_first, got systolic"):
        orders(SHAPES, choose("systolic")[0], Feed(synthetic=RECIPE))


def test_a_compressed_model(compressed) -> None:
    from escalate.app.sources import resolve

    found = orders(resolve([str(compressed.folder)]), choose("basis_first")[0], Feed("digits", 2))
    assert found.layers
    assert found.notes[-1] == "images: digits, the first 2"
    assert all(np.isfinite(row["intermediate_ratio"]) for row in found.layers)
