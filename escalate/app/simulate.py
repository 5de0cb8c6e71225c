"""simulate: one source on one machine; a compressed model classifies images with its psums."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from arch.errors import OperandError, SpecError
from arch.simulate import NetworkRun
from escalate.app.arguments import Paths, listed, path_of, settings_of
from escalate.app.fed_layers import Fed, fed_layers
from escalate.app.feed import Feed, check_feed, parse_synthetic
from escalate.app.fleet import Fleet, Refusal, Watch, too_wide
from escalate.app.machines import Choice, choose
from escalate.app.prices import priced
from escalate.app.sources import (
    Source,
    fed_form,
    resolve,
)
from escalate.app.threads import threads
from escalate.capture.reading import reading_of
from escalate.version import VERSION
from reports.quality import in_words, quality
from workloads.operator_costs import between

if TYPE_CHECKING:
    import pandas as pd


FEWEST = 20  # images of which a share is told


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """One run, the host's seconds in the machine model, and what came out of the network.

    ``logits`` (N, classes) are None where no network was run; ``labels`` where none are known.
    """

    run: NetworkRun
    seconds: float
    logits: np.ndarray | None = None
    labels: np.ndarray | None = None

    @property
    def correct(self) -> int | None:
        """Images that the machine's own psums classified as labelled."""
        if self.logits is None or self.labels is None:
            return None
        return int((self.logits.argmax(axis=1) == self.labels).sum())

    @property
    def told(self) -> str:
        """How well the network classified, in a line; empty where no label is known.

        A share of fewer than 20 images says nothing of a network, so that their answers are told
        instead, and the accuracy on all images when the model was made beside them.
        """
        if self.correct is None or self.logits is None or self.labels is None:
            return ""
        before = in_words(quality(self.run))
        if len(self.labels) < FEWEST:
            answers = ", ".join(map(str, self.logits.argmax(axis=1)))
            labels = ", ".join(map(str, self.labels))
            told = f"answers by the psums of the machine {answers}; labels {labels}"
        else:
            told = (
                f"{self.correct} of {len(self.labels)} images classified correctly by the psums of "
                "the machine"
            )
        head = "when the model was made (95 % intervals):"
        return f"{told}\n{head}\n  {before}" if before else told


def run_source(
    source: Source, choice: Choice, feed: Feed | None = None, watch: Watch | None = None
) -> Simulation:
    """Simulate all layers of a source on one machine; see ``run_choices``."""
    return run_choices(source, (choice,), feed, watch)[0]


def run_choices(
    source: Source,
    choices: Sequence[Choice],
    feed: Feed | None = None,
    watch: Watch | None = None,
) -> list[Simulation]:
    """Simulate all layers of a source on machines, or on one with different numbers.

    Layer by layer: machines that are fed the same tensors share them, and what one of them works
    out is kept for the next (of Basis-First all that FIFOs, blocks, buffers and DRAM leave alone).
    Results do not depend on that.

    Parameters
    ----------
    source : Source
    choices : machines and their numbers
    feed : images for a compressed model; for shapes only its count matters
    watch : called before every layer

    Raises
    ------
    SourceError, DataError
        If the source has no tensors for a machine, or the images cannot be read.
    OperandError, SpecError
        If a machine refuses a layer; names it.
    """
    found = _run(source, choices, feed, watch, tolerant=False)
    return [each for each in found if isinstance(each, Simulation)]


def try_choices(
    source: Source,
    choices: Sequence[Choice],
    feed: Feed | None = None,
    watch: Watch | None = None,
) -> list[Simulation | Refusal]:
    """As ``run_choices``, but a machine that refuses a layer gives its refusal, not its rows."""
    try:
        return _run(source, choices, feed, watch, tolerant=True)
    except (OperandError, SpecError) as refusal:  # no machine was left
        if len(choices) == 1:
            return [refusal]
        alone = (try_choices(source, (each,), feed, watch) for each in choices)
        return [found for some in alone for found in some]


def _run(
    source: Source,
    choices: Sequence[Choice],
    feed: Feed | None,
    watch: Watch | None,
    *,
    tolerant: bool,
) -> list[Simulation | Refusal]:
    wanted = feed or Feed()
    check_feed(source, wanted)
    found: dict[int, Simulation | Refusal] = {}
    kinds = [fed_form(choice.machine.name) for choice in choices]
    for kind in dict.fromkeys(kinds):
        mine = [n for n, each in enumerate(kinds) if each == kind]
        group = [choices[n] for n in mine]
        outcomes = run_fed(fed_layers(source, group, wanted), group, watch, tolerant=tolerant)
        found |= zip(mine, outcomes, strict=True)
    return [found[n] for n in range(len(choices))]


def run_fed(
    fed: Fed, choices: Sequence[Choice], watch: Watch | None = None, *, tolerant: bool = False
) -> list[Simulation | Refusal]:
    """Every machine's rows, or its refusal where ``tolerant``, on what it is fed."""
    fleet = Fleet(choices, fed.handovers, len(fed.names), watch, tolerant=tolerant)
    for asked in fed.layers:
        outcome = fleet.run(asked.layer)
        asked.done(outcome.psums, outcome.output)
    logits, about = fed.logits(), dict(fed.about)
    if logits is not None and fed.labels is not None:
        about["correct"] = int((logits.argmax(axis=1) == fed.labels).sum())
    return [
        fleet.refusals[n] if n in fleet.refusals else _finished(fleet, n, fed, about, logits)
        for n in range(len(choices))
    ]


def _finished(
    fleet: Fleet, n: int, fed: Fed, about: Mapping[str, Any], logits: np.ndarray | None
) -> Simulation:
    """The rows of one machine; notes of its own stand around the shared ones."""
    choice, session = fleet.choices[n], fleet.sessions[n]
    rules = {} if fed.model is None else fed.model.convs
    wide = [
        f"{name}: 16-bit outputs counted as words of the machine"
        for name, conv in rules.items()
        if too_wide(conv.requantizer, choice)
    ]
    notes = [*choice.notes, *about["notes"], *wide]
    provenance = {"version": VERSION, **about, "notes": notes}
    found = {} if fed.model is None else between(fed.model)
    run = session.finish(fed.network, choice.label, provenance, found)
    return Simulation(run, session.seconds, logits, fed.labels)


@dataclass(frozen=True, slots=True)
class Request:
    """A source and the machines to try it on, as the command line gives them."""

    source: Source
    choices: tuple[Choice, ...]
    feed: Feed = field(default_factory=Feed)
    threads: int | None = None

    def run(self, watch: Watch | None = None) -> list[Simulation]:
        """Simulate on all machines, in the order of the choices."""
        with threads(self.threads):
            return run_choices(self.source, self.choices, self.feed, watch)


def simulate(
    source: Paths,
    *,
    machine: str = "basis_first",
    presets: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    images: str | None = None,
    count: int = 1,
    synthetic: str | None = None,
    basis: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    energy_table: str | os.PathLike[str] | None = None,
    input: str | Sequence[int] | None = None,
    output: str | None = None,
) -> "pd.DataFrame":
    """Simulate a network on one machine; one row per layer and preset.

    Parameters
    ----------
    source : compressed folder (or what ``escalate.compress`` returned), ``.npz`` file or files,
        topology CSV, an ``.onnx`` file, or a network's name
    machine : name, or path of a ``.toml`` file
    presets : names of the machine's presets; its first by default
    fields : fields of the machine to change, ``{"pe_blocks": 16}``
    images, count : what a compressed model looks at, as ``--images`` and ``--count``; with images
        an ``.onnx`` file runs in 8 bits
    synthetic : ``coefficients=0.1,activations=0.4``: seeded tensors for a network's shapes
    basis, seed : of synthetic tensors, 6 and 0 by default
    threads : threads of the kernels; results do not depend on it
    energy_table : TOML file of own prices, as ``--energy-table``
    input, output : of an ``.onnx`` file, as for ``escalate.compress``

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.

    Examples
    --------
    >>> simulate("digits_cnn", machine="systolic")["layer"].tolist()[:2]
    ['stem.0', 'down.0']
    """
    from reports.table import layer_frame

    request = Request(
        resolve(listed(source), reading_of(input, output), images),
        priced(choose(machine, presets, settings_of(fields)), path_of(energy_table)),
        Feed(images, count, parse_synthetic(synthetic, basis=basis, seed=seed, count=count)),
        threads,
    )
    return layer_frame(simulation.run for simulation in request.run())
