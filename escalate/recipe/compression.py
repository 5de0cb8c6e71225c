"""compress: a float network and images become an IntegerModel.

Measure what the method asks for, choose within the budget, make every layer's form, match,
calibrate, retrain, lower, remove what does nothing.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from escalate.capture.network import FloatNetwork
from escalate.compressors.compressor import Given, Task, Watch
from escalate.compressors.distortion import Cost
from escalate.compressors.layers import changed
from escalate.compressors.options import Options, TrainedOptions
from escalate.compressors.registry import compressor
from escalate.errors import DataError
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle, removed
from escalate.recipe.trim import trim
from escalate.store import model_file
from escalate.store.footprint import FLOAT_BYTES
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import Int8Convolution, QuantizedConvolution
from escalate.train.images import ImageSettings, check_images
from escalate.train.match import match_statistics
from escalate.train.modules import GraphModule, float_module
from escalate.train.moments import input_moments
from escalate.train.pruning import drop_weights
from escalate.train.retrain import Lesson, Progress, retrain
from escalate.version import VERSION
from workloads import formats
from workloads.integer import ImageQuantizer, IntegerModel


def compress(
    network: FloatNetwork,
    options: Options,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    image: ImageSettings,
    *,
    source: str = "",
    device: str = "cpu",
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    size: Callable[[IntegerModel], int] | None = None,
    watch: Watch | None = None,
) -> IntegerModel:
    """Compress a network and turn it into integers.

    Parameters
    ----------
    network : FloatNetwork
    options : of the method, see ``escalate.recipe.options.compress_options``
    pixels : uint8, shape (N, C, H, W), the images to calibrate with and to retrain on
    labels : integers, shape (N,); None will do where nothing is retrained, or only by distillation
    image : ImageSettings, how the network was trained to see pixels
    source : name of the images, recorded in the model's provenance
    device : torch device that calibrates and retrains
    held_out : images and labels to look at after every epoch, never trained on
    checkpoint : file from which a killed retraining resumes
    progress : called after each epoch of retraining
    size : stored bytes of a model, for the report of each epoch
    watch : called with each layer whose curve is measured, layers done, and layers in all

    Raises
    ------
    DecompositionError, DataError, CheckpointError
        For options, images or a checkpoint that do not fit.
    """
    check_images(pixels, network.graph.nodes[0].shape, labels)
    _check_labels(options, labels, source or "images")
    asked, method, ratio = options.recorded(), compressor(options.method), ratio_of(options)
    task = _task(network, options, pixels, labels, image, device)
    costs = method.measured(task, options)
    budget = None if ratio is None else byte_budget(network, ratio)
    if budget is not None:
        options = method.within(task, options, budget, _sizes(task, costs), watch)
    module = quantized(task, options, costs)
    about = _provenance(options, pixels, labels, source) | {"asked": asked}
    finished = partial(integers_of, module, task.image, options, about)
    fit = None if budget is None else partial(_fit, finished, budget)
    lesson = Lesson(task.image, pixels, labels, held_out)
    measure = None if size is None else lambda _: size(finished())
    how = {"teacher": task.original, "checkpoint": checkpoint, "progress": progress}
    _train(module, options, lesson, fit=fit, measure=measure, **how)
    return finished()


def _train(
    module: GraphModule,
    options: Options,
    lesson: Lesson,
    *,
    fit: Callable[[GraphModule], int] | None,
    **how: Any,
) -> None:
    """Retrain a module, as ``retrain`` is told; where nothing is trained only fit its size."""
    if isinstance(options, TrainedOptions) and options.retrained:
        retrain(module, lesson, options.retraining(), fit=fit, **how)
    elif fit is not None and compressor(options.method).trained:
        fit(module)


def _task(
    network: FloatNetwork,
    options: Options,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    image: ImageSettings,
    device: str,
) -> Task:
    """The network with the images that calibrate it."""
    some = pixels[: options.calibration_images]
    known = None if labels is None else labels[: len(some)]
    original = float_module(network).to(device)
    return Task(network, image.quantizer(pixels), some, original, known, len(pixels))


def _fit(finished: Callable[[], IntegerModel], budget: int, module: GraphModule) -> int:
    """Drop the weakest of a module in training until its model fits; its bytes then."""
    return trim(module, budget, lambda: model_file.packed_size(finished()))


def ratio_of(options: Options) -> float | None:
    """How many times smaller than FP32 the model is to be; None where nothing says so."""
    ratio: float | None = getattr(options, "ratio", None)
    return ratio


def _check_labels(options: Options, labels: np.ndarray | None, source: str) -> None:
    """Refuse to go on without labels where they are needed."""
    if labels is not None:
        return
    if isinstance(options, TrainedOptions) and options.retrained and options.distillation < 1:
        raise DataError(
            f"{source}: retraining needs labels; give them, or distillation = 1, or epochs = 0"
        )
    need = compressor(options.method).label_need(options)
    if need is not None:
        raise DataError(f"{source}: {need}")


def integers_of(
    module: GraphModule, image: ImageQuantizer, options: Options, about: dict[str, object]
) -> IntegerModel:
    """The module as integers, without what does nothing, in its storage formats.

    Parameters
    ----------
    module : GraphModule with ranges
    image : ImageQuantizer
    options : that it was made with
    about : provenance, to which what was removed is added
    """
    found, method = lower(module, image, about), compressor(options.method)
    if method.changes and options.remove:
        small = remove_idle(found)
        gone = removed(found.layers, small.layers)
        found = replace(small, provenance={**about, "removed": gone} if gone else about)
    return replace(found, codings=codings(found, method.storage(options)))


def byte_budget(network: FloatNetwork, ratio: float) -> int:
    """Bytes of a model that is ``ratio`` times smaller than the network in FP32."""
    return int(FLOAT_BYTES * network.original_parameters / ratio)


def _sizes(task: Task, costs: Mapping[str, Cost]) -> Callable[[Options, int | None], int]:
    """Stored bytes of the model that options make, every rule in full force, not retrained."""

    def size(options: Options, images: int | None) -> int:
        chosen, some = options.untrained(), replace(task, pixels=task.pixels[:images])
        module = quantized(some, chosen, costs)
        return model_file.packed_size(integers_of(module, task.image, chosen, {}))

    return size


def codings(model: IntegerModel, storage: str) -> dict[str, str]:
    """The storage format of every ternary layer: the one asked for, or the smallest."""
    return {
        name: formats.encode(weights.coefficients, storage)[0]
        for name, weights in model.layers.items()
        if weights.coefficients is not None
    }


def quantized(task: Task, options: Options, costs: Mapping[str, Cost] | None = None) -> GraphModule:
    """The network in the forms that the options give it, matched and calibrated, not retrained.

    Parameters
    ----------
    task : Task
    options : of the method
    costs : what it costs to move each weight, where the method measures it
    """
    method, original = compressor(options.method), task.original
    importances: dict[str, np.ndarray] = {}
    if method.weighs_inputs(options):
        importances = input_moments(original, task.image, task.pixels)
    convolutions = convolutions_of(task.network, options, importances, costs or {})
    device = next(original.parameters()).device
    module = GraphModule(task.network.graph, convolutions).to(device)
    drop_weights(module, options.first_ease)
    if method.changes:
        match_statistics(module, original, task.image, task.pixels)
    return module.with_ranges(calibrate(module, task.image, task.pixels, options.calibration))


def convolutions_of(
    network: FloatNetwork,
    options: Options,
    importances: Mapping[str, np.ndarray],
    costs: Mapping[str, Cost],
) -> dict[str, QuantizedConvolution]:
    """The form that the options give each convolution.

    Parameters
    ----------
    network : FloatNetwork
    options : of the method
    importances : second moments of the input channels (C,) by layer; none for unweighted errors
    costs : what it costs to move each weight, by layer, where the method measures it
    """
    method = compressor(options.method)
    changes = changed(network.graph, method, options)
    method.check(network, options)
    found: dict[str, QuantizedConvolution] = {}
    for node in network.graph.convs:
        assert node.layer is not None
        name = node.name
        arrays = (node.layer, network.weights[name], network.biases[name])
        if name in changes:
            given = Given(*arrays, importances.get(name), costs.get(name))
            found[name] = method.convolution(given, options)
        else:
            found[name] = Int8Convolution(*arrays, options.bits_of(name))
    return found


def _provenance(
    options: Options, pixels: np.ndarray, labels: np.ndarray | None, source: str
) -> dict[str, Any]:
    sha = hashlib.sha256(np.ascontiguousarray(pixels).tobytes())
    if labels is not None:
        sha.update(np.ascontiguousarray(labels.astype(np.int64)).tobytes())
    return {
        "method": options.method,
        "options": options.recorded(),
        "seed": options.seed,
        "version": VERSION,
        "torch": str(torch.__version__),
        "data": {"source": source, "images": len(pixels), "sha256": sha.hexdigest()},
    }
