"""feed: what a source without tensors of its own is given: images, or seeded tensors."""

from dataclasses import dataclass
from typing import Any

from escalate.app.sources import ModelSource, ShapeSource, Source, SourceError, TensorSource
from workloads.densities import PUBLISHED
from workloads.number import number, shown
from workloads.synthetic import DENSITIES, Synthetic

WANTED = (
    f"wanted coefficients=D, activations=D, weights=D (D a density, or {', '.join(PUBLISHED)}) or "
    "kind=iid or channel"
)


@dataclass(frozen=True, slots=True)
class Feed:
    """What a source without tensors of its own is given.

    Parameters
    ----------
    images : a user's word for images; None for the test images of the model's own data
    count : how many images, the first ones
    synthetic : seeded tensors for a network known by its shapes, where they were asked for
    classes : file with the name of each output's class; None for the names that the model keeps
    """

    images: str | None = None
    count: int = 1
    synthetic: Synthetic | None = None
    classes: str | None = None


def check_feed(source: Source, feed: Feed) -> None:
    """Refuse what the source has no use for."""
    if feed.images is not None and not isinstance(source, ModelSource):
        raise SourceError(f"--images: {source.name} is no compressed model, it looks at no images")
    if feed.classes is not None and not isinstance(source, ModelSource):
        raise SourceError(f"--classes: {source.name} is no compressed model, it has no classes")
    if feed.count != 1 and isinstance(source, TensorSource):
        raise SourceError(f"--count: {source.name} brings its own activations")
    if feed.synthetic is not None and not isinstance(source, ShapeSource):
        raise SourceError(f"--synthetic: {source.name} has tensors of its own")


def parse_synthetic(
    text: str | None, *, basis: int | None = None, seed: int | None = None, count: int = 1
) -> Synthetic | None:
    """The recipe that ``--synthetic`` spells; None if it was not given.

    Raises
    ------
    SourceError, WorkloadError
        For an unknown or repeated field, a density that is none, and a basis or seed without
        ``--synthetic``.

    Examples
    --------
    >>> parse_synthetic("coefficients=0.1,activations=0.4", seed=3).coefficients
    0.1
    >>> parse_synthetic("colour=1")
    Traceback (most recent call last):
    escalate.app.sources.SourceError: --synthetic: 'colour=1': wanted coefficients=D, \
activations=D, weights=D (D a density, or han) or kind=iid or channel
    """
    numbers = {"basis": basis, "seed": seed}
    given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    if text is None:
        for name in given:
            raise SourceError(f"--{name}: goes with --synthetic, which was not given")
        return None
    fields: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name in fields:
            raise SourceError(f"--synthetic: {shown(part.strip())}: {name} is given twice")
        density = number(value)
        if name in DENSITIES and (value in PUBLISHED or density is not None):
            fields[name] = value if density is None else density
        elif name == "kind":
            fields[name] = value
        else:
            raise SourceError(f"--synthetic: {shown(part.strip())}: {WANTED}")
    return Synthetic(**fields, **given, images=count)
