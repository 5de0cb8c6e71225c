"""fed_images: the images that a stored model looks at, as it was made to see them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from escalate.app.data import outputs_of, stored_classes, stored_resize, tells_preprocessing
from escalate.app.feed import Feed
from escalate.app.images import UNDERSTOOD, Images, canonical, kind, read_images
from escalate.app.labels import listed_classes
from escalate.app.sources import ModelSource, SourceError
from escalate.store.model_file import About
from workloads.execute import quantize_images
from workloads.integer import IntegerModel

OF_SCORES = ("accuracy", "no accuracy")  # notes on the images that scored a model as it was made


def model_inputs(source: ModelSource, model: IntegerModel, feed: Feed) -> tuple[np.ndarray, Images]:
    """The integers that a compressed model is fed, and the images they come from."""
    images = fed_images(source, model, feed.images, feed.count, feed.classes)
    return quantize_images(model.image, images.seen_by(model.image)), images


def fed_images(
    source: ModelSource,
    model: IntegerModel | About,
    asked: str | None,
    count: int | None,
    classes: str | None = None,
) -> Images:
    """The images that a compressed model looks at; all there are where ``count`` is None.

    Of a folder with ``train`` and ``val`` in it, the latter.  Pictures are brought to the network's
    size as the model says, and classes are numbered by the rule of ``escalate.app.labels``.

    Parameters
    ----------
    source, model : the folder, and what it holds
    asked : a user's word; None for the data that the model was made for
    count : the first so many
    classes : file with the name of each output's class; None for the names that the model keeps

    Raises
    ------
    SourceError, DataError
        If none were asked for and the model names none, or they cannot be read.
    """
    what = data_source(model) if asked is None else canonical(asked)
    if what is None:
        raise SourceError(
            f"{source.folder}: does not say which data it was made for, wanted --images "
            f"{UNDERSTOOD}"
        )
    known = stored_classes(model)
    if classes is not None:
        known = listed_classes(classes, outputs_of(model))
    size, channels = model.image.size, len(model.image.mean)
    resize = stored_resize(model)
    return read_images(what, channels, size, count=count, resize=resize, classes=known)


def data_source(model: IntegerModel | About) -> str | None:
    """Name of the data that a model was made for, if it says so."""
    data = model.provenance.get("data")
    source = data.get("source") if isinstance(data, Mapping) else None
    return str(source) if source else None


def told_network(model: IntegerModel | About) -> list[str]:
    """What a model keeps of how its network was read: what was left out, which output it has."""
    about = model.provenance
    notes: Any = about.get("notes", ())
    told = [str(each) for each in notes] if isinstance(notes, list | tuple) else []
    found = [note for note in told if not note.startswith(OF_SCORES)]
    return [*found, f"output {about['output']}"] if about.get("output") else found


def told_images(model: IntegerModel, images: Images) -> list[str]:
    """What there is to say about the images that a model looks at."""
    found = []
    trained_on = data_source(model)
    if trained_on and kind(trained_on) != kind(images.name):
        told = f"{images.name}, the network was made for {trained_on}"
        found.append(f"unrelated images: {told}")
    if images.fitted:
        told = "" if tells_preprocessing(model) else ", assumed: the model does not say"
        found.append(f"images: {images.name}, {images.fitted}{told}")
    if images.labels is None:
        found.append(f"no labels: {images.unlabelled}")
    return found
