"""compress: a float network and images become an IntegerModel."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from escalate.calibrate import calibrate
from escalate.convolutions import (
    DecomposedConvolution,
    Int8Convolution,
    QuantizedConvolution,
    TernaryConvolution,
)
from escalate.errors import DataError, DecompositionError
from escalate.images import ImageSettings, check_images
from escalate.lower import lower
from escalate.match import match_statistics
from escalate.modules import GraphModule, float_module
from escalate.network import FloatNetwork
from escalate.options import CompressOptions
from escalate.retrain import Progress, RetrainOptions, retrain
from escalate.version import VERSION
from workloads.graph import Graph
from workloads.integer import IntegerModel


def compress(
    network: FloatNetwork,
    options: CompressOptions,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    image: ImageSettings,
    *,
    source: str = "",
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> IntegerModel:
    """Compress a network and turn it into integers.

    Decompose, ternarize, match, calibrate, retrain, lower; ``int8``: quantize, calibrate, lower.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions
    pixels : uint8, shape (N, C, H, W), the images to calibrate with and to retrain on
    labels : integers, shape (N,); None will do where nothing is retrained
    image : ImageSettings, how the network was trained to see pixels
    source : name of the images, recorded in the model's provenance
    device : torch device that calibrates and retrains
    checkpoint : file from which a killed retraining resumes
    progress : called after each epoch of retraining

    Raises
    ------
    DecompositionError
        For options that do not fit the network, or a layer that cannot be lowered; names it.
    DataError
        For images or labels of the wrong type or shape, or none to retrain with.
    CheckpointError
        If the checkpoint belongs to another run.
    """
    check_images(pixels, network.graph.nodes[0].shape, labels)
    ternary = options.method == "escalate"
    if ternary and options.epochs and labels is None:
        raise DataError(f"{source or 'images'}: retraining needs labels; give them, or epochs = 0")
    convolutions = _ternary(network, options) if ternary else _int8(network)
    quantizer, some = image.quantizer(pixels), pixels[: options.calibration_images]
    original = float_module(network).to(device)
    module = GraphModule(network.graph, convolutions).to(device)
    if ternary:
        match_statistics(module, original, quantizer, some)
    module = module.with_ranges(calibrate(module, quantizer, some, options.calibration))
    if ternary and labels is not None:
        retrain(
            module,
            quantizer,
            pixels,
            labels,
            _retrain_options(options),
            teacher=original,
            checkpoint=checkpoint,
            progress=progress,
        )
    return lower(module.to("cpu"), quantizer, _provenance(options, pixels, labels, source))


def _retrain_options(options: CompressOptions) -> RetrainOptions:
    return RetrainOptions(
        options.epochs,
        options.learning_rate,
        options.batch,
        options.seed,
        options.distillation,
        options.optimizer,
    )


def _int8(network: FloatNetwork) -> dict[str, QuantizedConvolution]:
    """Eight-bit weights for every convolution."""
    found: dict[str, QuantizedConvolution] = {}
    for node in network.graph.convs:
        assert node.layer is not None
        weights, bias = network.weights[node.name], network.biases[node.name]
        found[node.name] = Int8Convolution(node.layer, weights, bias)
    return found


def _ternary(network: FloatNetwork, options: CompressOptions) -> dict[str, QuantizedConvolution]:
    """The form that the options give each convolution."""
    kept, rule = kept_layers(network.graph, options), options.threshold_rule()
    sizes = basis_sizes(network.graph, options, kept)
    found = _int8(network)
    for node in network.graph.convs:
        assert node.layer is not None
        weights, bias = network.weights[node.name], network.biases[node.name]
        if node.name in sizes:
            size = sizes[node.name]
            found[node.name] = DecomposedConvolution(node.layer, weights, bias, rule, size)
        elif node.name not in kept:
            found[node.name] = TernaryConvolution(node.layer, weights, bias, rule)
    return found


def kept_layers(graph: Graph, options: CompressOptions) -> frozenset[str]:
    """Convolutions that stay at eight bits.

    Raises
    ------
    DecompositionError
        If ``options.keep_int8`` names a layer that the network does not have.
    """
    names = [node.name for node in graph.convs]
    if options.keep_int8 is None:
        depthwise = [n.name for n in graph.convs if n.layer is not None and n.layer.is_depthwise]
        kept = {names[0], *depthwise} if names else set()
    else:
        kept = set(options.keep_int8)
    for name in sorted(kept.difference(names)):
        raise DecompositionError(f"{name}: keep_int8 names a layer that {graph.name} has not")
    if options.classifier == "int8" and names:
        kept.add(names[-1])
    return frozenset(kept)


def basis_sizes(
    graph: Graph, options: CompressOptions, kept: frozenset[str] = frozenset()
) -> dict[str, int]:
    """M of every layer that gets a basis: those with R*S > 1 that are not kept at eight bits.

    One number for all layers is lowered to R*S where a layer has fewer taps; a table is taken
    literally.

    Raises
    ------
    DecompositionError
        If M lies outside 1..R*S, for a table at any layer, for one number at all of them; or if
        a table misses a layer or names one that gets no basis.
    """
    taps: dict[str, int] = {}
    for node in graph.convs:
        assert node.layer is not None
        if node.layer.R * node.layer.S > 1 and node.name not in kept:
            taps[node.name] = node.layer.R * node.layer.S
    if isinstance(options.basis, Mapping):
        return _table_sizes(graph, options.basis, taps)
    if taps and options.basis > max(taps.values()):
        largest = max(taps, key=taps.__getitem__)
        raise DecompositionError(
            f"{largest}: M is {options.basis}, wanted 1..{taps[largest]}; "
            f"no layer of {graph.name} has more taps"
        )
    return {name: min(options.basis, count) for name, count in taps.items()}


def _table_sizes(graph: Graph, table: Mapping[str, int], taps: dict[str, int]) -> dict[str, int]:
    for name in table:
        if name not in taps:
            raise DecompositionError(
                f"{name}: the basis table names it, but {graph.name} has no such layer with a basis"
            )
    for name, count in taps.items():
        if name not in table:
            raise DecompositionError(f"{name}: the basis table has no entry for the layer")
        if not 1 <= table[name] <= count:
            raise DecompositionError(f"{name}: M is {table[name]}, wanted 1..{count}")
    return {name: table[name] for name in taps}


def _provenance(
    options: CompressOptions, pixels: np.ndarray, labels: np.ndarray | None, source: str
) -> dict[str, object]:
    sha = hashlib.sha256(np.ascontiguousarray(pixels).tobytes())
    if labels is not None:
        sha.update(np.ascontiguousarray(labels.astype(np.int64)).tobytes())
    return {
        "method": options.method,
        "options": options.model_dump(mode="json", exclude_none=True),
        "seed": options.seed,
        "version": VERSION,
        "torch": str(torch.__version__),
        "data": {"source": source, "images": len(pixels), "sha256": sha.hexdigest()},
    }
