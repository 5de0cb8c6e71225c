"""verify: a machine's logits are those of the integer network in torch, bit for bit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arch.errors import InvariantError
from escalate.app.fed_layers import fed_layers
from escalate.app.feed import Feed
from escalate.app.fleet import Watch
from escalate.app.machines import Choice
from escalate.app.scores import stored_loss, told_loss
from escalate.app.simulate import Simulation, run_fed
from escalate.app.sources import ModelSource, model_source
from escalate.integers import integer


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared and found equal, number by number.

    ``correct`` is None where there are no labels; ``loss`` tells how far the integers are from the
    floats, empty where the model does not say.
    """

    network: str
    machine: str
    images: int
    logits: int
    layers: int
    correct: int | None
    loss: str = ""


def verify(folder: str | Path, choice: Choice, feed: Feed, watch: Watch | None = None) -> Proof:
    """Run a compressed model on a machine and in torch, and hold every logit against its twin.

    The machine's psums go through all layers and requantizations to logits; the integer network in
    torch computes the same with float64 convolutions of whole numbers.

    Parameters
    ----------
    folder : a compressed model folder
    choice : the machine
    feed : which images
    watch : called with the layer, layers done, layers in all

    Raises
    ------
    InvariantError
        If a single logit differs.
    """
    found = proved(model_source(Path(folder)), choice, feed, watch)
    assert found.logits is not None
    return Proof(
        found.run.network,
        choice.machine.name,
        len(found.logits),
        found.logits.size,
        sum(not result.on_host for result in found.run.results),
        found.correct,
        told_loss(stored_loss(found.run.provenance["model"], found.run.provenance["tensors"])),
    )


def proved(
    source: ModelSource, choice: Choice, feed: Feed, watch: Watch | None = None
) -> Simulation:
    """A run whose every logit equals its twin in torch; parameters and errors as for ``verify``."""
    fed = fed_layers(source, (choice,), feed)
    assert fed.model is not None
    assert fed.images is not None
    (found,) = run_fed(fed, (choice,), watch)
    assert isinstance(found, Simulation)
    wanted = integer.predict(fed.model, fed.images.seen_by(fed.model.image))
    if found.logits is None or not np.array_equal(found.logits, wanted):
        raise InvariantError(
            f"{choice.machine.name}: the logits that follow from the machine's psums are not "
            "those of the integer network"
        )
    return found
