"""stock: good inputs of every kind, made once; each case spoils one of them."""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

PRICES = """
[[price]]
component = "dram"
action = "byte"
pJ = 99.6
source = "a data sheet"

[[price]]
component = "pe"
action = "multiply"
pJ = 0.1
source = "another one"
machine = "systolic"
"""
SWEEP = """
networks = ["{network}"]
machines = ["systolic", "scnn"]
mode = "grid"
seed = [0, 1]
count = 1

[synthetic]
weights = [0.3, 0.5]
activations = 0.4

[set.systolic]
rows = [8, 16]

[set.scnn]
pe_rows = 4
pe_columns = [2, 4]
"""
HEADING = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, \
Num Filter, Strides,
"""
TOPOLOGY = f"""{HEADING}conv1, 12, 12, 3, 3, 3, 8, 1,
conv2, 10, 10, 3, 3, 8, 16, 2,
fc, 1, 1, 1, 1, 64, 10, 1,
"""
PRODUCTS = "Layer, M, N, K,\nfc1, 4, 10, 32,\nfc2, 1, 5, 10,\n"


def command(*arguments):
    """Run a command that must go well; what it printed."""
    from escalate.cli.main import main

    told = io.StringIO()
    sys.argv = ["escalate", "--quiet", *map(str, arguments)]
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        main()
    return told.getvalue()


def make(folder: Path) -> None:
    """Fill a folder with good inputs; kernels of all machines are compiled on the way."""
    from escalate.app.demo_network import demo_network

    arrays(folder)
    network(folder / "net.onnx")
    pictures(folder / "pictures")
    (folder / "prices.toml").write_text(PRICES)
    (folder / "sweep.toml").write_text(SWEEP.format(network=folder / "net.csv"))
    (folder / "net.csv").write_text(TOPOLOGY)
    (folder / "gemm.csv").write_text(PRODUCTS)
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    state = demo_network(0).state_dict()
    save_file(state, folder / "net.safetensors")
    torch.save({"state_dict": state}, folder / "net.pt")
    model = folder / "model"
    command("compress", "digits_cnn", "--epochs", 0, "--limit", 32, "--out", model)
    out = folder / "results"
    command("simulate", folder / "pruned.npz", "--machine", "scnn", "--out", out)
    command("encode", folder / "floats.npz", "--rate-penalty", 1e-3, "--out", folder / "floats.vbq")
    command("simulate", folder / "basis.npz", "--machine", "basis_first")
    for name in ("basis_first", "systolic"):
        command("simulate", model, "--machine", name)
    machines = {}
    for row in json.loads(command("machines", "--format", "json"))["machines"]:
        name = row["machine"]
        text = command("machines", "show", name)
        machines[name] = [line.split("  #")[0] for line in text.splitlines() if "=" in line]
        command("simulate", folder / "pruned.npz", "--machine", name)
    (folder / "machines.json").write_text(json.dumps(machines))


def arrays(folder):
    """Own tensors of both forms, and floats."""
    rng = np.random.default_rng(0)
    common = {"activations": rng.integers(0, 9, (3, 8, 8)), "padding": np.array(1)}
    weights = rng.integers(-3, 4, (4, 3, 3, 3))
    np.savez(folder / "pruned.npz", weights=weights, stride=np.array(1), **common)
    np.savez(
        folder / "basis.npz",
        basis=rng.integers(-9, 9, (2, 3, 3)),
        coefficients=rng.integers(-1, 2, (4, 3, 2)),
        alpha=rng.integers(1, 9, (4, 2)),
        **common,
    )
    np.savez(folder / "floats.npz", a=rng.normal(size=(20, 5)), b=rng.normal(size=7))


def pictures(folder):
    """Grey squares of ten classes."""
    rng = np.random.default_rng(1)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        pixels = rng.integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / str(label) / "one.png")


def network(path):
    """A small ONNX file with one of each kind of operator."""
    rng = np.random.default_rng(2)
    shapes = {"w1": (4, 3, 3, 3), "b1": (4,), "w2": (4, 1, 3, 3), "w3": (10, 4), "b3": (10,)}
    constants = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], group=4, pads=[1, 1, 1, 1], strides=[1, 1]),
        helper.make_node("Add", ["c2", "p1"], ["a1"]),
        helper.make_node("AveragePool", ["a1"], ["p2"], kernel_shape=[4, 4], pads=[0, 0, 0, 0]),
        helper.make_node("Flatten", ["p2"], ["f1"], axis=1),
        helper.make_node("Gemm", ["f1", "w3", "b3"], ["y"], transB=1, alpha=1.0),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
