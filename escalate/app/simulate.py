"""simulate: one source on one machine; a compressed model classifies images with its psums."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from arch.errors import OperandError, SpecError
from arch.machine import LayerRun
from arch.simulate import NetworkRun, collect
from escalate.app.arguments import Paths, listed, path_of, settings_of
from escalate.app.data import CLASSES
from escalate.app.fed_images import model_inputs, told_images
from escalate.app.feed import Feed, check_feed, parse_synthetic
from escalate.app.fleet import Fleet, Refusal, Watch, too_wide
from escalate.app.machines import Choice, choose
from escalate.app.prices import priced
from escalate.app.scores import stored_quality
from escalate.app.sources import (
    COMPRESSED,
    INT8,
    ModelSource,
    ShapeSource,
    Source,
    SourceError,
    TensorSource,
    fed_form,
    resolve,
    told_form,
)
from escalate.app.threads import threads, torch_threads_kept
from escalate.version import VERSION
from reports.quality import in_words, quality
from workloads.execute import execute
from workloads.integer import IntegerModel
from workloads.network import Handover
from workloads.requantize import Requantizer
from workloads.synthetic import Synthetic, synthetic_layers
from workloads.tensors import LayerTensors

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
        group = _Group(source, [choices[n] for n in mine], wanted, watch, tolerant)
        with torch_threads_kept():
            found |= zip(mine, group.run(), strict=True)
    return [found[n] for n in range(len(choices))]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Machines that are fed the same tensors."""

    source: Source
    choices: Sequence[Choice]
    feed: Feed
    watch: Watch | None
    tolerant: bool

    def run(self) -> list[Simulation | Refusal]:
        """Simulate what the source is."""
        source, recipe = self.source, self.feed.synthetic
        if isinstance(source, ModelSource):
            return self._model(source)
        if isinstance(source, TensorSource):
            about = {"kind": "tensors", "tensors": "file", "notes": ["own tensors"]}
            return self._layers(source.layers, len(source.layers), about, {})
        if recipe is not None:
            return self._synthetic(source, recipe)
        return [_run_shapes(source, choice, self.feed.count, self.watch) for choice in self.choices]

    def _fleet(self, total: int, handovers: Mapping[str, Handover]) -> Fleet:
        return Fleet(self.choices, handovers, total, self.watch, tolerant=self.tolerant)

    def _model(self, source: ModelSource) -> list[Simulation | Refusal]:
        model, kind = source.model_for(self.choices[0].machine.name)
        inputs, images = model_inputs(source, model, self.feed)
        fleet = self._fleet(len(model.graph.convs), model.graph.handovers)
        logits = classify(model, inputs, fleet)
        about: dict[str, Any] = {
            "kind": "model",
            "tensors": kind,
            "source": source.name,
            "model": {k: v for k, v in model.provenance.items() if k != CLASSES},
            "quality": stored_quality(model.provenance, kind),
            "stored_bytes": source.bytes_for(self.choices[0].machine.name),
            "images": images.name,
            "count": len(images.pixels),
            "notes": [f"fed the {kind} model"],
        }
        about["notes"].extend(told_form(model, kind))
        if images.labels is not None:
            about["correct"] = int((logits.argmax(axis=1) == images.labels).sum())
        about["notes"].extend(told_images(model, images))
        rules = {name: conv.requantizer for name, conv in model.convs.items()}
        found = _finished(fleet, model.graph.name, about, rules)
        return [
            replace(each, logits=logits, labels=images.labels)
            if isinstance(each, Simulation)
            else each
            for each in found
        ]

    def _synthetic(self, source: ShapeSource, recipe: Synthetic) -> list[Simulation | Refusal]:
        """Seeded tensors: ternary for machines with a basis, int8 for the others."""
        dense = fed_form(self.choices[0].machine.name) == INT8
        about = {
            "kind": "synthetic",
            "tensors": INT8 if dense else COMPRESSED,
            "synthetic": recipe.given,
            "network_source": source.network.source,
            "notes": [f"synthetic tensors: {recipe.told}"],
        }
        layers = synthetic_layers(source.network, recipe, dense=dense)
        return self._layers(layers, len(source.layers), about, source.network.handovers)

    def _layers(
        self,
        layers: Iterable[LayerTensors],
        total: int,
        about: Mapping[str, Any],
        handovers: Mapping[str, Handover],
    ) -> list[Simulation | Refusal]:
        """Layer after layer, each with tensors of its own."""
        fleet = self._fleet(total, handovers)
        for tensors in layers:
            fleet.run(tensors)
        return _finished(fleet, self.source.name, about, {})


def _finished(
    fleet: Fleet,
    network: str,
    about: Mapping[str, Any],
    requantizers: Mapping[str, Requantizer | None],
) -> list[Simulation | Refusal]:
    """The rows of every machine, or its refusal; notes of its own stand around the shared ones."""
    found: list[Simulation | Refusal] = []
    for n, choice in enumerate(fleet.choices):
        if n in fleet.refusals:
            found.append(fleet.refusals[n])
            continue
        wide = [
            f"{name}: 16-bit outputs counted as words of the machine"
            for name, rule in requantizers.items()
            if too_wide(rule, choice)
        ]
        notes = [*choice.notes, *about["notes"], *wide]
        session = fleet.sessions[n]
        run = session.finish(network, choice.label, {"version": VERSION, **about, "notes": notes})
        found.append(Simulation(run, session.seconds))
    return found


def classify(model: IntegerModel, inputs: np.ndarray, fleet: Fleet) -> np.ndarray:
    """Run a model whose convolutions are all computed by every machine of a fleet.

    Parameters
    ----------
    model : IntegerModel
    inputs : integers as ``model.image`` makes them, shape (N, C, H, W)
    fleet : Fleet

    Returns
    -------
    logits : int64, shape (N, classes)
    """
    outputs = execute(model, inputs, fleet.run)
    logits = outputs[model.graph.output.name].astype(np.int64)
    return logits.reshape(len(inputs), -1)


def _run_shapes(source: ShapeSource, choice: Choice, count: int, watch: Watch | None) -> Simulation:
    if not choice.machine.eats_shapes:
        raise SourceError(
            f"{source.name}: {choice.machine.name} needs tensors, not only shapes; give a "
            "compressed folder, .npz files, or --synthetic coefficients=D,activations=D"
        )
    started = time.perf_counter()
    runs: list[LayerRun] = []
    for layer in source.layers:
        if watch is not None:
            watch(choice.machine.name, len(runs), len(source.layers))
        runs.append(choice.machine.run_shape(layer, choice.spec, count))
    about = {
        "version": VERSION,
        "kind": "shapes",
        "tensors": "none",
        "count": count,
        "network_source": source.network.source,
        "notes": [*choice.notes, "shapes only, no tensors"],
    }
    run = collect(
        choice.machine,
        choice.spec,
        (run.result for run in runs),
        network=source.name,
        preset=choice.label,
        provenance=about,
        own_prices=choice.own_prices,
    )
    return Simulation(run, time.perf_counter() - started)


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
) -> "pd.DataFrame":
    """Simulate a network on one machine; one row per layer and preset.

    Parameters
    ----------
    source : compressed folder (or what ``escalate.compress`` returned), ``.npz`` file or files,
        topology CSV, or a network's name
    machine : name, or path of a ``.toml`` file
    presets : names of the machine's presets; its first by default
    fields : fields of the machine to change, ``{"pe_blocks": 16}``
    images, count : what a compressed model looks at, as ``--images`` and ``--count``
    synthetic : ``coefficients=0.1,activations=0.4``: seeded tensors for a network's shapes
    basis, seed : of synthetic tensors, 6 and 0 by default
    threads : threads of the kernels; results do not depend on it
    energy_table : TOML file of own prices, as ``--energy-table``

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
        resolve(listed(source)),
        priced(choose(machine, presets, settings_of(fields)), path_of(energy_table)),
        Feed(images, count, parse_synthetic(synthetic, basis=basis, seed=seed, count=count)),
        threads,
    )
    return layer_frame(simulation.run for simulation in request.run())
