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

from arch.errors import SpecError
from arch.machine import LayerRun
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
    """One run, the host's seconds for it, and what came out of the network.

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
    """Simulate all layers of a source on one machine.

    Parameters
    ----------
    source : Source
    choice : Choice, the machine and its numbers
    feed : images for a compressed model; for shapes only its count matters
    watch : called before every layer

    Raises
    ------
    SourceError, DataError
        If the source has no tensors for this machine, or the images cannot be read.
    OperandError, SpecError
        If the machine refuses a layer; names it.
    """
    started = time.perf_counter()
    wanted = feed or Feed()
    check_feed(source, wanted)
    if isinstance(source, ModelSource):
        run, logits, labels = _run_model(source, choice, wanted, watch)
        return Simulation(run, time.perf_counter() - started, logits, labels)
    if isinstance(source, TensorSource):
        run = _run_tensors(source, choice, watch)
    elif wanted.synthetic is not None:
        run = _run_synthetic(source, choice, wanted.synthetic, watch)
    else:
        run = _run_shapes(source, choice, wanted.count, watch)
    return Simulation(run, time.perf_counter() - started)


def _run_model(
    source: ModelSource, choice: Choice, feed: Feed, watch: Watch | None
) -> tuple[NetworkRun, np.ndarray, np.ndarray | None]:
    model, kind = source.model_for(choice.machine.name)
    images = _images(source, model, feed)
    inputs = quantize_images(model.image, images.seen_by(model.image))
    session, logits = classify(model, inputs, choice, watch)
    notes = [*choice.notes, f"fed the {kind} model"]
    for name, rule in model.requantizers.items():
        if _too_wide(rule, choice):
            notes.append(f"{name}: 16-bit outputs counted as words of the machine")
    trained_on = _data_source(model)
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
    return run, logits, images.labels


def classify(
    model: IntegerModel, inputs: np.ndarray, choice: Choice, watch: Watch | None = None
) -> tuple[Session, np.ndarray]:
    """Run a model whose convolutions are all computed by the machine.

    Parameters
    ----------
    model : IntegerModel
    inputs : integers as ``model.image`` makes them, shape (N, C, H, W)
    choice : Choice
    watch : called before every layer

    Returns
    -------
    session : the simulated layers
    logits : int64, shape (N, classes)
    """
    session = Session(choice.machine, choice.spec, choice.own_prices)
    total = len(model.graph.convs)

    def convolve(tensors: LayerTensors) -> np.ndarray:
        if watch is not None:
            watch(choice.machine.name, len(session.runs), total)
        psums = session.run(_as_fed(tensors, choice)).psums
        assert psums is not None
        return psums

    outputs = execute(model, inputs, convolve)
    logits = outputs[model.graph.output.name].astype(np.int64)
    return session, logits.reshape(len(inputs), -1)


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


def _run_tensors(source: TensorSource, choice: Choice, watch: Watch | None) -> NetworkRun:
    about = {"kind": "tensors", "tensors": "file", "notes": [*choice.notes, "own tensors"]}
    return _run_layers(source.name, source.layers, len(source.layers), choice, about, watch)


def _run_synthetic(
    source: ShapeSource, choice: Choice, recipe: Synthetic, watch: Watch | None
) -> NetworkRun:
    """Seeded tensors: ternary for machines with a basis, int8 for the others."""
    dense = FED.get(choice.machine.name, INT8) == INT8
    fields = {name: value for name, value in asdict(recipe).items() if value is not None}
    told = ", ".join(f"{name} {value}" for name, value in fields.items())
    about = {
        "kind": "synthetic",
        "tensors": INT8 if dense else COMPRESSED,
        "synthetic": fields,
        "network_source": source.network.source,
        "notes": [*choice.notes, f"synthetic tensors: {told}"],
    }
    layers = synthetic_layers(source.network, recipe, dense=dense)
    return _run_layers(source.name, layers, len(source.layers), choice, about, watch)


def _run_layers(
    name: str,
    layers: Iterable[LayerTensors],
    total: int,
    choice: Choice,
    about: dict[str, Any],
    watch: Watch | None,
) -> NetworkRun:
    """Layer after layer, each with tensors of its own."""
    session = Session(choice.machine, choice.spec, choice.own_prices)
    for done, tensors in enumerate(layers):
        if watch is not None:
            watch(choice.machine.name, done, total)
        session.run(tensors)
    return session.finish(name, choice.label, {"version": VERSION, **about})


def _run_shapes(source: ShapeSource, choice: Choice, count: int, watch: Watch | None) -> NetworkRun:
    if not choice.machine.eats_shapes:
        raise SourceError(
            f"{source.name}: {choice.machine.name} needs tensors, not only shapes; give a "
            "compressed folder, .npz files, or --synthetic coefficients=D,activations=D"
        )
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
    return collect(
        choice.machine,
        choice.spec,
        (run.result for run in runs),
        network=source.name,
        preset=choice.label,
        provenance=about,
        own_prices=choice.own_prices,
    )


@dataclass(frozen=True, slots=True)
class Request:
    """A source and the machines to try it on, as the command line gives them."""

    source: Source
    choices: tuple[Choice, ...]
    feed: Feed = field(default_factory=Feed)
    threads: int | None = None

    def run(self, watch: Watch | None = None) -> list[Simulation]:
        """Simulate, machine after machine."""
        with threads(self.threads):
            return [run_source(self.source, choice, self.feed, watch) for choice in self.choices]


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
