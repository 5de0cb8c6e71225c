"""trials: models of one network that differ in their options; what they share is made once."""

from collections.abc import Mapping

import numpy as np

from escalate.compressors.compressor import Given, Task
from escalate.compressors.distortion import Cost
from escalate.compressors.layers import changed
from escalate.compressors.options import Options
from escalate.compressors.registry import compressor
from escalate.recipe.integers import integers_of
from escalate.store import model_file
from escalate.train.calibrate import BATCH, Samples, calibrate
from escalate.train.convolutions import Int8Convolution, QuantizedConvolution
from escalate.train.file_ranges import file_ranges
from escalate.train.match import compared, match_statistics
from escalate.train.modules import GraphModule, constant_tensors
from escalate.train.pruning import drop_weights

FILE_BITS = 8  # of the weights of quantized files that are taken as they are


class Trials:
    """Models of one task, not retrained.

    Parameters
    ----------
    task : Task
    costs : what it costs to move each weight, where the method measures it
    """

    def __init__(self, task: Task, costs: Mapping[str, Cost]) -> None:
        self._task, self._costs = task, costs
        self._sizes: dict[tuple[str, int | None], int] = {}
        self._tasks: dict[int | None, Task] = {None: task}
        self._whole: tuple[Options, GraphModule] | None = None

    def size(self, options: Options, images: int | None) -> int:
        """Stored bytes of the model that options make, every rule in full force.

        Parameters
        ----------
        options : of the method
        images : how many calibrate it; None for all
        """
        chosen = options.untrained()
        key = chosen.model_dump_json(), images
        if key not in self._sizes:
            module = self._made(chosen, images)
            self._sizes[key] = model_file.packed_size(
                integers_of(module, self._task.image, chosen, {})
            )
        return self._sizes[key]

    def module(self, options: Options) -> GraphModule:
        """What the options make of the network on all images."""
        found = self._made(options, None)
        self._whole = None  # retraining changes it
        return found

    def _made(self, options: Options, images: int | None) -> GraphModule:
        if images is None and self._whole is not None and self._whole[0] == options:
            return self._whole[1]
        if images not in self._tasks:
            self._tasks[images] = self._task.first(images)
        found = quantized(self._tasks[images], options, self._costs)
        if images is None:
            self._whole = options, found
        return found


def quantized(task: Task, options: Options, costs: Mapping[str, Cost] | None = None) -> GraphModule:
    """The network in the forms that the options give it, matched and calibrated, not retrained.

    Parameters
    ----------
    task : Task
    options : of the method
    costs : what it costs to move each weight, where the method measures it
    """
    method = compressor(options.method)
    importances = task.input_moments if method.weighs_inputs(options) else {}
    graph, images = task.network.graph, len(task.pixels)
    convolutions = convolutions_of(task, options, importances, costs or {})
    module = GraphModule(graph, convolutions, constants=constant_tensors(task.network))
    module = module.to(next(task.original.parameters()).device)
    drop_weights(module, options.first_ease)
    samples = Samples(images)
    if method.changes:
        # Matching runs the images at once; in one batch they are what calibration would see.
        observe = samples.keep if compared(graph, images) == images <= BATCH else None
        match_statistics(module, task.output_moments, task.image, task.pixels, observe)
    known, _ = file_ranges(task.network, signed_input=task.image.low < 0)
    return module.with_ranges(
        calibrate(module, task.image, task.pixels, options.calibration, samples or None, known)
    )


def convolutions_of(
    task: Task,
    options: Options,
    importances: Mapping[str, np.ndarray],
    costs: Mapping[str, Cost],
) -> dict[str, QuantizedConvolution]:
    """The form that the options give each convolution.

    Parameters
    ----------
    task : Task
    options : of the method
    importances : second moments of the input channels (C,) by layer; none for unweighted errors
    costs : what it costs to move each weight, by layer, where the method measures it
    """
    network, method = task.network, compressor(options.method)
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
            bits = options.bits_of(name)
            steps = network.steps.get(name) if bits == FILE_BITS else None
            found[name] = Int8Convolution(*arrays, bits, steps)
    return found
