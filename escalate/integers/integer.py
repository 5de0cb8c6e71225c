"""The integer network in torch: exact inference, independent of the NumPy executor."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn import functional

from workloads.errors import WorkloadError
from workloads.graph import Node
from workloads.integer import ImageQuantizer, IntegerModel, Rescale
from workloads.weights import LayerWeights

EXACT_FLOAT64 = 2**53  # every integer of smaller magnitude is a float64, so sums below are exact
STORAGE = (torch.uint8, torch.int8, torch.int16)


def run(
    model: IntegerModel, inputs: np.ndarray | torch.Tensor, *, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """Run a network on quantized images and keep the output of every node.

    Convolutions are computed in float64 on integers.  As long as (largest input) x (sum of the
    weights' magnitudes) stays below 2^53, which is checked per layer, every partial sum is a whole
    number that float64 holds exactly, so the order of summation cannot matter.  The requantization
    is int64 arithmetic.

    Parameters
    ----------
    model : IntegerModel
    inputs : uint8 or int8 of shape (N, C, H, W), as ``model.image`` makes them
    device : where torch computes

    Returns
    -------
    outputs : per node a tensor (N, C, H, W) of uint8, int8 or int16, in execution order

    Raises
    ------
    WorkloadError
        For inputs of another shape or type, a layer whose sums could leave float64's exact range,
        or psum + bias beyond 32 bits; the message names the node.
    """
    first = model.graph.nodes[0]
    tensor = inputs if isinstance(inputs, torch.Tensor) else torch.tensor(inputs)
    tensor = tensor.to(device)
    wanted = _storage(model.image.low, model.image.high)
    if tensor.ndim != 4 or tuple(tensor.shape[1:]) != first.shape or tensor.dtype != wanted:
        raise WorkloadError(
            f"{first.name}: inputs are {tensor.dtype} {tuple(tensor.shape)}, "
            f"wanted {wanted} (N, {', '.join(map(str, first.shape))})"
        )
    outputs = {first.name: tensor}
    with torch.no_grad():
        for node in model.graph.nodes[1:]:
            operands = [outputs[name].to(torch.int64) for name in node.inputs]
            low, high = _bounds(model, node, outputs)
            values = _OPERATORS[node.op](model, node, operands)
            outputs[node.name] = values.clamp(low, high).to(_storage(low, high))
    return outputs


def quantize(image: ImageQuantizer, pixels: np.ndarray, *, device: str = "cpu") -> torch.Tensor:
    """Raw pixels (N, C, H, W) to the network's integers, in float64, rounding half to even.

    Examples
    --------
    >>> image = ImageQuantizer(1 / 16, (0.5,), (0.5,), 1 / 127, -127, 127, (1, 3))
    >>> quantize(image, np.array([[[[0, 8, 16]]]], np.uint8)).tolist()
    [[[[-127, 0, 127]]]]
    """
    if pixels.ndim != 4 or pixels.shape[1:] != (len(image.mean), *image.size):
        raise WorkloadError(
            f"images: shape {pixels.shape}, wanted (N, {len(image.mean)}, "
            f"{image.size[0]}, {image.size[1]})"
        )
    # Divisors are tensors: torch may multiply by the reciprocal of a plain number instead.
    scale, step, mean, std = (
        torch.tensor(values, dtype=torch.float64, device=device).reshape(-1, 1, 1)
        for values in (image.pixel_scale, image.scale, image.mean, image.std)
    )
    values = torch.tensor(pixels, dtype=torch.float64, device=device)
    if not bool(values.isfinite().all()):
        where = (~values.isfinite()).nonzero()[0].tolist()
        raise WorkloadError(f"images: the pixel at {where} is not a finite number")
    steps = ((values * scale - mean) / std / step).round()
    return steps.clamp(image.low, image.high).to(_storage(image.low, image.high))


def predict(
    model: IntegerModel, images: np.ndarray, *, batch: int = 16, device: str = "cpu"
) -> np.ndarray:
    """Logits of raw images, in steps of ``model.output_scale``.

    Parameters
    ----------
    model : IntegerModel
    images : raw pixels, shape (N, C, H, W)
    batch : images computed at a time; the result does not depend on it

    Returns
    -------
    logits : int64, shape (N, classes)
    """
    output = model.graph.output
    logits = np.zeros((len(images), int(np.prod(output.shape))), np.int64)
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        values = run(model, quantize(model.image, images[part], device=device), device=device)
        logits[part] = values[output.name].reshape(-1, logits.shape[1]).cpu().numpy()
    return logits


def accuracy(
    model: IntegerModel,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int = 16,
    device: str = "cpu",
) -> float:
    """Fraction (0..1) of raw images whose largest logit, the first of equals, is the label's.

    Raises
    ------
    WorkloadError
        If there is no image, or not one label per image.
    """
    if len(images) == 0 or labels.shape != (len(images),):
        raise WorkloadError(
            f"accuracy: {len(images)} images and labels of shape {labels.shape}, "
            "wanted one label per image and at least one image"
        )
    best = predict(model, images, batch=batch, device=device).argmax(axis=1)
    return float((best == labels).mean())


def _storage(low: int, high: int) -> torch.dtype:
    for dtype in STORAGE:
        if torch.iinfo(dtype).min <= low <= high <= torch.iinfo(dtype).max:
            return dtype
    raise WorkloadError(f"range {low}..{high} does not fit 16 bits")


def _bounds(
    model: IntegerModel, node: Node, outputs: Mapping[str, torch.Tensor]
) -> tuple[int, int]:
    """The range a node's output is clamped to; that of its operand where it changes no value."""
    if node.op == "conv":
        requantizer = model.requantizers[node.name]
        return requantizer.low, requantizer.high
    if node.op in ("add", "concat", "avg_pool", "relu"):
        return model.bounds[node.name]
    limits = torch.iinfo(outputs[node.inputs[0]].dtype)
    return limits.min, limits.max


def _scaled(values: torch.Tensor, multiplier: torch.Tensor | int, shift: int) -> torch.Tensor:
    half = (1 << shift) >> 1
    return (values * multiplier + half) >> shift


def _weights(layer: LayerWeights, device: torch.device) -> torch.Tensor:
    """Dense integer weights as float64, shape (K, C/groups, R, S)."""
    if layer.weights is not None:
        return torch.tensor(layer.weights, dtype=torch.float64, device=device)
    signs = torch.tensor(layer.coefficients, dtype=torch.float64, device=device)
    if layer.alpha is not None:
        signs = signs * torch.tensor(layer.alpha, dtype=torch.float64, device=device)[:, None]
    if layer.two_sided is not None:
        positive, negative = layer.two_sided
        signs = signs.clamp(min=0) * positive + signs.clamp(max=0) * negative
    if layer.basis is None:
        return signs[..., None]
    basis = torch.tensor(layer.basis, dtype=torch.float64, device=device)
    return (signs @ basis.flatten(1)).unflatten(2, tuple(basis.shape[1:]))


def _conv(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    layer, requantizer = node.layer, model.requantizers[node.name]
    assert layer is not None
    pixels = operands[0].to(torch.float64)
    weights = _weights(model.layers[node.name], pixels.device)
    peak = float(pixels.abs().max()) if pixels.numel() else 0.0
    if peak * float(weights.abs().sum(dim=(1, 2, 3)).max()) >= EXACT_FLOAT64:
        raise WorkloadError(f"{node.name}: psums may reach 2^53, beyond exact float64 sums")
    top, bottom, left, right = layer.padding
    psums = functional.conv2d(
        functional.pad(pixels, (left, right, top, bottom)),
        weights,
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
    ).to(torch.int64)
    multiplier, bias = (
        torch.tensor(array, dtype=torch.int64, device=pixels.device)[:, None, None]
        for array in (requantizer.multiplier, requantizer.bias)
    )
    total = psums + bias
    limits = torch.iinfo(torch.int32)
    if total.numel() and (total.min() < limits.min or total.max() > limits.max):
        raise WorkloadError(f"{node.name}: psum + bias leaves the 32-bit range")
    return _scaled(total, multiplier, requantizer.shift)


def _rescaled(rescales: tuple[Rescale, ...], operands: list[torch.Tensor]) -> list[torch.Tensor]:
    return [
        _scaled(operand, rescale.multiplier, rescale.shift)
        for operand, rescale in zip(operands, rescales, strict=True)
    ]


def _add(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(_rescaled(model.rescales[node.name], operands)).sum(dim=0)


def _concat(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(_rescaled(model.rescales[node.name], operands), dim=1)


def _pooling(node: Node, values: torch.Tensor, outside: float) -> torch.Tensor:
    top, bottom, left, right = node.attributes["padding"]
    padded = functional.pad(values.to(torch.float64), (left, right, top, bottom), value=outside)
    down, across = node.attributes["kernel"]
    windows = padded.unfold(2, down, node.attributes["stride"][0])
    return windows.unfold(3, across, node.attributes["stride"][1]).flatten(4)


def _max_pool(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    peaks = _pooling(node, operands[0], -torch.inf).amax(dim=4)
    if peaks.numel() and bool(peaks.isinf().any()):
        raise WorkloadError(f"{node.name}: a pooling window holds nothing but padding")
    return peaks.to(torch.int64)


def _avg_pool(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    sums = _pooling(node, operands[0], 0.0).sum(dim=4).to(torch.int64)
    return _rescaled(model.rescales[node.name], [sums])[0]


def _relu(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    return operands[0]


def _slice(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    places = torch.arange(
        node.attributes["start"], node.attributes["stop"], node.attributes["step"]
    )
    return operands[0].index_select(node.attributes["axis"], places.to(operands[0].device))


def _pad(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    before, after, top, bottom, left, right = node.attributes["padding"]
    return functional.pad(operands[0], (left, right, top, bottom, before, after))


def _flatten(model: IntegerModel, node: Node, operands: list[torch.Tensor]) -> torch.Tensor:
    return operands[0].flatten(1)[:, :, None, None]


_OPERATORS: Mapping[str, Callable[[IntegerModel, Node, list[torch.Tensor]], torch.Tensor]] = {
    "conv": _conv,
    "add": _add,
    "concat": _concat,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "relu": _relu,
    "slice": _slice,
    "pad": _pad,
    "flatten": _flatten,
}
