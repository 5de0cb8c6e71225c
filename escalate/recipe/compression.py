"""compress: a float network and images become an IntegerModel.

Measure what the method asks for, choose within the budget, make every layer's form, match,
calibrate, retrain, lower, remove what does nothing.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from escalate.capture.network import FloatNetwork
from escalate.compressors.compressor import Task, Watch
from escalate.compressors.options import Options, TrainedOptions
from escalate.compressors.registry import compressor
from escalate.errors import DataError
from escalate.recipe.integers import integers_of
from escalate.recipe.trials import Trials
from escalate.recipe.trim import trim
from escalate.store import model_file
from escalate.store.footprint import FLOAT_BYTES
from escalate.train.file_ranges import image_quantizer
from escalate.train.images import ImageSettings, check_images
from escalate.train.modules import GraphModule, float_module
from escalate.train.retrain import Lesson, Progress, retrain
from escalate.train.sqnr import layer_sqnr
from escalate.version import VERSION
from workloads.integer import IntegerModel

DIGEST_BYTES = 3  # by which the digest of a provenance may compress worse than another's


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
    trials = Trials(task, method.measured(task, options))
    budget = None if ratio is None else byte_budget(network, ratio) - DIGEST_BYTES
    if budget is not None:
        options = method.within(task, options, budget, trials.size, watch)
    module = trials.module(options)
    about = _provenance(options, pixels, labels, source) | {"asked": asked}
    finished = partial(integers_of, module, task.image, options, about)
    fit = None if budget is None else partial(_fit, finished, budget)
    lesson = Lesson(task.image, pixels, labels, held_out)
    measure = None if size is None else lambda _: size(finished())
    how = {"teacher": task.original, "checkpoint": checkpoint, "progress": progress}
    _train(module, options, lesson, fit=fit, measure=measure, **how)
    about[model_file.LAYER_SQNR] = layer_sqnr(task.original, module, task.image, task.pixels)
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
    return Task(
        network, image_quantizer(network, image, pixels), some, original, known, len(pixels)
    )


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


def byte_budget(network: FloatNetwork, ratio: float) -> int:
    """Bytes of a model that is ``ratio`` times smaller than the network in FP32."""
    return int(FLOAT_BYTES * network.original_parameters / ratio)


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
