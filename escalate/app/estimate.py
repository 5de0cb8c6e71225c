"""estimate: how long simulations will take and how much memory, from the time of a few layers."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from arch.errors import OperandError, SpecError
from arch.machine import ALONE, Kept
from escalate.app.feed import Feed
from escalate.app.fleet import as_fed
from escalate.app.machines import Choice
from escalate.app.sources import INT8, ModelSource, ShapeSource, Source, TensorSource, fed_form
from workloads.execute import layer_tensors
from workloads.layer import ConvLayer
from workloads.synthetic import synthetic_layer
from workloads.tensors import LayerTensors

DENSITY = 0.5  # of the activations with which a model's layers are timed; images are not read
MOST_IMAGES = 4  # that layers are timed with; more take as many times longer
SUM_BYTES = 4  # of an output before it is quantized
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss's unit


@dataclass(frozen=True, slots=True)
class Estimate:
    """What simulations will take, about.

    Parameters
    ----------
    seconds : of one process
    peak_bytes : of memory of one process, as measured on the largest layers; pixels and sums of
        images that were not simulated are added
    timed : layers that were simulated to find out
    """

    seconds: float
    peak_bytes: int
    timed: int

    def told(self, processes: int = 1) -> dict[str, float | int]:
        """As commands print it, for so many processes."""
        return {
            "seconds_about": round(self.seconds / processes, 2),
            "peak_bytes_about": self.peak_bytes * processes,
            "layers_timed": self.timed,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """A source on the same machine with several numbers."""

    source: Source
    feed: Feed
    choices: tuple[Choice, ...]


def estimate(jobs: Sequence[Job]) -> Estimate:
    """Time the layer of median and the one of most MACs of one job per machine, and scale.

    Simulation time follows a layer's MACs roughly: expect the truth within a factor of two.
    Kernels that were never compiled here are compiled first, which is not counted.

    Parameters
    ----------
    jobs : what is to be simulated
    """
    import resource  # Unix only: nothing but estimates needs it

    rates: dict[str, tuple[float, float]] = {}
    timed, seconds, images = 0, 0.0, 0
    layers_of = cache(shapes)  # a model is read once, however many jobs it has
    for job in jobs:
        name = job.choices[0].machine.name
        if name not in rates:
            rates[name], count = _rates(_of_few_images(job), layers_of(job.source))
            timed += count
        first, further = rates[name]
        macs = sum(layer.macs for layer in layers_of(job.source)) * job.feed.count
        seconds += macs * (first + further * (len(job.choices) - 1))
        further_images = max(0, job.feed.count - MOST_IMAGES)
        images = max(images, further_images * max(map(_image_bytes, layers_of(job.source))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    return Estimate(seconds, peak + images, timed)


def _of_few_images(job: Job) -> Job:
    """The job with no more images than are needed to see how long one takes."""
    count = min(job.feed.count, MOST_IMAGES)
    synthetic = job.feed.synthetic and replace(job.feed.synthetic, images=count)
    return replace(job, feed=replace(job.feed, count=count, synthetic=synthetic))


def _image_bytes(layer: ConvLayer) -> int:
    """What one image's input and output of a layer take."""
    return layer.C * layer.H * layer.W + SUM_BYTES * layer.K * layer.P * layer.Q


def jobs_of(source: Source, choices: Sequence[Choice], feed: Feed) -> list[Job]:
    """The choices of one source by machine."""
    names = dict.fromkeys(choice.machine.name for choice in choices)
    own = {name: tuple(c for c in choices if c.machine.name == name) for name in names}
    return [Job(source, feed, some) for some in own.values()]


def shapes(source: Source) -> tuple[ConvLayer, ...]:
    """The layers of a source, by shape."""
    if isinstance(source, ModelSource):
        from escalate.store.model_file import load

        return load(source.folder).graph.layers
    if isinstance(source, TensorSource):
        return tuple(each.layer for each in source.layers)
    return source.layers


def _rates(job: Job, shapes: Sequence[ConvLayer]) -> tuple[tuple[float, float], int]:
    """Seconds per MAC of a first simulation and of another on the same tensors; layers timed."""
    layers = sorted(shapes, key=lambda layer: layer.macs)
    chosen = {layer.name: layer for layer in (layers[len(layers) // 2], layers[-1])}
    first = further = 0.0
    for name in chosen:
        _simulate(job, name, job.choices[0], Kept())  # compiles what was never compiled
        kept, started = Kept(), time.perf_counter()
        _simulate(job, name, job.choices[0], kept)
        first += time.perf_counter() - started
        started = time.perf_counter()
        _simulate(job, name, job.choices[-1], kept)
        further += time.perf_counter() - started
    macs = sum(layer.macs for layer in chosen.values()) * job.feed.count
    return (first / macs, further / macs), len(chosen)


def _simulate(job: Job, name: str, choice: Choice, kept: Kept) -> None:
    """One layer on one machine, with tensors like those it will have."""
    machine, spec = choice.machine, choice.spec
    try:
        if isinstance(job.source, ShapeSource) and job.feed.synthetic is None:
            layer = next(each for each in job.source.layers if each.name == name)
            machine.run_shape(layer, spec, job.feed.count)
        else:
            tensors = kept.get("estimate", name, lambda: _tensors(job, name, choice))
            machine.run(as_fed(tensors, choice), spec, ALONE, kept)
    except (OperandError, SpecError):
        return  # a machine that refuses the layer says so when it is run


def _tensors(job: Job, name: str, choice: Choice) -> LayerTensors:
    source = job.source
    if isinstance(source, TensorSource):
        return next(each for each in source.layers if each.layer.name == name)
    if isinstance(source, ShapeSource):
        assert job.feed.synthetic is not None
        entry = next(each for each in source.network.layers if each.name == name)
        dense = fed_form(choice.machine.name) == INT8
        return synthetic_layer(source.network, entry, job.feed.synthetic, dense=dense)
    return _of_model(source, name, job.feed.count, choice)


def _of_model(source: ModelSource, name: str, count: int, choice: Choice) -> LayerTensors:
    """A model's own weights, and random activations."""
    model, _ = source.model_for(choice.machine.name)
    node = model.graph[name]
    assert node.layer is not None
    random = np.random.default_rng(0)
    shape = (count, node.layer.C, node.layer.H, node.layer.W)
    pixels = random.integers(1, 128, shape, np.uint8)
    pixels[random.random(shape) >= DENSITY] = 0
    return layer_tensors(model, node, {node.inputs[0]: pixels})
