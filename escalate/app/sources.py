"""sources: what SOURCE stands for: a compressed folder, own tensors, or a network's shapes."""

import atexit
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from arch.machine import machine as known_machine
from escalate.app import networks
from escalate.compressors.registry import FIRST, compressor, compressor_names
from escalate.errors import FrontEndError
from workloads.layer import ConvLayer
from workloads.network import Network, unconnected
from workloads.read_file import why_unread

if TYPE_CHECKING:
    from escalate.capture.reading import Reading
    from escalate.store.model_file import About
    from workloads.integer import IntegerModel
    from workloads.tensors import LayerTensors

MANIFEST = "manifest.json.gz"
INT8 = "int8"  # subfolder of a compressed model that holds the same network in plain 8 bits
COMPRESSED = compressor(FIRST).kind


class SourceError(FrontEndError):
    """Something that is no network, folder or file we can read."""


def fed_form(machine: str) -> str:
    """Which form of a network a machine is fed: coefficients of a basis, or 8-bit weights.

    Examples
    --------
    >>> fed_form("basis_first"), fed_form("scnn")
    ('compressed', 'int8')
    """
    return COMPRESSED if known_machine(machine).eats_basis else INT8


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A folder that ``compress`` wrote; its models classify images.

    Parameters
    ----------
    name : as listed
    folder : a compressed model with plain 8 bits beside it, or one of 8-bit weights alone
    beside : a folder with the same network in 8-bit weights, for machines without a basis
    """

    name: str
    folder: Path
    beside: Path | None = None

    def model_for(self, machine: str) -> "tuple[IntegerModel, str]":
        """The model that ``machine`` is fed, and its kind.

        Machines with a basis are fed the ``compressed`` model.  The others are fed 8-bit weights:
        the model ``beside`` where there is one, else the plain ``int8`` one.  A folder whose own
        model is of 8-bit weights serves all machines.

        Raises
        ------
        SourceError
            If the folder lacks that model.
        CheckpointError
            If it cannot be read.
        """
        from escalate.store.model_file import load

        folder, kind = self._fed(machine)
        return load(folder), kind

    def about_for(self, machine: str) -> "tuple[About, str]":
        """What that model is, without its integers, and its kind; errors as for ``model_for``."""
        from escalate.store.model_file import load_about

        folder, kind = self._fed(machine)
        return load_about(folder), kind

    def _fed(self, machine: str) -> tuple[Path, str]:
        """Folder and kind of the model that a machine is fed, which is there."""
        folder, kind = self.fed_as(fed_form(machine))
        if not (folder / MANIFEST).is_file():
            raise SourceError(
                f"{self.folder}: {machine} is fed the plain 8-bit network, "
                f"but there is no {INT8}/{MANIFEST}; `escalate compress` writes it"
            )
        return folder, kind

    def bytes_for(self, machine: str) -> int:
        """Bytes on disk of the model that ``machine`` is fed."""
        from escalate.store.model_file import bytes_on_disk

        return bytes_on_disk(self.fed_as(fed_form(machine))[0])

    def fed_as(self, form: str) -> tuple[Path, str]:
        """Folder and kind of the model that is fed to machines of that form."""
        if form == INT8 and self.beside is not None:
            return self.beside, kind_of(self.beside)
        own = kind_of(self.folder)
        if own != COMPRESSED:
            return self.folder, own
        return (self.folder, COMPRESSED) if form == COMPRESSED else (self.folder / INT8, INT8)


@dataclass(frozen=True, slots=True)
class TensorSource:
    """Layers with a user's own integers."""

    name: str
    layers: "tuple[LayerTensors, ...]"


@dataclass(frozen=True, slots=True)
class ShapeSource:
    """A network known by the shapes of its layers, which synthetic tensors may fill.

    ``notes`` tell what of a file is no part of it.
    """

    name: str
    network: Network
    notes: tuple[str, ...] = ()

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


def _onnx_shapes(path: Path, reading: "Reading | None") -> ShapeSource:
    """The layers of an ONNX file; its weights are left out, as there are no images to run."""
    import torch

    from escalate.capture.export import capture
    from escalate.capture.onnx_module import OnnxModule, left_open
    from escalate.train.file_ranges import told_ranges

    module = OnnxModule(path, reading)
    if module.shape is None:
        raise SourceError(left_open(module))
    found = capture(module, torch.zeros(1, *module.shape), path.stem)
    notes = (*found.notes, *told_ranges(found))
    return ShapeSource(path.stem, unconnected(path.stem, found.graph.layers, str(path)), notes)


def _onnx_model(path: Path, reading: "Reading | None", images: str) -> ModelSource:
    """An ONNX file in 8 bits, calibrated on images unless it brings its ranges.

    The model lies in a folder that goes when the program ends.
    """
    from escalate.app.compress import compress

    folder = Path(mkdtemp(prefix="escalate-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    size, output = (None, None) if reading is None else (reading.input, reading.output)
    out, method = folder / path.stem, INT8
    compress(str(path), data=images, out=out, input=size, output=output, method=method)
    return ModelSource(path.stem, folder / path.stem)


def _about(folder: Path) -> dict[str, object]:
    from escalate.store.model_file import load_provenance

    return load_provenance(folder)


def kind_of(folder: Path) -> str:
    """What the folder's own model is, by the method that made it.

    Raises
    ------
    SourceError
        If that method is not installed.
    """
    named = str(_about(folder).get("method") or FIRST)
    if named not in compressor_names():
        raise SourceError(f"{folder}: was made by {named!r}, a method that is not installed")
    method = compressor(named)
    return COMPRESSED if method.basis else method.kind


def network_of(folder: Path) -> str | None:
    """Digest of the trained network that a folder's model was made from, if it says so."""
    if not (folder / MANIFEST).is_file():
        return None
    found = _about(folder).get("network_sha256")
    return None if found is None else str(found)


def told_form(model: "IntegerModel", kind: str) -> list[str]:
    """What there is to say about the form that a machine is fed."""
    if kind == COMPRESSED:
        found = (
            ", ".join(
                sorted(
                    {c.coding for c in model.convs.values() if c.weights.coefficients is not None}
                )
            )
            or "none"
        )
        return [f"coefficients in DRAM are {found}; decoding them costs nothing"]
    if kind != INT8:
        arrays = [each.weights for each in model.weights.values() if each.weights is not None]
        share = sum(int((array != 0).sum()) for array in arrays) / sum(a.size for a in arrays)
        return [f"8-bit weights, {100 * share:.1f} % of them not 0, layers kept whole included"]
    return []


def model_source(folder: Path) -> ModelSource:
    """A compressed model's folder.

    Raises
    ------
    SourceError
        If it is none.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder, wanted one that `escalate compress` wrote")
    if not (folder / MANIFEST).is_file():
        raise SourceError(f"{folder}: a folder without {MANIFEST}, {understood()}")
    return ModelSource(folder.resolve().name, folder)


def _paired(models: Sequence[ModelSource]) -> ModelSource:
    """A model with a basis, and the same network without for the machines that are not fed it."""
    kinds = [kind_of(model.folder) for model in models]
    if len(models) != 2 or kinds.count(COMPRESSED) != 1:
        told = ", ".join(f"{m.folder} ({kind})" for m, kind in zip(models, kinds, strict=True))
        raise SourceError(
            f"{told}: wanted one folder of method escalate, which has a basis, and one of a method "
            "without"
        )
    model, beside = models if kinds[0] == COMPRESSED else reversed(models)
    if len({network_of(each.folder) for each in models}) > 1:
        raise SourceError(f"{beside.folder}: was not made from the network of {model.folder}")
    return replace(model, beside=beside.folder)


def is_file_to_read(text: str) -> bool:
    """Whether a word is a network's own file, which may leave something open."""
    return text.endswith(".onnx")


def resolve(
    texts: Sequence[str], reading: "Reading | None" = None, images: str | None = None
) -> Source:
    """Find out what the words on the command line stand for.

    Parameters
    ----------
    texts : the words
    reading : of an ONNX file
    images : with which an ONNX file becomes a model in 8 bits; without them it gives its shapes

    Raises
    ------
    SourceError
        Listing what is understood.
    WorkloadError
        If a file is of the right kind and holds what it should not.
    """
    if not texts:
        raise SourceError(f"SOURCE missing, {understood()}")
    if len(texts) > 1 and all(Path(text).is_dir() for text in texts):
        return _paired([model_source(Path(text)) for text in texts])
    if len(texts) > 1:
        for text in texts:
            if not text.endswith(".npz"):
                raise SourceError(
                    f"{text}: several sources at once must all be .npz files, or be a compressed "
                    "model folder and one without a basis"
                )
    first = Path(texts[0])
    if reading is not None and reading.given and not is_file_to_read(texts[0]):
        raise SourceError(f"{reading.given}: goes with an .onnx file, {texts[0]} is none")
    if texts[0].endswith(".npz"):
        from workloads.own_tensors import read_own_tensors

        name = first.stem if len(texts) == 1 else f"{first.stem} and {len(texts) - 1} more"
        return TensorSource(name, read_own_tensors([Path(text) for text in texts]))
    if texts[0].endswith(".csv"):
        from workloads.topology import read_topology

        name, layers = read_topology(first)
        return ShapeSource(name, unconnected(name, layers, str(first)))
    if is_file_to_read(texts[0]):
        if images is None:
            return _onnx_shapes(first, reading)
        return _onnx_model(first, reading, images)
    if first.is_dir():
        return model_source(first)
    if texts[0] in networks.names():
        return ShapeSource(texts[0], networks.network(texts[0]))
    what = "no such network, folder or file"
    if first.exists():
        what = why_unread(first) or "is a file of no kind that is read"
    raise SourceError(f"{texts[0]}: {what}, {understood()}")
