"""interchange: a source's layers as files of other simulators, SCALE-Sim's and Timeloop's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from escalate.app.fed_images import told_network
from escalate.app.results import NewFolder
from escalate.app.sources import ModelSource, Source, SourceError, TensorSource
from workloads.layer import ConvLayer
from workloads.timeloop import problem
from workloads.topology import sayable, topology_text


@dataclass(frozen=True, slots=True)
class Shown:
    """The layers of a source; ``images`` and ``densities`` by layer, as far as they are known.

    ``notes`` tell how its network was read.
    """

    name: str
    summary: str
    source: str
    layers: tuple[ConvLayer, ...]
    images: Mapping[str, int]
    densities: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...] = ()


def shown(source: Source) -> Shown:
    """The layers of any source.

    A compressed folder shows the shapes that it stores, and the densities of its 8-bit weights.
    """
    if isinstance(source, ModelSource):
        return _model(source)
    if isinstance(source, TensorSource):
        tensors = source.layers
        return Shown(
            source.name,
            "own tensors",
            "files",
            tuple(each.layer for each in tensors),
            {each.layer.name: each.images for each in tensors},
            {
                each.layer.name: {
                    "Weights": _density(each.dense_weights()),
                    "Inputs": _density(each.activations),
                }
                for each in tensors
            },
        )
    network = source.network
    about = (source.name, network.summary, network.source)
    return Shown(*about, source.layers, {}, {}, source.notes)


def _model(source: ModelSource) -> Shown:
    from escalate.store.model_file import load

    model = load(source.folder)
    weights = {
        name: each.weights for name, each in model.weights.items() if each.weights is not None
    }
    densities = {name: {"Weights": _density(array)} for name, array in weights.items()}
    about = (source.name, "as stored", str(source.folder))
    notes = tuple(told_network(model))
    return Shown(*about, model.graph.layers, {}, densities, notes)


def _density(values: np.ndarray) -> float:
    return float(np.count_nonzero(values) / values.size)


def scalesim(found: Shown) -> tuple[str, tuple[str, ...]]:
    """A topology CSV, and notes on what the format could not say.

    Raises
    ------
    WorkloadError
        Naming a layer that the format cannot say at all.
    """
    said = sayable(found.layers)
    batch = sorted({count for count in found.images.values() if count > 1})
    told = [f"{', '.join(map(str, batch))} images: the format has no batch"] if batch else []
    return topology_text(said.layers), (*said.notes, *told)


def timeloop(found: Shown) -> dict[str, str]:
    """One problem per layer, by the name of its file."""
    width = len(str(len(found.layers)))
    return {
        f"{number:0{width}d}_{re.sub('[^A-Za-z0-9._-]', '_', layer.name)}.yaml": problem(
            layer,
            images=found.images.get(layer.name, 1),
            densities=found.densities.get(layer.name),
        )
        for number, layer in enumerate(found.layers, 1)
    }


def write_folder(files: Mapping[str, str], target: Path) -> None:
    """Write files into a new or empty folder, all or none.

    Raises
    ------
    SourceError
        If something is in the way.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SourceError(f"--out {target}: is there already, wanted a new or an empty folder")
    with NewFolder(target, ()) as folder:
        for name, text in files.items():
            (folder / name).write_text(text, "utf-8")


def documents(files: Mapping[str, str]) -> str:
    """All files as one YAML text of several documents."""
    return "---\n".join(files.values())
