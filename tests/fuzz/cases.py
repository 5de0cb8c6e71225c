"""cases: one command per number, with an input of some kind that was spoiled; seeded."""

import gzip
import json
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import onnx

from tests.fuzz.mutate import bent, damaged, edited, near, number, value, word

SEED = 20260701
CRC_BYTES = 4


@dataclass(frozen=True)
class Place:
    """Good inputs, a folder for the spoiled one, and the case's own random numbers.

    Where ``spoiled`` is false every input stays good, and the command has to go well.
    """

    stock: Path
    folder: Path
    rng: np.random.Generator
    spoiled: bool = True

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def damaged(self, content):
        return damaged(content, self.rng) if self.spoiled else content

    def edited(self, text):
        return edited(text, self.rng) if self.spoiled else text

    def bent(self, tree):
        return bent(tree, self.rng) if self.spoiled else tree

    def spots(self, most):
        """How many places are spoiled."""
        return int(self.rng.integers(1, most + 1)) if self.spoiled else 0

    def machines(self):
        return json.loads((self.stock / "machines.json").read_text())

    def tensors(self, machine):
        name = "basis" if machine == "basis_first" and self.rng.integers(2) else "pruned"
        return self.stock / f"{name}.npz"


def machine_file(at):
    machines = at.machines()
    name = at.pick(sorted(machines))
    path = at.folder / "machine.toml"
    path.write_text(at.edited("\n".join(machines[name])))
    return ["simulate", at.tensors(name), "--machine", path]


def setting(at):
    machines = at.machines()
    name = at.pick(sorted(machines))
    fields = [line.split("=") for line in machines[name][2:]]
    found = ["simulate", at.tensors(name), "--machine", name]
    for _ in range(at.spots(2)):
        field, old = map(str.strip, at.pick(fields))
        text = at.pick((str(value(at.rng)), str(number(at.rng)), near(old, at.rng)))
        found += ["--set", f"{field}={text}"]
    return found


def sweep(at):
    path = at.folder / "sweep.toml"
    path.write_text(at.edited((at.stock / "sweep.toml").read_text()))
    return ["sweep", path, "--dry-run", "--out", at.folder / "out"]


def own_tensors(at):
    machine = at.pick(sorted(at.machines()))
    source, path = at.tensors(machine), at.folder / "layer.npz"
    if at.rng.integers(2):
        with np.load(source) as file:
            arrays = dict(file)
        np.savez(path, **bent_arrays(at, arrays))
    elif at.rng.integers(2):
        path.write_bytes(at.damaged(source.read_bytes()))
    else:  # inside the archive, which stays whole
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
            names = old.namelist()
            spoiled = at.pick(names)
            for name in names:
                data = old.read(name)
                new.writestr(name, at.damaged(data) if name == spoiled else data)
    return ["simulate", path, "--machine", machine]


def bent_arrays(at, arrays):
    """Arrays of which one has another shape, type, value, or is gone or new."""
    if not at.spoiled:
        return arrays
    arrays = dict(arrays)
    name = at.pick(sorted(arrays))
    kind, array = at.rng.integers(6), arrays[name]
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array.reshape(-1)[: at.rng.integers(array.size + 1)]
    elif kind == 2:
        arrays[name] = array.astype(at.pick(("u8", "f4", "c8", "?", "U3", "i1", "M8[s]")))
    elif kind == 3:
        arrays[at.pick(("groups", "dilation", "stride", "padding", "two_sided"))] = np.array(
            at.pick((number(at.rng), [number(at.rng)] * int(at.rng.integers(5))))
        )
    elif kind == 4:
        shape = tuple(at.rng.integers(0, 4, at.rng.integers(5)).tolist())
        arrays[name] = at.rng.integers(-300, 300, shape)
    else:
        flat = array.reshape(-1).astype(object)
        flat[at.rng.integers(flat.size)] = at.pick((2**40, -200, 999, 2**63))
        arrays[name] = np.array(flat.tolist()).reshape(array.shape)
    return arrays


def model(at):
    folder = at.folder / "model"
    shutil.copytree(at.stock / "model", folder)
    spoiled = at.pick((folder, folder / "int8"))
    path, tensors = spoiled / "manifest.json.gz", spoiled / "model.safetensors"
    manifest = json.loads(gzip.decompress(path.read_bytes()))
    if at.rng.integers(3) == 0:
        content = tensors.read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")  # behind the header, mostly
        start *= int(at.rng.integers(4) > 0)
        tensors.write_bytes(content[:start] + at.damaged(content[start:]))
        manifest["digests"][tensors.name] = blake2b(tensors.read_bytes(), digest_size=8).hexdigest()
    elif at.rng.integers(2):
        manifest |= at.bent({"nodes": manifest["nodes"]})
    else:
        manifest = at.bent(manifest)
    path.write_bytes(gzip.compress(json.dumps(manifest).encode(), mtime=0))
    return at.pick(
        (
            ["simulate", folder, "--machine", at.pick(("basis_first", "systolic"))],
            ["footprint", folder],
            ["networks", "show", spoiled],
            ["score", folder, "--images", at.stock / "pictures"],
        )
    )


def network(at):
    path = at.folder / "net.onnx"
    if at.rng.integers(3) == 0:
        path.write_bytes(at.damaged((at.stock / "net.onnx").read_bytes()))
    else:
        found = onnx.load(at.stock / "net.onnx")
        for _ in range(at.spots(2)):
            spoil_network(at, found)
        path.write_bytes(found.SerializeToString())
    return ["simulate", path, "--machine", "systolic"]


def spoil_network(at, found):
    """One attribute, name, dimension or operator changed."""
    graph, kind = found.graph, at.rng.integers(7)
    node = at.pick(graph.node)
    whole = int(at.pick((0, -1, 1, 2, 3, 7, 2**31, 2**40)))
    if kind == 0 and node.attribute:
        attribute = at.pick(node.attribute)
        if attribute.ints:
            attribute.ints[at.rng.integers(len(attribute.ints))] = whole
        else:
            attribute.i = whole
    elif kind == 1 and node.attribute:
        attribute = at.pick(node.attribute)
        attribute.name = at.pick(("dilations", "auto_pad", "ceil_mode", "axis", "", "group"))
    elif kind == 2:
        node.op_type = at.pick([each.op_type for each in graph.node] + ["Cast", "Sin", "Reshape"])
    elif kind == 3 and node.input:
        names = [each.name for each in graph.initializer] + [n.output[0] for n in graph.node]
        node.input[at.rng.integers(len(node.input))] = at.pick([*names, "", "nobody"])
    elif kind == 4:
        constant = at.pick(graph.initializer)
        constant.dims[at.rng.integers(len(constant.dims))] = whole
    elif kind == 5:
        shape = graph.input[0].type.tensor_type.shape
        shape.dim[at.rng.integers(len(shape.dim))].dim_value = whole
    else:
        graph.node.remove(node)


def topology(at):
    path = at.folder / "net.csv"
    text = (at.stock / at.pick(("net.csv", "gemm.csv"))).read_text()
    if at.rng.integers(3) == 0:
        path.write_bytes(at.damaged(text.encode()))
    else:
        rows = [line.split(",") for line in text.splitlines()]
        for _ in range(at.spots(3)):
            row = at.pick(rows)
            row[at.rng.integers(len(row))] = str(value(at.rng))
        path.write_text("\n".join(",".join(row) for row in rows))
    return ["simulate", path, "--machine", "systolic"]


def checkpoint(at):
    name = at.pick(("net.safetensors", "net.pt"))
    path = at.folder / name
    path.write_bytes(at.damaged((at.stock / name).read_bytes()))
    out = ["--out", at.folder / "out"]
    return [
        "compress", "digits_cnn", "--checkpoint", path, "--method", "int8", "--limit", "8", *out,
    ]  # fmt: skip


def pictures(at):
    folder = at.folder / "pictures"
    shutil.copytree(at.stock / "pictures", folder)
    file = at.pick(sorted(folder.rglob("*.png")))
    kind = at.rng.integers(6) if at.spoiled else None
    if kind == 0:
        file.unlink()
        os.mkfifo(file)
    elif kind == 1:
        (folder / at.pick(("loose.png", "labels.csv", "0/two.jpg"))).write_bytes(at.rng.bytes(99))
    elif kind == 2:
        shutil.rmtree(file.parent)
    elif kind == 3:
        file.unlink()
        file.symlink_to(at.pick(("/dev/zero", "nowhere", file.name)))
    else:
        file.write_bytes(at.damaged(file.read_bytes()))
    command = at.pick((["score"], ["simulate", "--machine", "systolic"]))
    return [*command, at.stock / "model", "--images", folder]


def prices(at):
    path = at.folder / "prices.toml"
    path.write_text(at.edited((at.stock / "prices.toml").read_text()))
    if at.spoiled and at.rng.integers(9) == 0:
        path = at.pick((Path("/dev/zero"), Path("/dev/null"), at.folder))
    source = at.stock / "pruned.npz"
    return ["simulate", source, "--machine", "systolic", "--energy-table", path]


def coded(at):
    path = at.folder / "floats.vbq"
    content = (at.stock / "floats.vbq").read_bytes()
    if at.rng.integers(4):
        body = at.damaged(content[:-CRC_BYTES])
        path.write_bytes(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little"))
    else:
        path.write_bytes(at.damaged(content))
    return ["decode", path, "--out", at.folder / "floats.npz"]


def results(at):
    folder = at.folder / "results"
    shutil.copytree(at.stock / "results", folder)
    path = folder / "run.json"
    if at.rng.integers(4) == 0:
        path.write_bytes(at.damaged(path.read_bytes()))
    else:
        path.write_text(json.dumps(at.bent(json.loads(path.read_text()))))
    return ["diff", at.stock / "results", folder]


def options(at):
    """Words where an option wants something."""
    source = ["simulate", at.stock / "pruned.npz", "--machine", "systolic"]
    if not at.spoiled:
        return source
    words = at.pick((str(value(at.rng)), str(number(at.rng)), word(at.rng)))
    shapes = ["simulate", at.stock / "net.csv", "--machine", "scnn"]
    floats = ["encode", at.stock / "floats.npz", "--out", at.folder / "floats.vbq"]
    return at.pick(
        (
            [*source, at.pick(("--count", "--threads", "--preset", "--machine", "--out")), words],
            [*shapes, "--synthetic", f"weights={words},activations=0.5"],
            [*shapes, "--synthetic", "weights=0.4,activations=0.5", "--seed", words],
            ["simulate", at.stock / "model", at.pick(("--images", "--count")), words],
            [*floats, at.pick(("--bytes", "--bits-per-value", "--rate-penalty")), words],
            [*floats, "--bits-per-value", "3", at.pick(("--deviation", "--longest")), words],
            ["networks", "show", words],
            ["simulate", words],
        )
    )


KINDS = (
    machine_file, setting, sweep, own_tensors, model, network, topology, checkpoint, pictures,
    prices, coded, results, options,
)  # fmt: skip


def kind_of(case):
    """What is spoiled in a case."""
    return KINDS[case % len(KINDS)]


def arguments(case, stock, folder, spoiled=True):
    """The command line of a case, its input written into ``folder``."""
    place = Place(stock, folder, np.random.default_rng([SEED, case]), spoiled)
    return [str(word) for word in kind_of(case)(place)]
