"""points: one machine on one network's tensors each, with a name made of all that it depends on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from escalate.app.code import part_digest
from escalate.app.fed_images import fed_images
from escalate.app.feed import Feed
from escalate.app.machines import Choice
from escalate.app.sources import MANIFEST, ModelSource, ShapeSource, Source, TensorSource, fed_form
from escalate.version import VERSION

FORMAT = "escalate point 2"
Identify = Callable[[Source, Feed, str], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One simulation of a sweep.

    Parameters
    ----------
    key : SHA-256 of everything that its rows depend on; the name of its file
    code : digest of the program that makes them
    texts : the source, as the file says it
    source : what that stands for
    feed : images or seeded tensors
    choice : the machine and its numbers
    """

    key: str
    code: str
    texts: tuple[str, ...]
    source: Source
    feed: Feed
    choice: Choice


def point(
    texts: Sequence[str], source: Source, feed: Feed, choice: Choice, identify: Identify
) -> Point:
    """A point with its name; ``identify`` is ``tensors``, or remembers what that returned.

    Raises
    ------
    CheckpointError, DataError
        If a model or its images cannot be read.
    """
    code = part_digest(choice.machine)
    identity = {
        "format": FORMAT,
        "version": VERSION,
        "code": code,
        "source": list(texts),
        "tensors": identify(source, feed, choice.machine.name),
        "machine": choice.machine.name,
        "preset": choice.preset,
        "spec": choice.spec.model_dump(mode="json"),
        "prices": [
            [*key, str(price.attojoules), price.source] for key, price in choice.own_prices.items()
        ],
        "price_files": list(choice.energy_tables),
    }
    return Point(_sha(identity), code, tuple(texts), source, feed, choice)


def _sha(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def tensors(source: Source, feed: Feed, machine: str) -> Any:
    """What tells the tensors of one source and feed from all others."""
    if isinstance(source, ModelSource):
        return _of_model(source, feed.images, feed.count, machine)
    if isinstance(source, TensorSource):
        return [layer.digest() for layer in source.layers]
    recipe = None if feed.synthetic is None else feed.synthetic.given
    return [_of_shapes(source), feed.count, recipe]


def _of_shapes(source: ShapeSource) -> str:
    return _sha([source.name, repr(source.network)])


def _of_model(source: ModelSource, asked: str | None, count: int, machine: str) -> list[str]:
    """Digests of the stored model and of the pixels it looks at."""
    about, kind = source.about_for(machine)
    images = fed_images(source, about, asked, count)
    folder, _ = source.fed_as(fed_form(machine))
    sha = hashlib.sha256((folder / MANIFEST).read_bytes() + images.pixels.tobytes())
    if images.labels is not None:
        sha.update(images.labels.tobytes())
    return [source.name, kind, images.name, sha.hexdigest()]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Points on the same tensors, which one worker simulates side by side."""

    points: tuple[Point, ...]


def batches(points: Sequence[Point], most: int) -> list[Batch]:
    """Points that share tensors together, at most so many, neighbours in what they share."""
    groups: dict[Any, list[Point]] = {}
    for each in points:
        form = fed_form(each.choice.machine.name)
        groups.setdefault((each.texts, each.feed, form), []).append(each)
    made = []
    for group in groups.values():
        group.sort(key=_order)
        count = -(-len(group) // most)
        size = -(-len(group) // count)
        made += [Batch(tuple(group[at : at + size])) for at in range(0, len(group), size)]
    return made


def _order(each: Point) -> tuple[str, ...]:
    """Machines apart, and next to each other what a machine works out once for both."""
    machine, spec = each.choice.machine, each.choice.spec.model_dump(mode="json")
    shared = [f"{spec[name]!r:>24}" for name in getattr(machine, "kept_fields", ())]
    rest = [f"{value!r:>24}" for value in spec.values()]
    return (machine.name, each.choice.preset, *shared, *rest)
