"""stories: how each model of a comparison was made, in what they differ, and what was compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from escalate.app.fronts.models import Origin
from escalate.app.fronts.points import SETTLED, Point
from escalate.app.job import Job
from escalate.app.machines import Choice
from escalate.app.recipe import options_of
from escalate.version import VERSION
from workloads.integer import IntegerModel

DIGITS = 12  # of a digest, in words


@dataclass(frozen=True, slots=True)
class Story:
    """How a model was made.

    Parameters
    ----------
    row : model, method, what was asked beside the defaults, version and torch
    trained_on : the images that it was made with, and their digest
    scored_on : how many images its accuracy is from
    """

    row: Mapping[str, Any]
    trained_on: tuple[str, str]
    scored_on: int

    @classmethod
    def of(cls, point: Point, model: IntegerModel) -> Self:
        """That of a point's model."""
        about: Any = model.provenance
        usual = options_of({"method": point.method}).model_dump(mode="json", exclude_none=True)
        told = [
            f"{name} = {value}"
            for name, value in point.asked.items()
            if value != usual.get(name) and name not in SETTLED
        ]
        data = about["data"]
        row = {
            "model": point.name,
            "method": point.method,
            "options": ", ".join(told) or "defaults",
            "images": data["images"],
            "version": about["version"],
            "torch": about["torch"],
        }
        source = f"{data['images']} images of {data['source']}"
        return cls(row, (source, data["sha256"]), about["accuracy"]["images"])


def differences(stories: Mapping[str, Story]) -> list[str]:
    """What makes models hard to compare: other training images, or accuracy of other images."""
    found = []
    digests = {story.trained_on[1] for story in stories.values()}
    if len(digests) > 1:
        told = [f"{name} with {story.trained_on[0]}" for name, story in stories.items()]
        found.append(f"the models were not made with the same images: {', '.join(told)}")
    if len({story.scored_on for story in stories.values()}) > 1:
        told = [f"{name} {story.scored_on}" for name, story in stories.items()]
        found.append(f"accuracies are of different numbers of images: {', '.join(told)}")
    return found


def facts_of(
    origin: Origin, job: Job, choices: Sequence[Choice], count: int, original: float | None
) -> dict[str, str]:
    """What was compared, in words; ``original`` is the accuracy of the network as it came."""
    about: Mapping[str, Any] = job.about
    data = job.data.name
    facts = {"network": f"{origin.network}, {about['original_parameters']} parameters"}
    if origin.checkpoint is not None:
        digest = about["checkpoint"]["sha256"][:DIGITS]
        facts["checkpoint"] = f"{Path(origin.checkpoint).name}, SHA-256 {digest}…"
    facts["trained network"] = f"SHA-256 {about['network_sha256'][:DIGITS]}…"
    facts["made with"] = f"{len(job.train.pixels)} images of {data}"
    kind = "last training images" if job.data.held_out is not None else "test images"
    gets = "" if original is None else f"; the original gets {original:.1%}"
    facts["scored on"] = f"{len(job.test.pixels)} {kind} of {data}{gets}"
    facts["simulated"] = f"{count} {'image' if count == 1 else 'images'}"
    facts["machines"] = ", ".join(f"{c.machine.name} {c.label}" for c in choices)
    facts["version"] = VERSION
    return facts
