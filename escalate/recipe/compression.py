"""compress: a float network and images become an IntegerModel."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from escalate.capture.network import FloatNetwork
from escalate.compressors import rate_distortion, variational
from escalate.compressors.distortion import Cost
from escalate.compressors.knob import Knob, largest
from escalate.errors import BudgetError, DataError
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle, removed
from escalate.recipe.budget import fitted, trim
from escalate.recipe.curves import Curves, Form, Watch, sensitivity
from escalate.recipe.forms import convolutions_of
from escalate.recipe.knobs import knobs_of
from escalate.recipe.method import METHODS
from escalate.recipe.options import CompressOptions
from escalate.store import model_file
from escalate.store.footprint import FLOAT_BYTES
from escalate.train.calibrate import calibrate
from escalate.train.images import ImageSettings, check_images
from escalate.train.match import match_statistics
from escalate.train.modules import GraphModule, float_module
from escalate.train.moments import input_moments
from escalate.train.pruning import drop_weights
from escalate.train.retrain import Lesson, Progress, retrain
from escalate.version import VERSION
from workloads import formats
from workloads.graph import Graph
from workloads.integer import ImageQuantizer, IntegerModel

CURVE_IMAGES = 256  # Assumption: enough to tell the layers' curves apart
GROWTH = 50  # Assumption: in retraining layers of few bits grow by one part in so many at most
MEASURED_IMAGES = 64  # enough to size a model, whose bytes hardly depend on them


def compress(
    network: FloatNetwork,
    options: CompressOptions,
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

    Decompose, ternarize, match, calibrate, retrain, lower, remove what does nothing; other methods
    do what is theirs in place of the first two, and some retrain nothing; ``int8``: quantize,
    calibrate, lower.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions
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
    DecompositionError
        For options that do not fit the network, or a layer that cannot be lowered; names it.
    DataError
        For images or labels of the wrong type or shape, or none to retrain with.
    CheckpointError
        If the checkpoint belongs to another run.
    """
    check_images(pixels, network.graph.nodes[0].shape, labels)
    asked = options.model_dump(mode="json", exclude_none=True)
    if options.retrained and labels is None and options.distillation < 1:
        raise DataError(
            f"{source or 'images'}: retraining needs labels; give them, or distillation = 1, "
            "or epochs = 0"
        )
    if options.needs_labels and labels is None:
        raise DataError(
            f"{source or 'images'}: objective {options.objective} needs labels; give them, "
            "or objective = kl"
            if options.objective is not None
            else f"{source or 'images'}: uncertainty = labels needs labels; give them, or fisher"
        )
    quantizer = image.quantizer(pixels)
    original = float_module(network).to(device)
    some = pixels[: options.calibration_images]
    known = None if labels is None else labels[: len(some)]
    costs = weight_costs(network, options, quantizer, some, known, original, len(pixels))
    budget = None
    if options.ratio is not None:
        budget = byte_budget(network, options.ratio)
        ruled = partial(within_ratio, watch=watch)
        rule = ruled if options.method == "escalate" else within_search
        options = rule(network, options, quantizer, some, original, costs)
    module = quantized(network, options, quantizer, some, original, costs)
    about = _provenance(options, pixels, labels, source) | {"asked": asked}
    finished = partial(integers_of, module, quantizer, options, about)

    def fit(trained: GraphModule) -> int:
        assert budget is not None
        return trim(trained, budget, lambda: model_file.packed_size(finished()))

    if options.retrained:
        retrain(
            module,
            Lesson(quantizer, pixels, labels, held_out),
            options.retraining(),
            teacher=original,
            checkpoint=checkpoint,
            progress=progress,
            measure=None if size is None else lambda _: size(finished()),
            fit=None if budget is None else fit,
        )
    elif budget is not None and METHODS[options.method].trained:
        fit(module)
    return finished()


def integers_of(
    module: GraphModule, image: ImageQuantizer, options: CompressOptions, about: dict[str, object]
) -> IntegerModel:
    """The module as integers, without what does nothing, in its storage formats.

    Parameters
    ----------
    module : GraphModule with ranges
    image : ImageQuantizer
    options : CompressOptions that it was made with
    about : provenance, to which what was removed is added
    """
    found = lower(module, image, about)
    if options.method != "int8" and options.remove:
        small = remove_idle(found)
        gone = removed(found.layers, small.layers)
        found = replace(small, provenance={**about, "removed": gone} if gone else about)
    return replace(found, codings=codings(found, options.storage))


def byte_budget(network: FloatNetwork, ratio: float) -> int:
    """Bytes of a model that is ``ratio`` times smaller than the network in FP32."""
    return int(FLOAT_BYTES * network.original_parameters / ratio)


def within_ratio(
    network: FloatNetwork,
    options: CompressOptions,
    image: ImageQuantizer,
    pixels: np.ndarray,
    original: GraphModule,
    costs: Mapping[str, Cost] | None = None,
    curves: Curves | None = None,
    watch: Watch | None = None,
) -> CompressOptions:
    """The options in which ``ratio`` is replaced by a form for every layer.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions with a ratio
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), to measure the layers' curves on
    original : the same network in floats, on the device to compute on
    costs : not used, the curves say it all
    curves : the curves, if they are known already
    watch : called with each layer whose curve is measured

    Raises
    ------
    DecompositionError
        If no choice is that small.
    """
    assert options.ratio is not None
    if curves is None:
        few = pixels[:CURVE_IMAGES]
        moments = input_moments(original, image, few)
        curves = sensitivity(network, original, image, few, options, moments=moments, watch=watch)
    some = pixels[:MEASURED_IMAGES]

    def measure(forms: Mapping[str, Form]) -> int:
        chosen = with_forms(network.graph, options, forms)
        return finished_size(network, chosen, image, some, original)

    budget = byte_budget(network, options.ratio)
    points = fitted(curves, budget, measure)
    thinned = sum(point.bytes for point in points.values() if not point.form.bits)
    growth = budget // GROWTH
    if options.retrained and thinned < 2 * growth:
        points = fitted(curves, budget - growth, measure)
    return with_forms(network.graph, options, {name: each.form for name, each in points.items()})


def with_forms(
    graph: Graph, options: CompressOptions, forms: Mapping[str, Form]
) -> CompressOptions:
    """The options with a table entry for each layer's form, and without a ratio."""
    layers = {node.name: node.layer for node in graph.convs}
    ternary = {name: form for name, form in forms.items() if not form.bits}
    basis = {
        name: form.M
        for name, form in ternary.items()
        if (layer := layers[name]) is not None and layer.R * layer.S > 1
    }
    fields: dict[str, Any] = {
        "ratio": None,
        "basis": basis or None,
        "density": {name: form.density for name, form in ternary.items()} or None,
        "keep_int8": tuple(name for name in layers if name not in ternary),
        "weight_bits": {name: form.bits for name, form in forms.items() if form.bits},
        "classifier": "ternary",
    }
    return CompressOptions(**{**options.model_dump(), **fields})


def within_search(
    network: FloatNetwork,
    options: CompressOptions,
    image: ImageQuantizer,
    pixels: np.ndarray,
    original: GraphModule,
    costs: Mapping[str, Cost],
) -> CompressOptions:
    """The options in which ``ratio`` is replaced by what makes the largest model within it.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions with a ratio
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), to match and calibrate with
    original : the same network in floats, on the device to compute on
    costs : what it costs to move each weight, where the method asks for it

    Raises
    ------
    DecompositionError
        If not even the smallest model is that small.
    """
    assert options.ratio is not None
    fields = {**options.model_dump(), "ratio": None}
    budget = byte_budget(network, options.ratio)

    def chosen(knob: Knob, number: int) -> CompressOptions:
        return CompressOptions(**{**fields, **knob.fields(number)})

    def size(knob: Knob, number: int, images: int | None = None) -> int:
        made = chosen(knob, number)
        return finished_size(network, made, image, pixels[:images], original, costs)

    def within(knob: Knob) -> int:
        def made(number: int) -> tuple[int, int]:
            return size(knob, number, MEASURED_IMAGES), number

        target = budget
        while True:
            number = largest(made, target, knob.low, knob.high, knob.what)
            beyond = size(knob, number) - budget
            if beyond <= 0:
                return number
            target -= beyond  # all images make it larger by a few bytes

    knobs = knobs_of(options)
    for knob in knobs[:-1]:
        with suppress(BudgetError):
            return chosen(knob, within(knob))
    return chosen(knobs[-1], within(knobs[-1])) if knobs else CompressOptions(**fields)


def finished_size(
    network: FloatNetwork,
    options: CompressOptions,
    image: ImageQuantizer,
    pixels: np.ndarray,
    original: GraphModule,
    costs: Mapping[str, Cost] | None = None,
) -> int:
    """Stored bytes of the model that options make, every rule in full force, nothing retrained.

    Parameters are those of ``quantized``.
    """
    chosen = options.model_copy(update={"epochs": 0})
    module = quantized(network, chosen, image, pixels, original, costs)
    return model_file.packed_size(integers_of(module, image, chosen, {}))


def weight_costs(
    network: FloatNetwork,
    options: CompressOptions,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray | None,
    original: GraphModule,
    images: int,
) -> dict[str, Cost]:
    """What it costs to move each weight, for the methods that ask; nothing for the others.

    Parameters
    ----------
    network, options, image, pixels, original : as for ``within_search``
    labels : integers, shape (N,), where they are needed
    images : N of the posterior's precision, images that the network stands for
    """
    if options.method == "rate_distortion":
        return rate_distortion.costs(
            original, image, pixels, labels, options.clustering, options.seed
        )
    if options.method == "vbq" and options.variances is not None:
        shapes = {name: weights.shape for name, weights in network.weights.items()}
        return variational.given_precisions(options.variances, shapes)
    if options.method == "vbq":
        kind = options.uncertainty or "fisher"
        return variational.precisions(
            network, original, image, pixels, labels, kind=kind, images=images, seed=options.seed
        )
    return {}


def codings(model: IntegerModel, storage: str) -> dict[str, str]:
    """The storage format of every ternary layer: the one asked for, or the smallest."""
    return {
        name: formats.encode(weights.coefficients, storage)[0]
        for name, weights in model.layers.items()
        if weights.coefficients is not None
    }


def quantized(
    network: FloatNetwork,
    options: CompressOptions,
    image: ImageQuantizer,
    pixels: np.ndarray,
    original: GraphModule,
    costs: Mapping[str, Cost] | None = None,
) -> GraphModule:
    """The network in the forms that the options give it, matched and calibrated, not retrained.

    Parameters
    ----------
    network : FloatNetwork
    options : CompressOptions
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), to match and calibrate with
    original : the same network in floats, on the device to compute on
    costs : what it costs to move each weight, where they are clustered
    """
    device = next(original.parameters()).device
    importances: dict[str, np.ndarray] = {}
    if options.weighting == "inputs" and options.method != "int8":
        importances = input_moments(original, image, pixels)
    convolutions = convolutions_of(network, options, importances, costs or {})
    module = GraphModule(network.graph, convolutions).to(device)
    drop_weights(module, options.first_ease)
    if options.method != "int8":
        match_statistics(module, original, image, pixels)
    return module.with_ranges(calibrate(module, image, pixels, options.calibration))


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
