"""A compressed model on disk: ``model.safetensors``, ``manifest.json``, ``provenance.json``.

All tensors of a kind are stored as one vector, layer behind layer in execution order, because a
safetensors header costs some 90 bytes per tensor and every byte that decoding needs counts.
"""

import json
import math
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from escalate import formats
from escalate.errors import CheckpointError
from escalate.manifest import CODING, FORMAT, VERSION, Entry, Manifest, describe, image_quantizer
from workloads.errors import WorkloadError
from workloads.graph import Graph, Node
from workloads.integer import IntegerModel, Rescale
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights

TENSORS, MANIFEST, PROVENANCE = "model.safetensors", "manifest.json", "provenance.json"
NEXT = ".next"
KINDS: Mapping[str, type[np.generic]] = {
    "weights": np.int8,
    "basis": np.int8,
    "coefficients": np.uint8,
    "multipliers": np.int32,
    "biases": np.int32,
}


def save(model: IntegerModel, folder: str | Path, codings: Mapping[str, str] | None = None) -> None:
    """Write a model; a model that is there already stays whole until the new one is complete.

    The new tensors go to ``model.safetensors.next``; replacing the manifest, which knows the
    tensors' digest, is the one step that switches models.  Other files are left alone.

    Parameters
    ----------
    model : IntegerModel
    folder : made if it is not there
    codings : storage format of the coefficients by layer; ``bitmap`` for layers not named

    Raises
    ------
    CheckpointError
        If the folder cannot be written or holds a foreign manifest, a format is unknown, the
        provenance is no JSON, or the model would not be read back exactly (a node attribute that
        JSON cannot hold).
    """
    folder = Path(folder)
    tensors, payloads, used = _pack(model, codings or {})
    provenance = _provenance_bytes(model, folder)
    digests = {TENSORS: _digest(tensors), PROVENANCE: _digest(provenance)}
    try:
        manifest = describe(model, digests, payloads, used).dump()
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
    provenance: dict[str, object] = {}
    if (folder / PROVENANCE).exists() or (folder / (PROVENANCE + NEXT)).exists():
        path = _matching(folder, PROVENANCE, digests)
        provenance = _json_object(_read(path), path)
    return _assemble(content, tensors, provenance, folder)


def bytes_on_disk(folder: str | Path) -> int:
    """Bytes that decoding needs: ``model.safetensors`` and ``manifest.json``."""
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
        return path.read_bytes()
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


def _manifest(content: bytes, folder: Path) -> Manifest:
    path = folder / MANIFEST
    head = _json_object(content, path)
    if head.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format is {head.get('format')!r}, wanted {FORMAT!r}")
    if head.get("version") != VERSION:
        raise CheckpointError(f"{path}: version is {head.get('version')!r}, wanted {VERSION}")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise CheckpointError(f"{path}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    """The first of pydantic's findings in one line, behind the field's place."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


def _provenance_bytes(model: IntegerModel, folder: Path) -> bytes:
    try:
        return json.dumps(dict(model.provenance), indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / PROVENANCE}: {error}") from error


def _pack(
    model: IntegerModel, codings: Mapping[str, str]
) -> tuple[bytes, dict[str, int], dict[str, str]]:
    """The tensor file, and per ternary layer the encoded bytes and the storage format."""
    parts: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    payloads, used = {}, {}
    for node in model.graph.convs:
        layer, requantizer = model.layers[node.name], model.requantizers[node.name]
        arrays = {
            "weights": layer.weights,
            "basis": layer.basis,
            "multipliers": requantizer.multiplier,
            "biases": requantizer.bias,
        }
        if layer.coefficients is not None:
            used[node.name] = codings.get(node.name, CODING)
            payload = formats.get(used[node.name]).encode(layer.coefficients)
            arrays["coefficients"], payloads[node.name] = payload, payload.size
        for kind, array in arrays.items():
            if array is not None:
                parts[kind].append(array.reshape(-1))
    vectors = {kind: np.concatenate(arrays) for kind, arrays in parts.items() if arrays}
    return dump_tensors(vectors), payloads, used


def _shapes(node: Node, entry: Entry) -> dict[str, tuple[int, ...]]:
    """The arrays of a layer as stored, in no matter what order: kind to shape."""
    layer = node.layer
    assert layer is not None
    shapes: dict[str, tuple[int, ...]] = {"multipliers": (layer.K,), "biases": (layer.K,)}
    if entry.payload is None:
        shapes["weights"] = layer.weight_shape
    else:
        shapes["coefficients"] = (entry.payload,)
    if entry.basis is not None:
        shapes["basis"] = (entry.basis, layer.R, layer.S)
    return shapes


def _vectors(content: bytes, totals: Mapping[str, int], path: Path) -> dict[str, np.ndarray]:
    """The stored vectors, one per kind, checked against the sizes that the manifest implies."""
    try:
        vectors = load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: is no whole safetensors file: {error}") from error
    for kind in vectors:
        if kind not in KINDS:
            raise CheckpointError(f"{path}: tensor {kind} is unknown")
    for kind, dtype in KINDS.items():
        vector = vectors.setdefault(kind, np.zeros(0, dtype))
        if vector.dtype != dtype or vector.shape != (totals[kind],):
            raise CheckpointError(
                f"{path}: tensor {kind} is {vector.dtype} {vector.shape}, "
                f"wanted {np.dtype(dtype)} {(totals[kind],)}"
            )
    return vectors


def _unpack(
    graph: Graph, entries: Mapping[str, Entry], content: bytes, path: Path
) -> dict[str, dict[str, np.ndarray]]:
    """Per convolution its arrays by kind, coefficients still encoded."""
    shapes = {node.name: _shapes(node, entries[node.name]) for node in graph.convs}
    totals = {
        kind: sum(math.prod(layer[kind]) for layer in shapes.values() if kind in layer)
        for kind in KINDS
    }
    vectors = _vectors(content, totals, path)
    place = dict.fromkeys(KINDS, 0)
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for name, layer in shapes.items():
        arrays[name] = {}
        for kind, shape in layer.items():
            start, place[kind] = place[kind], place[kind] + math.prod(shape)
            arrays[name][kind] = vectors[kind][start : place[kind]].reshape(shape)
    return arrays


def _layer_weights(
    node: Node, entry: Entry, arrays: Mapping[str, np.ndarray], path: Path
) -> LayerWeights:
    if entry.payload is None:
        return LayerWeights(weights=arrays["weights"], basis=arrays.get("basis"))
    assert node.layer is not None
    shape = (node.layer.K, node.layer.channels_per_group, entry.basis or 1)
    try:
        coefficients = formats.get(entry.coding).decode(arrays["coefficients"], shape)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {node.name}: {error}") from error
    return LayerWeights(basis=arrays.get("basis"), coefficients=coefficients)


def _requantizer(entry: Entry, arrays: Mapping[str, np.ndarray]) -> Requantizer:
    assert entry.requantizer is not None
    try:
        return Requantizer(arrays["multipliers"], arrays["biases"], *entry.requantizer)
    except WorkloadError as error:
        raise WorkloadError(f"{entry.name}: {error}") from error


def _assemble(
    content: bytes, tensors: bytes, provenance: Mapping[str, object], folder: Path
) -> IntegerModel:
    """The model of a manifest's and a tensor file's bytes."""
    manifest = _manifest(content, folder)
    layers, requantizers = {}, {}
    try:
        graph = manifest.graph()
        entries = {entry.name: entry for entry in manifest.nodes}
        arrays = _unpack(graph, entries, tensors, folder / TENSORS)
        for node in graph.convs:
            entry, parts = entries[node.name], arrays[node.name]
            layers[node.name] = _layer_weights(node, entry, parts, folder / TENSORS)
            requantizers[node.name] = _requantizer(entry, parts)
        return IntegerModel(
            graph=graph,
            layers=layers,
            requantizers=requantizers,
            rescales={
                name: tuple(Rescale(*pair) for pair in entry.rescales)
                for name, entry in entries.items()
                if entry.rescales is not None
            },
            bounds={n: e.bounds for n, e in entries.items() if e.bounds is not None},
            image=image_quantizer(manifest.image),
            output_scale=manifest.output_scale,
            provenance=provenance,
        )
    except CheckpointError:
        raise
    except (WorkloadError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: {error}") from error
