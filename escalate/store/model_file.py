"""A compressed model on disk: ``model.safetensors``, ``manifest.json.gz``, ``provenance.json``.

Everything of a layer is encoded into one vector of bytes, layer behind layer in execution order:
coefficients in their storage format or 8-bit weights, basis, alpha, multipliers, biases.  A
safetensors header costs some 90 bytes per tensor, and every byte that decoding needs counts; so
does the manifest, which is therefore compressed (``zcat`` shows it).
"""

import gzip
import json
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from escalate.errors import CheckpointError
from escalate.store.manifest import (
    FORMAT,
    VERSION,
    Entry,
    Manifest,
    arrays_of,
    describe,
    image_quantizer,
)
from workloads import formats
from workloads.errors import WorkloadError
from workloads.formats import numbers
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel, Rescale
from workloads.number import shown
from workloads.read_file import read_bytes
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

TENSORS, MANIFEST, PROVENANCE = "model.safetensors", "manifest.json.gz", "provenance.json"
LARGEST_MANIFEST = 1 << 26  # bytes of its JSON
NEXT = ".next"
STREAM = "layers"
LAYER_SQNR = "layer_sqnr_db"  # where provenance keeps what each layer loses on its own


def save(model: IntegerModel, folder: str | Path) -> None:
    """Write a model; a model that is there already stays whole until the new one is complete.

    The new tensors go to ``model.safetensors.next``; replacing the manifest, which knows the
    tensors' digest, is the one step that switches models.  Other files are left alone.

    Parameters
    ----------
    model : IntegerModel
    folder : made if it is not there

    Raises
    ------
    CheckpointError
        If the folder cannot be written or holds a foreign manifest, a format is unknown, the
        provenance is no JSON, or the model would not be read back exactly (a node attribute that
        JSON cannot hold).
    """
    folder = Path(folder)
    tensors = _pack(model)
    provenance = _provenance_bytes(model, folder)
    digests = {TENSORS: _digest(tensors), PROVENANCE: _digest(provenance)}
    try:
        manifest = _shrink(describe(model, digests).dump())
    except ValidationError as error:
        raise CheckpointError(f"{folder / MANIFEST}: {_first(error)}") from error
    if _assemble(manifest, tensors, {}, folder).graph != model.graph:
        raise CheckpointError(f"{folder}: the graph of {model.graph.name} cannot be stored exactly")
    _finish_earlier(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / (TENSORS + NEXT), tensors)
        _write(folder / (PROVENANCE + NEXT), provenance)
        _write(folder / (MANIFEST + NEXT), manifest)
        for name in (MANIFEST, TENSORS, PROVENANCE):
            os.replace(folder / (name + NEXT), folder / name)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror}") from error


def load(folder: str | Path) -> IntegerModel:
    """Read a model, every array and field as it was saved; torch is not imported.

    Raises
    ------
    CheckpointError
        For a missing, torn, foreign or newer file, and tensors that are not what the manifest
        says; the one line names file and field.
    """
    folder = Path(folder)
    content = _read(folder / MANIFEST)
    digests = _manifest(content, folder).digests
    tensors = _read(_matching(folder, TENSORS, digests))
    return _assemble(content, tensors, load_provenance(folder), folder)


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """A stored model without its integers: graph, image quantizer, and its origin."""

    graph: Graph
    image: ImageQuantizer
    provenance: Mapping[str, object]


def load_about(folder: str | Path) -> About:
    """What a model is, its tensors checked against their digest but not decoded.

    Raises
    ------
    CheckpointError
        As for ``load``, for all but the tensors' numbers.
    """
    folder = Path(folder)
    manifest = _manifest(_read(folder / MANIFEST), folder)
    _matching(folder, TENSORS, manifest.digests)
    try:
        graph = manifest.graph()
    except (WorkloadError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: {error}") from error
    return About(graph, image_quantizer(manifest.image), load_provenance(folder))


def load_provenance(folder: str | Path) -> dict[str, object]:
    """What a model says about its origin; nothing where the file is gone.

    Raises
    ------
    CheckpointError
        As for ``load``.
    """
    folder = Path(folder)
    if not any((folder / name).exists() for name in (PROVENANCE, PROVENANCE + NEXT)):
        return {}
    digests = _manifest(_read(folder / MANIFEST), folder).digests
    path = _matching(folder, PROVENANCE, digests)
    return _json_object(_read(path), path)


def packed_size(model: IntegerModel) -> int:
    """Bytes that a model would take on disk, as ``bytes_on_disk`` counts them."""
    tensors = _pack(model)
    provenance = _provenance_bytes(model, Path())
    digests = {TENSORS: _digest(tensors), PROVENANCE: _digest(provenance)}
    return len(tensors) + len(_shrink(describe(model, digests).dump()))


def bytes_on_disk(folder: str | Path) -> int:
    """Bytes that decoding needs: ``model.safetensors`` and ``manifest.json.gz``."""
    folder = Path(folder)
    content = _read(folder / MANIFEST)
    path = _matching(folder, TENSORS, _manifest(content, folder).digests)
    return len(content) + path.stat().st_size


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def _finish_earlier(folder: Path) -> None:
    """Rename files that an interrupted save left as ``.next``, if the manifest is theirs."""
    if not (folder / MANIFEST).exists():
        return
    digests = _manifest(_read(folder / MANIFEST), folder).digests
    for name in (TENSORS, PROVENANCE):
        path = folder / (name + NEXT)
        if path.exists() and _digest(_read(path)) == digests.get(name):
            os.replace(path, folder / name)


def _matching(folder: Path, name: str, digests: Mapping[str, str]) -> Path:
    """The file of that name, or its successor where saving was cut off after the switch."""
    candidates = [folder / name, folder / (name + NEXT)]
    for path in candidates:
        if path.exists() and _digest(_read(path)) == digests.get(name):
            return path
    if not candidates[0].exists():
        raise CheckpointError(f"{candidates[0]}: no such file")
    raise CheckpointError(f"{candidates[0]}: is torn, or not of the same save as {MANIFEST}")


def _json_object(content: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise CheckpointError(f"{path}: is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: holds a {type(value).__name__}, wanted an object")
    return value


def _shrink(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def _grow(content: bytes, path: Path) -> bytes:
    try:
        found = gzip.GzipFile(fileobj=BytesIO(content)).read(LARGEST_MANIFEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CheckpointError(f"{path}: is torn or no gzip file: {error}") from error
    if len(found) > LARGEST_MANIFEST:
        raise CheckpointError(f"{path}: holds more than {LARGEST_MANIFEST} bytes of JSON")
    return found


def _manifest(content: bytes, folder: Path) -> Manifest:
    path = folder / MANIFEST
    content = _grow(content, path)
    head = _json_object(content, path)
    if head.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format is {head.get('format')!r}, wanted {FORMAT!r}")
    if head.get("version") != VERSION:
        raise CheckpointError(f"{path}: version is {head.get('version')!r}, wanted {VERSION}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise CheckpointError(f"{path}: {_first(error, head)}") from error


def _first(error: ValidationError, head: Mapping[str, Any] | None = None) -> str:
    """The first of pydantic's findings in one line: the layer, the field, its value, the rule."""
    first = error.errors(include_url=False)[0]
    where = list(first["loc"])
    if head is not None and where[0] == "nodes" and len(where) > 1:
        node = head["nodes"][where[1]]
        name = node.get("name") if isinstance(node, dict) else None
        where[:2] = [name] if isinstance(name, str) else [f"nodes.{where[1]}"]
    layer = f"{where.pop(0)}: " if len(where) > 1 else ""
    place = ".".join(map(str, where))
    problem = first["msg"].removeprefix("Value error, ")
    if not place or first["type"] in ("missing", "value_error"):
        return f"{layer}{place}: {problem}" if place else problem
    return f"{layer}{place} is {shown(first['input'])}: {problem[0].lower()}{problem[1:]}"


def _provenance_bytes(model: IntegerModel, folder: Path) -> bytes:
    try:
        return json.dumps(dict(model.provenance), indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / PROVENANCE}: {error}") from error


def _pack(model: IntegerModel) -> bytes:
    """The tensor file."""
    convs = [model.convs[node.name] for node in model.graph.convs]
    parts = [
        part for conv in convs for part in (conv.payload, conv.weights.encoded_basis(), conv.rule)
    ]
    return dump_tensors({STREAM: np.concatenate([np.zeros(0, np.uint8), *parts])})


def _stream(content: bytes, path: Path) -> np.ndarray:
    """The one vector in which everything is stored, layer behind layer."""
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: is no whole safetensors file: {error}") from error
    for name in tensors:
        if name != STREAM:
            raise CheckpointError(f"{path}: tensor {name} is unknown")
    stream = tensors.get(STREAM)
    if stream is None or stream.dtype != np.uint8 or stream.ndim != 1:
        found = "missing" if stream is None else f"{stream.dtype} {stream.shape}"
        raise CheckpointError(f"{path}: tensor {STREAM} is {found}, wanted a uint8 vector")
    return stream


class _Reader:
    """Arrays from the stream, one behind the other."""

    def __init__(self, stream: np.ndarray) -> None:
        self.stream, self.place = stream, 0

    def numbers(self, shape: tuple[int, ...], dtype: type[np.integer]) -> np.ndarray:
        """The next array of that shape, refused where a number does not fit the type."""
        values, self.place = numbers.decode(self.stream, self.place, math.prod(shape))
        limits = np.iinfo(dtype)
        if values.size and not limits.min <= values.min() <= values.max() <= limits.max:
            raise WorkloadError(f"holds {values.min()}..{values.max()}, wanted {limits.dtype}")
        return values.astype(dtype).reshape(shape)

    def bytes(self, count: int) -> np.ndarray:
        """The next so many bytes."""
        self.place += count
        if self.place > self.stream.size:
            raise WorkloadError(f"ends at byte {self.stream.size}, wanted at least {self.place}")
        return self.stream[self.place - count : self.place]


def _conv(node: Node, entry: Entry, reader: _Reader) -> ConvIntegers:
    """One convolution's integers, which come next in the stream."""
    layer, weights, coefficients, basis, alpha = node.layer, None, None, None, None
    assert layer is not None
    assert entry.requantizer is not None
    kernels = entry.basis or 1
    if entry.payload is None:
        weights = reader.numbers(layer.weight_shape, np.int8)
    else:
        payload = reader.bytes(entry.payload)
        shape = (layer.K, layer.channels_per_group, kernels)
        coefficients = formats.get(entry.coding).decode(payload, shape)
    if entry.basis is not None:
        basis = reader.numbers((kernels, layer.R, layer.S), np.int8)
    if entry.alpha:
        alpha = reader.numbers((layer.K, kernels), np.uint8)
    multiplier, bias = (reader.numbers((layer.K,), np.int32) for _ in "mb")
    found = LayerWeights(weights, basis, coefficients, alpha, entry.two_sided)
    rule = Requantizer(multiplier, bias, *entry.requantizer)
    return ConvIntegers(found, rule, entry.coding, entry.macs)


def _assemble(
    content: bytes, tensors: bytes, provenance: Mapping[str, object], folder: Path
) -> IntegerModel:
    """The model of a manifest's and a tensor file's bytes."""
    manifest = _manifest(content, folder)
    convs = {}
    try:
        graph = manifest.graph()
        entries = {entry.name: entry for entry in manifest.nodes}
        reader = _Reader(_stream(tensors, folder / TENSORS))
        for node in graph.convs:
            try:
                convs[node.name] = _conv(node, entries[node.name], reader)
            except WorkloadError as error:
                raise CheckpointError(f"{folder / TENSORS}: {node.name}: {error}") from error
        if reader.place != reader.stream.size:
            raise CheckpointError(
                f"{folder / TENSORS}: holds {reader.stream.size} bytes, "
                f"its layers end at {reader.place}"
            )
        return IntegerModel(
            graph=graph,
            convs=convs,
            rescales={
                name: tuple(Rescale(*pair) for pair in entry.rescales)
                for name, entry in entries.items()
                if entry.rescales is not None
            },
            bounds={n: e.bounds for n, e in entries.items() if e.bounds is not None},
            image=image_quantizer(manifest.image),
            output_scale=manifest.output_scale,
            provenance=provenance,
            arrays={n: arrays_of(e) for n, e in entries.items() if e.arrays is not None},
        )
    except CheckpointError:
        raise
    except (WorkloadError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: {error}") from error
