"""fed_layers: the layers of a source, one after the other, as machines of one form are fed them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arch.simulate import Shape
from escalate.app.data import CLASSES
from escalate.app.fed_images import model_inputs, told_images, told_network
from escalate.app.feed import Feed
from escalate.app.images import Images
from escalate.app.machines import Choice
from escalate.app.scores import stored_loss, stored_quality, told_loss
from escalate.app.sources import (
    COMPRESSED,
    INT8,
    ModelSource,
    ShapeSource,
    Source,
    SourceError,
    TensorSource,
    fed_form,
    told_form,
)
from workloads.execute import Asked, Execution
from workloads.integer import IntegerModel
from workloads.network import Handover
from workloads.synthetic import Synthetic, synthetic_layers
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """Layers to run, and what there is to say of them.

    Parameters
    ----------
    network : its name
    names : of the layers, in order
    layers : each with what takes its psums; a model's next layer follows from them
    about : JSON values for the provenance of a run
    handovers : as for ``arch.simulate.Session``
    model, execution, images : what runs, where the source is a compressed model
    """

    network: str
    names: Sequence[str]
    layers: Iterable[Asked]
    about: Mapping[str, Any]
    handovers: Mapping[str, Handover] = field(default_factory=dict)
    model: IntegerModel | None = None
    execution: Execution | None = None
    images: Images | None = None

    @property
    def labels(self) -> np.ndarray | None:
        """The images' labels, where they are known."""
        return None if self.images is None else self.images.labels

    def logits(self) -> np.ndarray | None:
        """The answers, int64 (N, classes), of a model whose layers all ran; None without one."""
        if self.execution is None:
            return None
        found = self.execution.output.astype(np.int64)
        return found.reshape(len(found), -1)


def fed_layers(source: Source, choices: Sequence[Choice], feed: Feed) -> Fed:
    """What machines are fed.

    Parameters
    ----------
    source : Source
    choices : machines that are all fed the same form
    feed : images for a compressed model; for shapes only its count matters

    Raises
    ------
    SourceError, DataError
        If the source has no tensors for a machine, or the images cannot be read.
    """
    machine = choices[0].machine.name
    if isinstance(source, ModelSource):
        return _of_model(source, machine, feed)
    if isinstance(source, TensorSource):
        about = {"kind": "tensors", "tensors": "file", "notes": ["own tensors"]}
        names = [tensors.layer.name for tensors in source.layers]
        return Fed(source.name, names, _asked(source.layers), about)
    if feed.synthetic is not None:
        return _synthetic(source, feed.synthetic, dense=fed_form(machine) == INT8)
    return _of_shapes(source, choices, feed.count)


def _asked(layers: Iterable[LayerTensors | Shape]) -> Iterable[Asked]:
    """Layers of which none needs another's psums."""
    return (Asked(layer) for layer in layers)


def _of_model(source: ModelSource, machine: str, feed: Feed) -> Fed:
    model, kind = source.model_for(machine)
    inputs, images = model_inputs(source, model, feed)
    about: dict[str, Any] = {
        "kind": "model",
        "tensors": kind,
        "source": source.name,
        "model": {k: v for k, v in model.provenance.items() if k != CLASSES},
        "quality": stored_quality(model.provenance, kind),
        "stored_bytes": source.bytes_for(machine),
        "images": images.name,
        "count": len(images.pixels),
        "notes": [
            f"fed the {kind} model",
            *told_form(model, kind),
            *told_network(model),
            *filter(None, [told_loss(stored_loss(model.provenance, kind))]),
            *told_images(model, images),
        ],
    }
    execution = Execution(model, inputs)
    return Fed(
        model.graph.name,
        [node.name for node in model.graph.convs],
        execution,
        about,
        model.graph.handovers,
        model,
        execution,
        images,
    )


def _synthetic(source: ShapeSource, recipe: Synthetic, *, dense: bool) -> Fed:
    """Seeded tensors: ternary for machines with a basis, int8 for the others."""
    about = {
        "kind": "synthetic",
        "tensors": INT8 if dense else COMPRESSED,
        "synthetic": recipe.given,
        "network_source": source.network.source,
        "notes": [f"synthetic tensors: {recipe.told}", *source.notes],
    }
    names = [layer.name for layer in source.layers]
    layers = synthetic_layers(source.network, recipe, dense=dense)
    return Fed(source.name, names, _asked(layers), about, source.network.handovers)


def _of_shapes(source: ShapeSource, choices: Sequence[Choice], count: int) -> Fed:
    for choice in choices:
        if not choice.machine.eats_shapes:
            raise SourceError(
                f"{source.name}: {choice.machine.name} needs tensors, not only shapes; give a "
                "compressed folder, .npz files, or --synthetic coefficients=D,activations=D"
            )
    about = {
        "kind": "shapes",
        "tensors": "none",
        "count": count,
        "network_source": source.network.source,
        "notes": ["shapes only, no tensors", *source.notes],
    }
    names = [layer.name for layer in source.layers]
    return Fed(source.name, names, _asked(Shape(layer, count) for layer in source.layers), about)
