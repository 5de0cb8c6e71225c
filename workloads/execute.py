"""execute: an IntegerModel on quantized images, operator by operator, in NumPy."""

from collections.abc import Callable, Mapping

import numpy as np

from workloads.errors import WorkloadError
from workloads.graph import Graph, Node
from workloads.integer import ImageQuantizer, IntegerModel
from workloads.requantize import multiply_shift, storage_dtype
from workloads.tensors import LayerTensors

Convolve = Callable[[LayerTensors], np.ndarray]


def quantize_images(image: ImageQuantizer, pixels: np.ndarray) -> np.ndarray:
    """Turn raw pixels into the integers of the network's input.

    Parameters
    ----------
    image : ImageQuantizer
    pixels : numbers of shape (N, C, H, W), as the source stores them (0..255, say)

    Returns
    -------
    uint8 or int8, the same shape

    Raises
    ------
    WorkloadError
        If the channels or the size are not the quantizer's, or a pixel is no finite number.

    Examples
    --------
    >>> quantizer = ImageQuantizer(1 / 16, (0.5,), (0.5,), 1 / 127, -127, 127, (1, 3))
    >>> quantize_images(quantizer, np.array([[[[0, 8, 16]]]], np.uint8)).tolist()
    [[[[-127, 0, 127]]]]
    """
    wanted = (len(image.mean), *image.size)
    if pixels.ndim != 4 or pixels.shape[1:] != wanted:
        raise WorkloadError(
            f"images: shape {pixels.shape}, wanted (N, {', '.join(map(str, wanted))})"
        )
    if not np.isfinite(pixels).all():
        where = np.argwhere(~np.isfinite(pixels))[0].tolist()
        raise WorkloadError(f"images: the pixel at {where} is not a finite number")
    mean = np.array(image.mean, np.float64)[:, None, None]
    std = np.array(image.std, np.float64)[:, None, None]
    steps = (pixels.astype(np.float64) * image.pixel_scale - mean) / std / image.scale
    clamped = np.clip(np.rint(steps), image.low, image.high)
    return clamped.astype(storage_dtype(image.low, image.high))


def execute(model: IntegerModel, inputs: np.ndarray, convolve: Convolve) -> dict[str, np.ndarray]:
    """Run a network; every convolution is handed to ``convolve``, all else is done here.

    Parameters
    ----------
    model : IntegerModel
    inputs : uint8 or int8 as ``model.image`` makes them, shape (N, C, H, W)
    convolve : LayerTensors -> integer psums of shape (N, K, P, Q), without bias

    Returns
    -------
    outputs : array of shape (N, C, H, W) per node, in execution order; uint8, int8 or int16

    Raises
    ------
    WorkloadError
        For inputs of another shape or type, psums of another shape or type, and psums that leave
        32 bits; the message names the node.
    """
    first = model.graph.nodes[0]
    wanted = storage_dtype(model.image.low, model.image.high)
    if inputs.ndim != 4 or inputs.shape[1:] != first.shape or inputs.dtype != wanted:
        raise WorkloadError(
            f"{first.name}: inputs are {inputs.dtype} {inputs.shape}, "
            f"wanted {wanted.__name__} (N, {', '.join(map(str, first.shape))})"
        )
    outputs = {first.name: np.ascontiguousarray(inputs).view()}
    for node in model.graph.nodes[1:]:
        if node.op == "conv":
            outputs[node.name] = _conv(model, node, outputs, convolve)
        else:
            operands = [outputs[name] for name in node.inputs]
            outputs[node.name] = np.ascontiguousarray(_OPERATORS[node.op](model, node, operands))
        if outputs[node.name].shape[1:] != node.shape:
            raise WorkloadError(
                f"{node.name}: the output has shape {outputs[node.name].shape[1:]}, "
                f"the graph says {node.shape}"
            )
    return outputs


def layer_tensors(
    model: IntegerModel, node: Node, outputs: Mapping[str, np.ndarray]
) -> LayerTensors:
    """Everything a machine needs for the convolution ``node``, given the outputs so far."""
    assert node.layer is not None
    weights = model.layers[node.name]
    return LayerTensors(
        layer=node.layer,
        activations=outputs[node.inputs[0]],
        weights=weights.weights,
        basis=weights.basis,
        coefficients=weights.coefficients,
        alpha=weights.alpha,
        two_sided=weights.two_sided,
        coding=model.codings.get(node.name, "bitmap"),
        macs=model.macs.get(node.name),
        requantizer=model.requantizers[node.name],
        origin="captured",
        producers=model.graph.producers(node.inputs[0]),
        shortcut=_shortcut(model.graph, node, outputs),
    )


def _shortcut(graph: Graph, node: Node, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The other operand of the addition that alone reads ``node``, if it is already there."""
    readers = graph.consumers(node.name)
    if len(readers) != 1 or readers[0].op != "add":
        return None
    others = [name for name in readers[0].inputs if name != node.name]
    return outputs.get(others[0]) if len(others) == 1 else None


def _conv(
    model: IntegerModel, node: Node, outputs: Mapping[str, np.ndarray], convolve: Convolve
) -> np.ndarray:
    psums = convolve(layer_tensors(model, node, outputs))
    wanted = (outputs[node.inputs[0]].shape[0], *node.shape)
    if psums.shape != wanted or not np.issubdtype(psums.dtype, np.signedinteger):
        raise WorkloadError(
            f"{node.name}: psums are {psums.dtype} {psums.shape}, wanted int32 or int64 {wanted}"
        )
    try:
        return model.requantizers[node.name].apply(psums)
    except WorkloadError as error:
        raise WorkloadError(f"{node.name}: {error}") from error


def _clamp(model: IntegerModel, node: Node, values: np.ndarray) -> np.ndarray:
    low, high = model.bounds[node.name]
    return np.clip(values, low, high).astype(storage_dtype(low, high))


def _rescaled(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> list[np.ndarray]:
    rescales = model.rescales[node.name]
    return [
        multiply_shift(operand, rescale.multiplier, rescale.shift)
        for operand, rescale in zip(operands, rescales, strict=True)
    ]


def _add(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    left, right = _rescaled(model, node, operands)
    return _clamp(model, node, left + right)


def _concat(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    return _clamp(model, node, np.concatenate(_rescaled(model, node, operands), axis=1))


def _relu(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    return _clamp(model, node, operands[0].astype(np.int64))


def _windows(node: Node, values: np.ndarray, fill: int) -> np.ndarray:
    """The pooling windows, shape (N, C, P, Q, h, w); positions outside hold ``fill``."""
    top, bottom, left, right = node.attributes["padding"]
    down, across = node.attributes["stride"]
    edges = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(values, edges, constant_values=fill)
    kernel = tuple(node.attributes["kernel"])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    return windows[:, :, ::down, ::across]


def _max_pool(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    below_all = int(np.iinfo(operands[0].dtype).min) - 1
    pooled = _windows(node, operands[0].astype(np.int64), below_all).max(axis=(4, 5))
    if pooled.size and pooled.min() == below_all:
        raise WorkloadError(f"{node.name}: a pooling window holds nothing but padding")
    return pooled.astype(operands[0].dtype)


def _avg_pool(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    sums = _windows(node, operands[0].astype(np.int64), 0).sum(axis=(4, 5))
    return _clamp(model, node, _rescaled(model, node, [sums])[0])


def _slice(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    start, stop, step = (node.attributes[key] for key in ("start", "stop", "step"))
    index = [slice(None)] * 4
    index[node.attributes["axis"]] = slice(start, stop, step)
    return operands[0][tuple(index)]


def _pad(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    before, after, top, bottom, left, right = node.attributes["padding"]
    return np.pad(operands[0], ((0, 0), (before, after), (top, bottom), (left, right)))


def _flatten(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    return operands[0].reshape(operands[0].shape[0], -1, 1, 1)


_OPERATORS: Mapping[str, Callable[[IntegerModel, Node, list[np.ndarray]], np.ndarray]] = {
    "add": _add,
    "concat": _concat,
    "relu": _relu,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "slice": _slice,
    "pad": _pad,
    "flatten": _flatten,
}
