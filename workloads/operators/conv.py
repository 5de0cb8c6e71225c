"""conv: a convolution, or a fully connected layer (a 1x1 convolution of one pixel)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workloads.channels import Classes
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.operator import Operator, Shape
from workloads.rescaling import torch_multiply_shift
from workloads.tensors import LayerTensors
from workloads.weights import LayerWeights

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel

EXACT_FLOAT64 = 2**53  # every integer of smaller magnitude is a float64, so sums below are exact


class Conv(Operator):
    """Exact sums of products, which the requantizer turns into the output."""

    stores = ("convs",)
    has_layer = True
    owns_range = True

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """(K, P, Q) of the layer."""
        layer = _layer(node)
        if operands[0] != (layer.C, layer.H, layer.W):
            wanted = (layer.C, layer.H, layer.W)
            raise WorkloadError(f"{node.name}: reads shape {operands[0]}, its layer has {wanted}")
        return (layer.K, layer.P, layer.Q)

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The requantized sums of products."""
        tensors = LayerTensors.of(_layer(node), operands[0], model.convs[node.name].weights)
        return requantized(model, node, convolve(tensors))

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same in float64; the sums are exact as long as they stay below 2^53."""
        import torch

        pixels = operands[0].double()
        weights = _dense(model.convs[node.name].weights, pixels.device)
        peak = float(pixels.abs().max()) if pixels.numel() else 0.0
        if peak * float(weights.abs().sum(dim=(1, 2, 3)).max()) >= EXACT_FLOAT64:
            raise WorkloadError(f"{node.name}: psums may reach 2^53, beyond exact float64 sums")
        rule = model.convs[node.name].requantizer
        multiplier, bias = (
            torch.tensor(array, dtype=torch.int64, device=pixels.device)[:, None, None]
            for array in (rule.multiplier, rule.bias)
        )
        total = float_convolution(_layer(node), pixels, weights, None).long() + bias
        limits = torch.iinfo(torch.int32)
        if total.numel() and (total.min() < limits.min or total.max() > limits.max):
            raise WorkloadError(f"{node.name}: psum + bias leaves the 32-bit range")
        return torch_multiply_shift(total, multiplier, rule.shift)

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The convolution of the first operand with weights and biases, the second and third."""
        inputs, weights, bias = operands
        return float_convolution(_layer(node), inputs, weights, bias)

    def bounds(self, model: "IntegerModel", node: "Node") -> tuple[int, int]:
        """The bounds of the requantizer."""
        rule = model.convs[node.name].requantizer
        return rule.low, rule.high

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Weights may be negative."""
        return not self.rectifies(node)

    def sources(self, node: "Node", channels: Sequence[int]) -> None:
        """None: a convolution makes channels of its own."""
        return

    def classes(self, node: "Node", operands: Sequence[np.ndarray], classes: Classes) -> np.ndarray:
        """New classes; a depthwise output belongs with its input, other groups stay whole."""
        layer = _layer(node)
        if _is_depthwise(layer):
            return operands[0]
        grouped = layer.groups > 1
        if grouped:
            classes.fix(operands[0])
        return classes.fresh(layer.K, fixed=grouped)

    def zeros(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Filters that read nothing and whose bias rounds to 0."""
        reads = _reads(_layer(node), model.convs[node.name].weights)
        silent: np.ndarray = ~(reads & ~operands[0]).any(axis=1)
        rest = model.convs[node.name].requantizer.apply(np.zeros((1, silent.size, 1, 1), np.int32))
        return silent & (rest.ravel() == 0)

    def used(
        self, model: "IntegerModel", node: "Node", wanted: np.ndarray, channels: Sequence[int]
    ) -> list[np.ndarray]:
        """Input channels for which a wanted filter has a weight."""
        reads = _reads(_layer(node), model.convs[node.name].weights)
        return [(reads & wanted[:, None]).any(axis=0)]

    def smaller(self, node: "Node", operands: Sequence[np.ndarray], kept: np.ndarray) -> "Node":
        """The layer with fewer channels and filters."""
        layer = _layer(node)
        C, K = int(operands[0].sum()), int(kept.sum())
        groups = K if _is_depthwise(layer) else layer.groups
        shape = (K, *node.shape[1:])
        return replace(node, shape=shape, layer=replace(layer, C=C, K=K, groups=groups))


def requantized(model: "IntegerModel", node: "Node", psums: np.ndarray) -> np.ndarray:
    """The output of a layer from its psums (N, K, P, Q); an error names the node."""
    try:
        return model.convs[node.name].requantizer.apply(psums)
    except WorkloadError as error:
        raise WorkloadError(f"{node.name}: {error}") from error


def float_convolution(
    layer: ConvLayer,
    inputs: "torch.Tensor",
    weights: "torch.Tensor",
    bias: "torch.Tensor | None",
) -> "torch.Tensor":
    """Convolve (N, C, H, W) with (K, C/groups, R, S), in the tensors' own type."""
    from torch.nn import functional

    top, bottom, left, right = layer.padding
    padding = (top, left)
    if top != bottom or left != right:
        inputs = functional.pad(inputs, (left, right, top, bottom))
        padding = (0, 0)
    return functional.conv2d(
        inputs,
        weights,
        bias,
        stride=layer.strides,
        padding=padding,
        dilation=layer.dilations,
        groups=layer.groups,
    )


def _layer(node: "Node") -> ConvLayer:
    assert node.layer is not None
    return node.layer


def _is_depthwise(layer: ConvLayer) -> bool:
    """One channel in and one out for each group, so that a channel can leave with its filter."""
    return layer.groups == layer.C == layer.K and layer.groups > 1


def _dense(layer: LayerWeights, device: "torch.device") -> "torch.Tensor":
    """Dense integer weights as float64, shape (K, C/groups, R, S); made without ``dense``."""
    import torch

    def tensor(array: np.ndarray | None) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.float64, device=device)

    if layer.weights is not None:
        return tensor(layer.weights)
    signs = tensor(layer.coefficients)
    if layer.alpha is not None:
        signs = signs * tensor(layer.alpha)[:, None]
    if layer.two_sided is not None:
        positive, negative = layer.two_sided
        signs = signs.clamp(min=0) * positive + signs.clamp(max=0) * negative
    if layer.basis is None:
        return signs[..., None]
    basis = tensor(layer.basis)
    return (signs @ basis.flatten(1)).unflatten(2, tuple(basis.shape[1:]))


def _reads(layer: ConvLayer, weights: LayerWeights) -> np.ndarray:
    """Whether output channel k reads input channel c, bool (K, C)."""
    array = weights.weights if weights.coefficients is None else weights.coefficients
    assert array is not None
    touched: np.ndarray = (array != 0).reshape(layer.K, layer.channels_per_group, -1).any(axis=2)
    if layer.groups == 1:
        return touched
    wide = np.zeros((layer.K, layer.C), bool)
    rows, size = layer.K // layer.groups, layer.channels_per_group
    for group in range(layer.groups):
        part = slice(group * rows, (group + 1) * rows)
        wide[part, group * size : (group + 1) * size] = touched[part]
    return wide


OPERATOR = Conv()
