"""Is a model read back exactly as saved, never half overwritten, and is anything else refused?"""

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from escalate.errors import CheckpointError
from escalate.integers.integer import predict
from escalate.store import model_file
from escalate.store.model_file import bytes_on_disk, load, load_about, save
from tests.workloads.models import every_operator, random_graph, random_integers
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.execute import execute, quantize_images
from workloads.graph import Graph, Node
from workloads.integer import ImageQuantizer

FILES = ("manifest.json.gz", "model.safetensors", "provenance.json")


def a_model(seed=0):
    return random_integers(np.random.default_rng(seed), every_operator())


def assert_equal(found, wanted):
    assert found.graph == wanted.graph
    assert dict(found.rescales) == dict(wanted.rescales)
    assert dict(found.bounds) == dict(wanted.bounds)
    assert dataclasses.astuple(found.image) == dataclasses.astuple(wanted.image)
    assert found.output_scale == wanted.output_scale
    assert dict(found.provenance) == dict(wanted.provenance)
    assert found.weights.keys() == wanted.weights.keys()
    for name, layer in wanted.weights.items():
        for field in ("weights", "basis", "coefficients", "alpha"):
            assert_same_array(getattr(found.convs[name].weights, field), getattr(layer, field))
        assert found.convs[name].weights.two_sided == layer.two_sided
        ours, theirs = found.convs[name].requantizer, wanted.convs[name].requantizer
        assert_same_array(ours.multiplier, theirs.multiplier)
        assert_same_array(ours.bias, theirs.bias)
        assert (ours.shift, ours.low, ours.high) == (theirs.shift, theirs.low, theirs.high)


def assert_same_array(found, wanted):
    if wanted is None:
        assert found is None
    else:
        assert found.dtype == wanted.dtype
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_model_is_read_back_exactly(tmp_path, seed):
    model = a_model(seed)
    save(model, tmp_path / "new" / "folder")
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(FILES)
    assert_equal(load(tmp_path / "new" / "folder"), model)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_random_models_are_read_back_exactly(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    model = random_integers(rng, random_graph(rng))
    folder = tmp_path_factory.mktemp("model")
    save(model, folder)
    assert_equal(load(folder), model)


def test_a_model_that_was_read_back_computes_the_same(tmp_path):
    model = a_model()
    save(model, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 11)).astype(np.uint8)
    wanted = execute(model, quantize_images(model.image, pixels), convolve)["linear"]
    found = load(tmp_path)
    np.testing.assert_array_equal(
        execute(found, quantize_images(found.image, pixels), convolve)["linear"], wanted
    )
    np.testing.assert_array_equal(predict(found, pixels), wanted[:, :, 0, 0])


finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, exclude_min=True, allow_infinity=False)


@settings(deadline=None, max_examples=60)
@given(positive, finite, positive, positive)
def test_floats_keep_every_bit(tmp_path_factory, scale, mean, maximum, output):
    nodes = (
        Node("input", "input", (), (1, 1, 1)),
        Node("relu", "relu", ("input",), (1, 1, 1), relu=True, maximum=maximum),
    )
    model = dataclasses.replace(
        random_integers(np.random.default_rng(0), Graph("net", nodes)),
        image=ImageQuantizer(scale, (mean,), (1 / 3,), 0.1, 0, 255, (1, 1)),
        output_scale=output,
    )
    folder = tmp_path_factory.mktemp("model")
    save(model, folder)
    found = load(folder)
    assert dataclasses.astuple(found.image) == dataclasses.astuple(model.image)
    assert found.output_scale == output
    assert found.graph["relu"].maximum == maximum


def stored_as(model, name, coding):
    conv = dataclasses.replace(model.convs[name], coding=coding)
    return dataclasses.replace(model, convs={**model.convs, name: conv})


def test_storage_formats_are_chosen_by_layer(tmp_path):
    model = next(
        m for m in map(a_model, range(20)) if m.convs["linear"].weights.coefficients is not None
    )
    save(stored_as(model, "linear", "two_bit"), tmp_path)
    manifest = read_manifest(tmp_path)
    by_name = {entry["name"]: entry for entry in manifest["nodes"]}
    coefficients = model.convs["linear"].weights.coefficients
    assert by_name["linear"]["coding"] == "two_bit"
    assert by_name["linear"]["payload"] == -(-coefficients.size // 4)
    assert_equal(load(tmp_path), model)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save(a_model(), tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_size_counts_what_decoding_needs(tmp_path):
    model = dataclasses.replace(a_model(), provenance={"note": "x" * 5000})
    save(model, tmp_path)
    parts = [(tmp_path / name).stat().st_size for name in FILES[:2]]
    assert bytes_on_disk(tmp_path) == sum(parts)
    assert sum(parts) < 5000


def test_provenance_is_not_needed(tmp_path):
    save(a_model(), tmp_path)
    (tmp_path / "provenance.json").unlink()
    assert load(tmp_path).provenance == {}


def test_loading_does_not_import_torch(tmp_path):
    save(a_model(), tmp_path)
    code = (
        "import sys; from escalate.store.model_file import load; load(sys.argv[1]);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    save(a_model(0), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    save(a_model(1), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert_equal(load(tmp_path), a_model(1))


class Killed(BaseException):
    """A process that ends at once."""


@pytest.mark.parametrize("step", range(6))
def test_a_save_that_is_cut_off_leaves_a_whole_model(tmp_path, monkeypatch, step):
    """Three files are written, then three renamed: cut off before each of the six steps."""
    old, new, third = a_model(0), a_model(1), a_model(2)
    save(old, tmp_path)
    steps = iter(range(6))

    def counted(function):
        def call(*arguments):
            if next(steps) == step:
                raise Killed
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(model_file, "_write", counted(model_file._write))
        patch.setattr(os, "replace", counted(os.replace))
        with pytest.raises(Killed):
            save(new, tmp_path)
    survivor = old if step <= 3 else new
    assert_equal(load(tmp_path), survivor)
    assert bytes_on_disk(tmp_path) > 0

    def refuse(*arguments):
        raise Killed

    with monkeypatch.context() as patch:  # a second save cut off right behind its first file
        write = model_file._write
        patch.setattr(os, "fsync", refuse) if step == 5 else patch.setattr(
            model_file, "_write", lambda *a: [write(*a), refuse()]
        )
        with pytest.raises(Killed):
            save(third, tmp_path)
    assert_equal(load(tmp_path), survivor)
    save(third, tmp_path)
    assert_equal(load(tmp_path), third)
    assert sorted(os.listdir(tmp_path)) == sorted(FILES)


def edit(folder, **changes):
    """Change top-level fields of the manifest; ``nodes`` is a function of the list."""
    manifest = read_manifest(folder)
    for field, change in changes.items():
        if callable(change):
            change(manifest[field])
        else:
            manifest[field] = change
    (folder / "manifest.json.gz").write_bytes(gzip.compress(json.dumps(manifest).encode()))


def read_manifest(folder):
    return json.loads(gzip.decompress((folder / "manifest.json.gz").read_bytes()))


def retensor(folder, change):
    """Change the tensors and the digest that the manifest holds of them."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    redigest(folder)


def redigest(folder):
    content = (folder / "model.safetensors").read_bytes()
    edit(folder, digests=lambda d: d.update({"model.safetensors": model_file._digest(content)}))


def set_in(position, **fields):
    return lambda nodes: nodes[position].update(fields)


def drop_in(position, field):
    return lambda nodes: nodes[position].pop(field)


def pooling(position, **attributes):
    """Change attributes of a node; None takes one away."""

    def change(nodes):
        found = nodes[position]["attributes"] | attributes
        nodes[position]["attributes"] = {k: v for k, v in found.items() if v is not None}

    return change


WIDE = [10**9, 0, 0, 0]
BAD_OPERATORS = {
    "two kernels": (pooling(12, kernel=[3]), r"max: kernel is \[3\], wanted 2 integers 1..65536"),
    "no stride": (pooling(12, stride=None), "max: stride is None, wanted 2 integers"),
    "zero stride": (pooling(12, stride=[0, 1]), r"max: stride is \[0, 1\], wanted 2 integers 1"),
    "true": (pooling(12, kernel=[True, 2]), r"max: kernel is \[True, 2\], wanted 2 integers"),
    "wide padding": (pooling(12, padding=WIDE), r"max: padding is \[1000000000, 0, 0, 0\], wa"),
    "only padding": (pooling(13, padding=[0, 2, 1, 0]), "mean: padding is .*less than the kernel"),
    "large kernel": (pooling(13, kernel=[9, 9]), "mean: kernel is .* padded input is smaller"),
    "unknown": (pooling(13, ceil=1), "mean: unknown attribute 'ceil', allowed are kernel, stride"),
    "no tops": (pooling(12, rows=[1, 2], lefts=[0]), "max: rows without tops and lefts"),
    "no lefts": (pooling(13, tops=[0], rows=[1]), "mean: padding is .* wanted 0 and 1 beside tops"),
    "windows": (
        pooling(13, tops=[0], rows=[1], lefts=[0, 1], columns=[1], padding=[0] * 4),
        "mean: 2 lefts and 1 columns, wanted one of each for each window",
    ),
    "window outside": (
        pooling(13, tops=[1], rows=[2], lefts=[0], columns=[1], padding=[0] * 4),
        "mean: a window has 2 rows from 1 on, wanted at most 2 and inside the 2 of the plane",
    ),
    "no attribute": (set_in(10, attributes={"slope": 0.1}), "relu: unknown .*, allowed are none"),
    "shape": (set_in(12, shape=[7, 3, 5]), r"max: shape is \(7, 3, 5\), wanted \(7, 2, 5\)"),
    "size": (set_in(12, shape=[7, 0, 5]), r"max: shape\.1 is 0: input should be greater than"),
    "axis": (pooling(2, axis=4), "rows: takes 0..8 of axis 4, its operand is"),
    "backwards": (pooling(2, step=-1), "rows: step is -1, wanted an integer 1..65536"),
    "negative pad": (pooling(4, padding=[-2, 6, 0, 0, 0, 0]), "widen: padding is .*6 integers 0.."),
    "planes": (set_in(9, inputs=[7, 8, 0]), "concat: operands of shapes .*, wanted equal planes"),
    "one addend": (set_in(6, inputs=[5]), "add: reads 1 nodes, wanted 2"),
    "rescales": (set_in(6, rescales=[[1, 0]]), "add: has 1 rescales, wanted 2"),
    "rescale": (set_in(6, rescales=[[1, 0], [1, 63]]), r"add: rescales\.1\.1 is 63: input sh"),
    "bounds": (set_in(6, bounds=[5, -5]), r"add: bounds are 5\.\.-5, wanted a range"),
    "no bounds": (drop_in(10, "bounds"), "relu: bounds and op disagree"),
    "conv padding": (
        set_in(1, kernel={"K": 4, "R": 3, "S": 3, "padding": WIDE}),
        r"first: kernel\.padding\.0 is 1000000000: input should be less than or equal to 65536",
    ),
    "scale of signs": (set_in(1, two_sided=[0, 1]), r"first: two_sided\.0 is 0: input should be"),
    "text": (set_in(1, kernel="3x3"), "first: kernel is '3x3': input should be"),
}
BAD_MANIFESTS = {
    **{name: ({"nodes": change}, message) for name, (change, message) in BAD_OPERATORS.items()},
    "image": (
        {"image": lambda image: image.update(mean=[0.5])},
        "image: 1 means and 3 deviations of size .*, wanted those of input",
    ),
    "foreign": (
        {"format": "other"},
        "manifest.json.gz: format is 'other', wanted 'escalate-model'",
    ),
    "newer": ({"version": 3}, "manifest.json.gz: version is 3, wanted 2"),
    "unknown field": ({"extra": 1}, "manifest.json.gz: extra is 1: extra inputs are not permitted"),
    "wrong type": (
        {"output_scale": "x"},
        "manifest.json.gz: output_scale is 'x': input should be a valid",
    ),
    "no input": ({"nodes": lambda n: n.pop(0)}, "first: a convolution of 0 operands, wanted 1"),
    "unknown operator": (
        {"nodes": set_in(5, op="mix")},
        "manifest.json.gz: strided: op is 'mix': input should be 'add', 'affine', 'avg_pool', ",
    ),
    "later operand": (
        {"nodes": set_in(6, inputs=[7, 1])},
        r"manifest.json.gz: add: reads node 7, wanted one of 0\.\.5",
    ),
    "no kernel": ({"nodes": drop_in(1, "kernel")}, "first: kernel and op disagree"),
    "no requantizer": (
        {"nodes": drop_in(1, "requantizer")},
        "first: requantizer and op disagree",
    ),
    "no shape": ({"nodes": drop_in(2, "shape")}, "rows: shape and op disagree"),
    "negative basis": (
        {"nodes": set_in(1, basis=-1)},
        "first: basis is -1: input should be greater than",
    ),
    "two operands": (
        {"nodes": set_in(5, inputs=[0, 1])},
        "strided: a convolution of 2 operands, wanted 1",
    ),
    "impossible layer": (
        {"nodes": set_in(1, kernel={"K": 0})},
        "manifest.json.gz: first: kernel.K is 0: input should be greater than",
    ),
    "repeated name": ({"nodes": set_in(4, name="rows")}, "node name 'rows' appears twice"),
    "no rescales": ({"nodes": drop_in(6, "rescales")}, "add: has no rescales, wanted 2"),
    "shift": (
        {"nodes": set_in(1, requantizer=[99, 0, 255])},
        r"first: requantizer\.0 is 99: input should be less than or equal to 62",
    ),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_bad_manifests_are_named(tmp_path, case):
    changes, message = BAD_MANIFESTS[case]
    save(a_model(), tmp_path)
    edit(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", FILES[:2])
def test_missing_files_are_named(tmp_path, file):
    save(a_model(), tmp_path)
    (tmp_path / file).unlink()
    for read in (load, bytes_on_disk):
        with pytest.raises(CheckpointError, match=f"{file}: .*[Nn]o such file"):
            read(tmp_path)


@pytest.mark.parametrize("file", FILES[1:])
def test_torn_files_are_named(tmp_path, file):
    save(a_model(), tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[:-1])
    with pytest.raises(CheckpointError, match=f"{file}: is torn, or not of the same save as"):
        load(tmp_path)


def test_a_torn_manifest_is_named(tmp_path):
    save(a_model(), tmp_path)
    path = tmp_path / "manifest.json.gz"
    content = path.read_bytes()
    for torn in (content[:100], content[:5], b"[1]"):
        path.write_bytes(torn)
        with pytest.raises(CheckpointError, match=r"manifest\.json\.gz: is torn or no gzip file"):
            load(tmp_path)
    path.write_bytes(gzip.compress(b"[1]"))
    with pytest.raises(CheckpointError, match=r"json\.gz: holds a list, wanted an object"):
        load(tmp_path)
    path.write_bytes(gzip.compress(b"\xff\xfe\x00"))
    with pytest.raises(CheckpointError, match=r"json\.gz: is no JSON: "):
        load(tmp_path)


def test_truncated_safetensors_are_named(tmp_path):
    save(a_model(), tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    redigest(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: is no whole safetensors file"):
        load(tmp_path)


BAD_TENSORS = {
    "dtype": (
        lambda t: t.update(layers=t["layers"].astype(np.int64)),
        r"model\.safetensors: tensor layers is int64 \(\d+,\), wanted a uint8 vector",
    ),
    "shape": (
        lambda t: t.update(layers=t["layers"].reshape(1, -1)),
        r"tensor layers is uint8 \(1, \d+\), wanted a uint8 vector",
    ),
    "missing": (lambda t: t.pop("layers"), "tensor layers is missing, wanted a uint8 vector"),
    "unknown": (lambda t: t.update(more=np.zeros(1)), "tensor more is unknown"),
    "short": (lambda t: t.update(layers=t["layers"][:-9]), r"model\.safetensors: \w+: "),
    "long": (
        lambda t: t.update(layers=np.append(t["layers"], np.uint8(0))),
        r"model\.safetensors: holds \d+ bytes, its layers end at \d+",
    ),
    "payload": (
        lambda t: t.update(layers=np.full_like(t["layers"], 255)),
        r"model\.safetensors: \w+: payload ",
    ),
}


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_bad_tensors_are_named(tmp_path, case):
    change, message = BAD_TENSORS[case]
    save(a_model(), tmp_path)
    retensor(tmp_path, change)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


def test_unknown_storage_formats_are_refused(tmp_path):
    model = a_model()
    ternary = next(name for name, v in model.weights.items() if v.coefficients is not None)
    with pytest.raises(WorkloadError, match="storage format 'zip' is unknown"):
        save(stored_as(model, ternary, "zip"), tmp_path)
    assert not os.listdir(tmp_path)


def test_a_foreign_manifest_is_left_alone(tmp_path):
    foreign = gzip.compress(b'{"name": "a web page"}')
    (tmp_path / "manifest.json.gz").write_bytes(foreign)
    with pytest.raises(CheckpointError, match=r"manifest\.json\.gz: format is None, wanted"):
        save(a_model(), tmp_path)
    assert (tmp_path / "manifest.json.gz").read_bytes() == foreign


def test_a_manifest_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    save(a_model(), tmp_path)
    monkeypatch.setattr(model_file, "LARGEST_MANIFEST", 100)
    with pytest.raises(CheckpointError, match=r"manifest\.json\.gz: holds more than 100 bytes"):
        load(tmp_path)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    message = re.escape(f"{tmp_path / 'taken'}: cannot be written: File exists")
    with pytest.raises(CheckpointError, match=message):
        save(a_model(), tmp_path / "taken")
    with pytest.raises(
        CheckpointError, match=r"manifest\.json\.gz: cannot be read: Not a directory"
    ):
        load(tmp_path / "taken")


@pytest.mark.parametrize("value", [{1}, float("nan")])
def test_provenance_must_be_json(tmp_path, value):
    model = dataclasses.replace(a_model(), provenance={"seed": value})
    with pytest.raises(CheckpointError, match=r"provenance\.json: .*JSON"):
        save(model, tmp_path)


def with_pool_attribute(**attributes):
    model = a_model()
    nodes = [
        dataclasses.replace(n, attributes={**n.attributes, **attributes}) if n.name == "max" else n
        for n in model.graph.nodes
    ]
    return dataclasses.replace(model, graph=Graph("every", tuple(nodes)))


def test_graphs_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="the graph of every cannot be stored exactly"):
        save(with_pool_attribute(kernel=(3, 2)), tmp_path)


def test_numbers_that_json_cannot_hold_are_refused(tmp_path):
    model = dataclasses.replace(a_model(), output_scale=float("inf"))
    with pytest.raises(CheckpointError, match=r"manifest\.json\.gz: output_scale is inf: .*finite"):
        save(model, tmp_path)


def test_what_a_model_is_can_be_read_without_its_numbers(tmp_path, monkeypatch):
    model = a_model()
    save(model, tmp_path)
    monkeypatch.setattr(model_file, "_assemble", None)  # nothing is decoded
    about = load_about(tmp_path)
    assert about.graph == model.graph
    assert about.image.size == model.image.size
    assert dict(about.provenance) == dict(model.provenance)
    tensors = tmp_path / model_file.TENSORS
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="torn, or not of the same save"):
        load_about(tmp_path)
