"""forms: the quantized convolution that the options make of each layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from escalate.capture.network import FloatNetwork
from escalate.compressors import rate_distortion, variational
from escalate.compressors.distortion import Cost
from escalate.compressors.groups import GroupedConvolution
from escalate.compressors.mapped import AdmmConvolution
from escalate.recipe.options import CompressOptions
from escalate.recipe.plan import basis_sizes, sparse_layers
from escalate.train.convolutions import (
    DecomposedConvolution,
    Int8Convolution,
    QuantizedConvolution,
    TernaryConvolution,
)
from escalate.train.pruning import PrunedConvolution
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What there is to make a layer's form of.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    options : CompressOptions
    importance : second moments of the input channels, (C,); None for unweighted errors
    cost : what it costs to move each weight, where the method asks for it
    basis_size : M; None where there is no basis
    """

    layer: ConvLayer
    weights: np.ndarray
    bias: np.ndarray
    options: CompressOptions
    importance: np.ndarray | None = None
    cost: Cost | None = None
    basis_size: int | None = None

    @property
    def arrays(self) -> tuple[ConvLayer, np.ndarray, np.ndarray]:
        """Layer, weights and bias."""
        return self.layer, self.weights, self.bias

    @property
    def name(self) -> str:
        """The layer's."""
        return self.layer.name


def _ternary(given: Given) -> QuantizedConvolution:
    kind = TernaryConvolution if given.basis_size is None else DecomposedConvolution
    return kind(
        *given.arrays,
        given.options.survival(given.name),
        given.basis_size or 1,
        granularity=given.options.scales,
        importance=given.importance,
        ease=given.options.first_ease,
    )


def _pruned(given: Given) -> QuantizedConvolution:
    rule, bits = given.options.pruning(given.name), given.options.bits_of(given.name)
    return PrunedConvolution(*given.arrays, rule, bits, importance=given.importance)


def _clustered(given: Given) -> QuantizedConvolution:
    assert given.cost is not None
    density, clusters = given.options.clustered(given.name)
    return rate_distortion.compressed_layer(
        *given.arrays, given.cost, density=density, clusters=clusters
    )


def _grouped(given: Given) -> QuantizedConvolution:
    return GroupedConvolution(*given.arrays, *given.options.groups, detached=given.options.detaches)


def _variational(given: Given) -> QuantizedConvolution:
    assert given.cost is not None
    penalty = given.options.rate_penalty or variational.DEFAULT_PENALTY
    return variational.variational_layer(*given.arrays, given.cost, penalty)


def _mapped(given: Given) -> QuantizedConvolution:
    target = given.options.mapping(given.name)
    return AdmmConvolution(*given.arrays, target, trained=given.options.retrained)


FORMS: Mapping[str, Callable[[Given], QuantizedConvolution]] = {
    "escalate": _ternary,
    "prune": _pruned,
    "rate_distortion": _clustered,
    "wpc": _grouped,
    "vbq": _variational,
    "admm": _mapped,
}


def convolutions_of(
    network: FloatNetwork,
    options: CompressOptions,
    importances: Mapping[str, np.ndarray],
    costs: Mapping[str, Cost],
) -> dict[str, QuantizedConvolution]:
    """The form that the options give each convolution.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions
    importances : second moments of the input channels (C,) by layer; none for unweighted errors
    costs : what it costs to move each weight, by layer, where the method asks for it
    """
    changed = sparse_layers(network.graph, options)
    sizes = basis_sizes(network, options) if options.method == "escalate" else {}
    found: dict[str, QuantizedConvolution] = {}
    for node in network.graph.convs:
        assert node.layer is not None
        name = node.name
        arrays = (node.layer, network.weights[name], network.biases[name])
        if name not in changed:
            found[name] = Int8Convolution(*arrays, options.bits_of(name))
            continue
        found[name] = FORMS[options.method](
            Given(*arrays, options, importances.get(name), costs.get(name), sizes.get(name))
        )
    return found
