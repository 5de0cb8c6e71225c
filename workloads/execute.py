"""execute: run an IntegerModel on quantized images, operator by operator, in NumPy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from workloads.errors import WorkloadError
from workloads.graph import Graph, Node
from workloads.integer import ImageQuantizer, IntegerModel
from workloads.operators.conv import requantized
from workloads.requantize import Lookup, Requantizer, storage_dtype
from workloads.tensors import LayerTensors

Convolve = Callable[[LayerTensors], np.ndarray]
SIGNED = np.signedinteger


class Done(Protocol):
    """What takes a layer's psums, and its output where that is known."""

    def __call__(self, psums: np.ndarray | None, output: np.ndarray | None = None) -> None:
        """Take them."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A layer to be computed.

    Parameters
    ----------
    layer : LayerTensors, or what stands for them where only a shape is known
    done : takes the integer psums (N, K, P, Q), without bias, and the output they become, where
        it is known already; nothing where nobody needs them
    """

    layer: Any
    done: Done = lambda psums, output=None: None


class Execution:
    """A model on inputs; who walks through it computes the convolutions, all else is done here.

    Parameters
    ----------
    model : IntegerModel
    inputs : uint8 or int8 as ``model.image`` makes them, shape (N, C, H, W)

    Attributes
    ----------
    outputs : array of shape (N, C, H, W) per node so far, in execution order; uint8, int8 or int16

    Raises
    ------
    WorkloadError
        For inputs of another shape or type, psums of another shape or type, and psums that leave
        32 bits; the message names the node.
    """

    def __init__(self, model: IntegerModel, inputs: np.ndarray) -> None:
        first = model.graph.nodes[0]
        wanted = storage_dtype(model.image.low, model.image.high)
        if inputs.ndim != 4 or inputs.shape[1:] != first.shape or inputs.dtype != wanted:
            raise WorkloadError(
                f"{first.name}: inputs are {inputs.dtype} {inputs.shape}, "
                f"wanted {wanted.__name__} (N, {', '.join(map(str, first.shape))})"
            )
        self._model = model
        self.outputs = {first.name: np.ascontiguousarray(inputs).view()}

    def __iter__(self) -> Iterator[Asked]:
        """Every convolution in execution order; the next follows when the psums are handed back."""
        for node in self._model.graph.nodes[1:]:
            if node.layer is not None:
                tensors = layer_tensors(self._model, node, self.outputs)
                yield Asked(tensors, partial(self._done, node))
                if node.name not in self.outputs:
                    raise WorkloadError(f"{node.name}: its psums were not handed back")
            else:
                operands = [self.outputs[name] for name in node.inputs]
                self._keep(node, _output(self._model, node, operands))

    @property
    def output(self) -> np.ndarray:
        """The network's output, (N, C, H, W), when everything has run."""
        return self.outputs[self._model.graph.output.name]

    def _done(self, node: Node, psums: np.ndarray | None, output: np.ndarray | None = None) -> None:
        """Keep a layer's output, requantized from its psums where that was not done before."""
        wanted = (self.outputs[node.inputs[0]].shape[0], *node.shape)
        if psums is None or psums.shape != wanted or not np.issubdtype(psums.dtype, SIGNED):
            found = "missing" if psums is None else f"{psums.dtype} {psums.shape}"
            raise WorkloadError(f"{node.name}: psums are {found}, wanted int32 or int64 {wanted}")
        if output is None or _table_behind(self._model.graph, node) is not None:
            output = requantized(self._model, node, psums)  # what stands in front of the table
        self._keep(node, output)

    def _keep(self, node: Node, values: np.ndarray) -> None:
        if values.shape[1:] != node.shape:
            raise WorkloadError(
                f"{node.name}: the output has shape {values.shape[1:]}, the graph says {node.shape}"
            )
        self.outputs[node.name] = values


def execute(model: IntegerModel, inputs: np.ndarray, convolve: Convolve) -> dict[str, np.ndarray]:
    """Run a network; every convolution is handed to ``convolve``.

    Parameters
    ----------
    model, inputs : as for ``Execution``
    convolve : LayerTensors -> integer psums of shape (N, K, P, Q), without bias

    Returns
    -------
    outputs : array of shape (N, C, H, W) per node, in execution order; uint8, int8 or int16

    Raises
    ------
    WorkloadError
        As ``Execution``.
    """
    run = Execution(model, inputs)
    for asked in run:
        asked.done(convolve(asked.layer))
    return run.outputs


def layer_tensors(
    model: IntegerModel, node: Node, outputs: Mapping[str, np.ndarray]
) -> LayerTensors:
    """Everything that a machine needs for the convolution ``node``, given the outputs so far."""
    assert node.layer is not None
    conv = model.convs[node.name]
    return LayerTensors.of(
        node.layer,
        outputs[node.inputs[0]],
        conv.weights,
        coding=conv.coding,
        macs=conv.macs,
        requantizer=_rule(model, node),
        origin="captured",
        producers=model.graph.producers(node.inputs[0]),
        shortcut=_shortcut(model.graph, node, outputs),
    )


def _rule(model: IntegerModel, node: Node) -> Requantizer | Lookup:
    """What a layer's psums become before they are stored: a table that alone reads them follows."""
    rule, table = model.convs[node.name].requantizer, _table_behind(model.graph, node)
    if table is None:
        return rule
    return Lookup(rule, model.arrays[table]["table"], *model.bounds[table])


def _table_behind(graph: Graph, node: Node) -> str | None:
    """The name of a table that alone reads the node, so that it is part of a layer's output."""
    readers = graph.consumers(node.name)
    alone = len(readers) == 1 and readers[0].operator.reads_bytes and not readers[0].layer
    return readers[0].name if alone else None


def _shortcut(graph: Graph, node: Node, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The other operand of the addition that alone reads ``node``, if it is already there."""
    readers = graph.consumers(node.name)
    if len(readers) != 1 or not readers[0].operator.adds:
        return None
    others = [name for name in readers[0].inputs if name != node.name]
    if len(others) != 1 or graph[others[0]].shape != node.shape:
        return None
    return outputs.get(others[0])


def _output(model: IntegerModel, node: Node, operands: list[np.ndarray]) -> np.ndarray:
    """The output of an operator that no machine computes, clamped to its bounds."""
    values = node.operator.integers(model, node, operands)
    bounds = node.operator.bounds(model, node)
    if bounds is None:
        return np.ascontiguousarray(values.astype(operands[0].dtype, copy=False))
    clamped = np.clip(values.astype(np.int64, copy=False), *bounds)
    return np.ascontiguousarray(clamped.astype(storage_dtype(*bounds)))
