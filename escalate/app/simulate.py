"""simulate: one source on one machine; a compressed model classifies images with its psums."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from arch.errors import InvariantError, SpecError
from arch.machine import Kept, LayerRun
from arch.simulate import NetworkRun, Session, collect
from escalate.app.feed import Feed, check_feed, parse_synthetic
from escalate.app.images import Images, read_images
from escalate.app.images import kind as kind_of_images
from escalate.app.machines import Choice, choose
from escalate.app.prices import priced
from escalate.app.sources import (
    COMPRESSED,
    FED,
    INT8,
    ModelSource,
    ShapeSource,
    Source,
    SourceError,
    TensorSource,
    resolve,
)
from escalate.version import VERSION
from workloads.execute import execute, quantize_images
from workloads.integer import IntegerModel
from workloads.network import Handover
from workloads.requantize import Requantizer
from workloads.synthetic import Synthetic, synthetic_layers
from workloads.tensors import LayerTensors

if TYPE_CHECKING:
    import pandas as pd

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
# what runs, layers done, layers in all
Watch = Callable[[str, int, int], None]


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


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let kernels use so many threads for a while; results never depend on it.

    Raises
    ------
    SpecError
        If there are not so many.
    """
    settings: Any = numba.config  # a module that fills itself at run time
    before, most = numba.get_num_threads(), settings.NUMBA_NUM_THREADS
    wanted = before if count is None else count
    if not 1 <= wanted <= most:
        raise SpecError(f"--threads: {wanted}, wanted 1..{most}")
    numba.set_num_threads(wanted)
    try:
        yield
    finally:
        numba.set_num_threads(before)


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
    wanted = feed or Feed()
    check_feed(source, wanted)
    found: dict[int, Simulation] = {}
    kinds = [FED.get(choice.machine.name, INT8) for choice in choices]
    for kind in dict.fromkeys(kinds):
        mine = [n for n, each in enumerate(kinds) if each == kind]
        group = [choices[n] for n in mine]
        found |= zip(mine, _run_group(source, group, wanted, watch), strict=True)
    return [found[n] for n in range(len(choices))]


def _run_group(
    source: Source, choices: Sequence[Choice], feed: Feed, watch: Watch | None
) -> list[Simulation]:
    """Machines that are fed the same tensors."""
    if isinstance(source, ModelSource):
        return _run_model(source, choices, feed, watch)
    if isinstance(source, TensorSource):
        about = {"kind": "tensors", "tensors": "file", "notes": ["own tensors"]}
        return _run_layers(source.name, source.layers, len(source.layers), choices, about, watch)
    if feed.synthetic is not None:
        return _run_synthetic(source, choices, feed.synthetic, watch)
    return [_run_shapes(source, choice, feed.count, watch) for choice in choices]


def _run_model(
    source: ModelSource, choices: Sequence[Choice], feed: Feed, watch: Watch | None
) -> list[Simulation]:
    model, kind = source.model_for(choices[0].machine.name)
    images = _images(source, model, feed)
    inputs = quantize_images(model.image, images.seen_by(model.image))
    sessions, logits = classify(model, inputs, choices, watch)
    trained_on = _data_source(model)
    found = []
    for choice, session in zip(choices, sessions, strict=True):
        notes = [*choice.notes, f"fed the {kind} model"]
        for name, rule in model.requantizers.items():
            if _too_wide(rule, choice):
                notes.append(f"{name}: 16-bit outputs counted as words of the machine")
        if trained_on and kind_of_images(trained_on) != kind_of_images(images.name):
            notes.append(f"unrelated images: {images.name}, the network was made for {trained_on}")
        about: dict[str, Any] = {
            "version": VERSION,
            "kind": "model",
            "tensors": kind,
            "source": source.name,
            "model": dict(model.provenance),
            "images": images.name,
            "count": len(images.pixels),
            "notes": notes,
        }
        if images.labels is not None:
            about["correct"] = int((logits.argmax(axis=1) == images.labels).sum())
        run = session.finish(model.graph.name, choice.label, about)
        found.append(Simulation(run, session.seconds, logits, images.labels))
    return found


def classify(
    model: IntegerModel,
    inputs: np.ndarray,
    choices: Sequence[Choice],
    watch: Watch | None = None,
) -> tuple[list[Session], np.ndarray]:
    """Run a model whose convolutions are all computed by every machine.

    Parameters
    ----------
    model : IntegerModel
    inputs : integers as ``model.image`` makes them, shape (N, C, H, W)
    choices : machines and their numbers
    watch : called before every layer

    Returns
    -------
    sessions : the simulated layers of each machine
    logits : int64, shape (N, classes)

    Raises
    ------
    InvariantError
        If two machines disagree about a psum.
    """
    sessions = _sessions(choices, model.graph.handovers)
    total = len(model.graph.convs)

    def convolve(tensors: LayerTensors) -> np.ndarray:
        done = len(sessions[0].results)
        return _run_layer(tensors, choices, sessions, (done, total), watch)

    outputs = execute(model, inputs, convolve)
    logits = outputs[model.graph.output.name].astype(np.int64)
    return sessions, logits.reshape(len(inputs), -1)


def _sessions(choices: Sequence[Choice], handovers: Mapping[str, Handover]) -> list[Session]:
    return [
        Session(choice.machine, choice.spec, choice.own_prices, handovers) for choice in choices
    ]


def _run_layer(
    tensors: LayerTensors,
    choices: Sequence[Choice],
    sessions: Sequence[Session],
    progress: tuple[int, int],
    watch: Watch | None,
) -> np.ndarray:
    """One layer on all machines; their psums, which must be the same."""
    done, total = progress
    kept = Kept()
    psums: np.ndarray | None = None
    for n, (choice, session) in enumerate(zip(choices, sessions, strict=True)):
        if watch is not None:
            watch(choice.machine.name, done * len(choices) + n, total * len(choices))
        fed = _as_fed(tensors, choice)
        run = session.run(fed, kept if fed is tensors else None)
        assert run.psums is not None
        if psums is not None and run.psums is not psums and not np.array_equal(run.psums, psums):
            raise InvariantError(
                f"{tensors.layer.name}: the psums of {choice.machine.name} are not those of "
                f"{choices[0].machine.name}"
            )
        psums = run.psums
    assert psums is not None
    return psums


def _too_wide(rule: Requantizer | None, choice: Choice) -> bool:
    """Whether outputs are wider than the words of a machine that has a word width."""
    width = getattr(choice.spec, "operand_bytes", None)
    return width is not None and rule is not None and np.dtype(rule.dtype).itemsize > width


def _as_fed(tensors: LayerTensors, choice: Choice) -> LayerTensors:
    """The layer as the machine takes it.

    A machine whose words are 8 bits wide refuses to write 16-bit logits.  It is not told how the
    last layer's psums become outputs, and counts one word for each (Assumption; noted in the row).
    """
    return replace(tensors, requantizer=None) if _too_wide(tensors.requantizer, choice) else tensors


def _data_source(model: IntegerModel) -> str | None:
    """Name of the data that a model was made for, if it says so."""
    data = model.provenance.get("data")
    source = data.get("source") if isinstance(data, Mapping) else None
    return str(source) if source else None


def _images(source: ModelSource, model: IntegerModel, feed: Feed) -> Images:
    what = feed.images or _data_source(model)
    if what is None:
        raise SourceError(
            f"{source.folder}: does not say which data it was made for, wanted --images "
            "digits, photos, cifar10:FOLDER or a folder of images"
        )
    return read_images(what, len(model.image.mean), model.image.size, count=feed.count)


def _run_synthetic(
    source: ShapeSource, choices: Sequence[Choice], recipe: Synthetic, watch: Watch | None
) -> list[Simulation]:
    """Seeded tensors: ternary for machines with a basis, int8 for the others."""
    dense = FED.get(choices[0].machine.name, INT8) == INT8
    fields = {name: value for name, value in asdict(recipe).items() if value is not None}
    told = ", ".join(f"{name} {value}" for name, value in fields.items())
    about = {
        "kind": "synthetic",
        "tensors": INT8 if dense else COMPRESSED,
        "synthetic": fields,
        "network_source": source.network.source,
        "notes": [f"synthetic tensors: {told}"],
    }
    layers = synthetic_layers(source.network, recipe, dense=dense)
    total, handovers = len(source.layers), source.network.handovers
    return _run_layers(source.name, layers, total, choices, about, watch, handovers)


def _run_layers(
    name: str,
    layers: Iterable[LayerTensors],
    total: int,
    choices: Sequence[Choice],
    about: Mapping[str, Any],
    watch: Watch | None,
    handovers: Mapping[str, Handover] | None = None,
) -> list[Simulation]:
    """Layer after layer, each with tensors of its own."""
    sessions = _sessions(choices, handovers or {})
    for done, tensors in enumerate(layers):
        _run_layer(tensors, choices, sessions, (done, total), watch)
    return [
        Simulation(
            session.finish(
                name,
                choice.label,
                {"version": VERSION, **about, "notes": [*choice.notes, *about["notes"]]},
            ),
            session.seconds,
        )
        for choice, session in zip(choices, sessions, strict=True)
    ]


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


def settings_of(fields: Mapping[str, Any] | None) -> list[str]:
    """Fields as the command line writes them."""
    return [f"{name}={value}" for name, value in (fields or {}).items()]


def path_of(word: str | os.PathLike[str] | None) -> Path | None:
    """A file that may have been named."""
    return None if word is None else Path(word)


def listed(words: Paths) -> list[str]:
    """One word or several, as text."""
    if isinstance(words, str | os.PathLike):
        return [os.fspath(words)]
    return [os.fspath(word) for word in words]


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
