"""lower: a calibrated module becomes an IntegerModel; the last place that torch is seen."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from escalate.errors import DecompositionError
from escalate.integers.fixed_point import coarsened, psum_bounds, requantizer, rescale
from escalate.train.activation_range import Range
from escalate.train.convolutions import QuantizedConvolution
from escalate.train.modules import GraphModule
from workloads.graph import Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel, Rescale
from workloads.weights import LayerWeights


def lower(
    module: GraphModule,
    image: ImageQuantizer,
    provenance: Mapping[str, object],
    *,
    exact: bool = False,
) -> IntegerModel:
    """The integers that compute what ``module`` computes in fake-quantized floats.

    Scales, bias and activation of a convolution act once, in its requantizer, where the rounding
    is half up.  Assumption: the output node gives 16-bit signed logits.

    Parameters
    ----------
    module : GraphModule with ranges, all its convolutions quantized
    image : ImageQuantizer whose range the module's input has
    provenance : JSON values, stored with the model
    exact : keep all 31 bits of multipliers and biases; see ``fixed_point.coarsened``

    Raises
    ------
    DecompositionError
        If the module has no ranges, a convolution is still in floats, or a psum may leave 32 bits.
    """
    if module.tensor_ranges is None:
        raise DecompositionError(f"{module.graph.name}: the network is not calibrated")
    spans = module.tensor_ranges
    convs: dict[str, ConvIntegers] = {}
    rescales: dict[str, tuple[Rescale, ...]] = {}
    bounds: dict[str, tuple[int, int]] = {}
    arrays: dict[str, Mapping[str, np.ndarray]] = {}
    for node in module.graph.nodes:
        if node.layer is not None:
            convs[node.name] = _conv(module, node, spans, exact)
        if "rescales" in node.operator.stores:
            rescales[node.name] = _rescales(node, spans)
        if "arrays" in node.operator.stores:
            before = [spans[name] for name in node.inputs]
            constants = [each.detach().cpu().numpy() for each in module.constants_of(node.name)]
            arrays[node.name] = node.operator.lowered(node, constants, before, spans[node.name])
        if "bounds" in node.operator.stores:
            bounds[node.name] = (spans[node.name].low, spans[node.name].high)
    return IntegerModel(
        graph=module.graph,
        convs=convs,
        rescales=rescales,
        bounds=bounds,
        image=image,
        output_scale=spans[module.graph.output.name].scale,
        provenance=dict(provenance),
        arrays=arrays,
    )


def _conv(module: GraphModule, node: Node, spans: Mapping[str, Range], exact: bool) -> ConvIntegers:
    convolution = module.convolution(node.name)
    if not isinstance(convolution, QuantizedConvolution):
        raise DecompositionError(f"{node.name}: the convolution is still in floats")
    before, after = spans[node.inputs[0]], spans[node.name]
    integers = convolution.integers()
    bias = convolution.bias.detach().cpu().numpy().astype(np.float64)
    bounds = psum_bounds(integers.weights.dense(), before.low, before.high)
    rule, dropped = requantizer(
        node.name,
        integers.scales * (before.scale / after.scale),
        bias / after.scale,
        bounds,
        after.low,
        after.high,
    )
    weights = _without(integers.weights, dropped)
    return ConvIntegers(weights, rule if exact else coarsened(rule, bounds))


def _without(weights: LayerWeights, dropped: np.ndarray) -> LayerWeights:
    """The same weights with the dropped output channels set to zero."""
    if not dropped.any():
        return weights

    def emptied(array: np.ndarray | None) -> np.ndarray | None:
        if array is None:
            return None
        kept = ~dropped.reshape(-1, *[1] * (array.ndim - 1))
        return np.ascontiguousarray(array * kept).astype(np.int8)

    return replace(
        weights, weights=emptied(weights.weights), coefficients=emptied(weights.coefficients)
    )


def _rescales(node: Node, spans: Mapping[str, Range]) -> tuple[Rescale, ...]:
    scales = [spans[name].scale for name in node.inputs]
    ratios = node.operator.ratios(node, scales, spans[node.name].scale)
    return tuple(rescale(node.name, ratio) for ratio in ratios)
