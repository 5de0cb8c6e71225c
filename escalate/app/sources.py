"""sources: what SOURCE stands for: a compressed folder, own tensors, or a network's shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from escalate.app import networks
from escalate.errors import FrontEndError
from workloads.layer import ConvLayer
from workloads.network import Network, unconnected

if TYPE_CHECKING:
    from workloads.integer import IntegerModel
    from workloads.tensors import LayerTensors

MANIFEST = "manifest.json.gz"
INT8 = "int8"  # subfolder of a compressed model that holds the same network in plain 8 bits
COMPRESSED = "compressed"

# which of the two models of a compressed folder a machine is fed
FED: Mapping[str, str] = {"basis_first": COMPRESSED, "systolic": INT8}


class SourceError(FrontEndError):
    """Something that is no network, folder or file we can read."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A compressed model folder; it classifies images."""

    name: str
    folder: Path

    def model_for(self, machine: str) -> "tuple[IntegerModel, str]":
        """The model that ``machine`` is fed, and its kind, ``compressed`` or ``int8``.

        Raises
        ------
        SourceError
            If the folder lacks that model.
        CheckpointError
            If it cannot be read.
        """
        from escalate.model_file import load

        kind = FED.get(machine, INT8)
        folder = self.folder if kind == COMPRESSED else self.folder / INT8
        if not (folder / MANIFEST).is_file():
            raise SourceError(
                f"{self.folder}: {machine} is fed the plain 8-bit network, "
                f"but there is no {INT8}/{MANIFEST}; `escalate compress` writes it"
            )
        return load(folder), kind


@dataclass(frozen=True, slots=True)
class TensorSource:
    """Layers with a user's own integers."""

    name: str
    layers: "tuple[LayerTensors, ...]"


@dataclass(frozen=True, slots=True)
class ShapeSource:
    """A network known by the shapes of its layers, which synthetic tensors may fill."""

    name: str
    network: Network

    @property
    def layers(self) -> tuple[ConvLayer, ...]:
        """The layers' shapes."""
        return self.network.shapes


Source = ModelSource | TensorSource | ShapeSource


def understood() -> str:
    """The kinds of sources, for error messages."""
    return (
        "wanted a compressed model folder, .npz files of own tensors, a topology .csv, "
        f"an .onnx file, or a network: {', '.join(networks.names())}"
    )


def _onnx_shapes(path: Path) -> ShapeSource:
    """The layers of an ONNX file; its weights are left out, ``compress`` takes them."""
    import torch

    from escalate.capture import capture
    from escalate.onnx_module import OnnxModule

    module = OnnxModule(path)
    if module.shape is None:
        raise SourceError(f"{path}: leaves the size of its input open, wanted numbers")
    graph = capture(module, torch.zeros(1, *module.shape), path.stem).graph
    layers = tuple(node.layer for node in graph.convs if node.layer is not None)
    return ShapeSource(path.stem, unconnected(path.stem, layers, str(path)))


def resolve(texts: Sequence[str]) -> Source:
    """Find out what the words on the command line stand for.

    Raises
    ------
    SourceError
        Listing what is understood.
    WorkloadError
        If a file is of the right kind and holds what it should not.
    """
    if not texts:
        raise SourceError(f"SOURCE missing, {understood()}")
    if len(texts) > 1:
        for text in texts:
            if not text.endswith(".npz"):
                raise SourceError(f"{text}: several sources at once must all be .npz files")
    first = Path(texts[0])
    if texts[0].endswith(".npz"):
        from workloads.own_tensors import read_own_tensors

        name = first.stem if len(texts) == 1 else f"{first.stem} and {len(texts) - 1} more"
        return TensorSource(name, read_own_tensors([Path(text) for text in texts]))
    if texts[0].endswith(".csv"):
        from workloads.topology import read_topology

        name, layers = read_topology(first)
        return ShapeSource(name, unconnected(name, layers, str(first)))
    if texts[0].endswith(".onnx"):
        return _onnx_shapes(first)
    if first.is_dir():
        if not (first / MANIFEST).is_file():
            raise SourceError(f"{first}: a folder without {MANIFEST}, {understood()}")
        return ModelSource(first.resolve().name, first)
    if texts[0] in networks.names():
        return ShapeSource(texts[0], networks.network(texts[0]))
    raise SourceError(f"{texts[0]}: no such network, folder or file, {understood()}")
