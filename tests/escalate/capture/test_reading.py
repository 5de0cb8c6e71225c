"""Is what a network leaves open settled by options: the size of its input, one of its outputs?"""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.simulate import simulate
from escalate.app.sources import resolve
from escalate.app.sweep import planned
from escalate.capture.answer import only_tensor
from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.capture.reading import Reading, reading_of
from escalate.errors import CaptureError, FrontEndError
from escalate.store.model_file import load
from tests.escalate.capture.onnx_builder import Builder
from tests.escalate.capture.test_onnx_module import pictures

MACS = [12 * 20 * 4 * 27, 4 * 2]


def headed(path, *, sizes=("h", "w"), batch="n", ending="Softmax"):
    """A file of two outputs, of which one ends in a softmax; its input's sizes are symbols."""
    b = Builder()
    x = b.add("Relu", b.conv("image", 3, 4, 3, pads=[1] * 4))
    x = b.add("Reshape", b.add("GlobalAveragePool", x), b.tensor(np.array([-1, 4])))
    first = b.add(ending, b.add("Gemm", x, b.floats(4, 2)))
    other = b.add("Gemm", x, b.floats(4, 5))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        b.nodes,
        "net",
        [value("image", TensorProto.FLOAT, [batch, 3, *sizes])],
        [value(each, TensorProto.FLOAT, None) for each in (first, other)],
        b.tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path, first, other


def test_open_sizes_are_bound(tmp_path):
    path, first, _ = headed(tmp_path / "net.onnx")
    reading = Reading((3, 12, 20), first)
    module = OnnxModule(path, reading)
    assert (module.sizes, module.shape) == ((3, None, None), (3, 12, 20))
    assert resolve([str(path)], reading).layers[0].H == 12
    found = simulate(path, machine="systolic", input="3x12x20", output=first)
    assert found["macs"].tolist() == MACS
    with pytest.raises(
        FrontEndError, match=r"leaves H, W of its input open, wanted --input CxHxW, such as --inp"
    ):
        simulate(path, machine="systolic", output=first)
    data = Data(str(pictures(tmp_path / "images", (30, 25))))
    with pytest.raises(CaptureError, match=r"net\.onnx: leaves H, W of its input open, wanted --i"):
        compress(str(path), data=data, out=tmp_path / "out", method="int8", output=first)
    with pytest.raises(CaptureError, match=r"of 3 x H x W, --input is 1 x 12 x 20"):
        OnnxModule(path, Reading((1, 12, 20), first))


def test_a_crop_binds_what_is_open(tmp_path):
    path, first, _ = headed(tmp_path / "net.onnx")
    data = Data(str(pictures(tmp_path / "images", (30, 25))), size=(12, 20))
    made = compress(str(path), data=data, out=tmp_path / "out", method="int8", output=first)
    assert simulate(made, machine="systolic")["macs"].tolist() == MACS
    other, first, _ = headed(tmp_path / "other.onnx", sizes=("h", 21))
    with pytest.raises(CaptureError, match=r"of 3 x H x 21, --input is 3 x 12 x 20"):
        compress(str(other), data=data, out=tmp_path / "out", method="int8", output=first)


def test_a_file_for_so_many_images_takes_others(tmp_path):
    path, first, _ = headed(tmp_path / "net.onnx", batch=4, sizes=(12, 20))
    network = capture(OnnxModule(path, Reading(None, first)), torch.zeros(1, 3, 12, 20), "net")
    assert network.graph.output.shape == (2, 1, 1)


@pytest.mark.parametrize("text", ["3x224", "axbxc", "3x0x8", "3x8x99999", "", "3x8x8x8"])
def test_sizes_that_cannot_be_are_refused(text):
    with pytest.raises(CaptureError, match=r"--input .*: wanted --input CxHxW, such as --input 3x"):
        reading_of(text)
    assert reading_of((3, 8, 9), "a") == Reading((3, 8, 9), "a")


def test_one_of_several_outputs_of_a_file(tmp_path):
    path, first, other = headed(tmp_path / "net.onnx", sizes=(12, 20))
    with pytest.raises(CaptureError, match=rf"returns 2 tensors, wanted one: --output {first} or"):
        OnnxModule(path)
    with pytest.raises(CaptureError, match=rf"returns no x, wanted --output {first} or {other}$"):
        OnnxModule(path, Reading(None, "x"))
    found = capture(OnnxModule(path, Reading(None, other)), torch.zeros(1, 3, 12, 20), "net")
    assert (found.graph.output.shape, found.notes) == ((5, 1, 1), ())


def test_what_an_unwanted_output_needs_is_not_read(tmp_path):
    path, _, other = headed(tmp_path / "net.onnx", sizes=(12, 20), ending="Hardmax")
    assert len(resolve([str(path)], Reading(None, other)).layers) == 2


class Heads(nn.Module):
    """Two answers, wrapped by a function."""

    def __init__(self, wrap):
        super().__init__()
        self.body, self.wrap = nn.Conv2d(3, 4, 3, padding=1), wrap
        self.first, self.other = nn.Linear(4, 2), nn.Linear(4, 5)

    def forward(self, x):
        x = torch.relu(self.body(x)).mean((2, 3))
        return self.wrap(self.first(x).softmax(1), self.other(x))


WRAPS = {
    "tuple": (lambda a, b: (a, b), "0", "1"),
    "list": (lambda a, b: [a, b, None, 3], "0", "1"),
    "dict": (lambda a, b: {"aux": b, "out": a}, "out", "aux"),
    "nested": (lambda a, b: {"maps": (b, [a])}, "maps.1.0", "maps.0"),
}


@pytest.mark.parametrize("kind", WRAPS)
def test_one_of_several_outputs_of_a_module(kind, tmp_path):
    wrap, first, other = WRAPS[kind]
    torch.manual_seed(1)
    module, data = Heads(wrap), Data(str(pictures(tmp_path / "images", (30, 25))))
    names = " or ".join(sorted((first, other))) if kind != "nested" else f"{other} or {first}"
    with pytest.raises(CaptureError, match=f"returns 2 tensors, wanted one: --output {names}"):
        compress(module, data=data, out=tmp_path / "out", method="int8", input="3x12x20")
    answer = module(torch.zeros(1, 3, 8, 8))
    assert only_tensor(answer, "net", other).shape == (1, 5)
    made = compress(
        module, data=data, out=tmp_path / "out", method="int8", input="3x12x20", output=first
    )
    model = load(made.folder)
    assert (model.image.size, model.provenance["output"]) == ((12, 20), first)
    assert made.int8.sqnr_db > 25  # in front of the softmax
    notes = json.loads(simulate(made, machine="systolic")["provenance_json"][0])["notes"]
    assert {f"output {first}", "softmax at the end is left out"} <= set(notes)


@pytest.mark.parametrize("ending", [lambda y: y.argmax(1), lambda y: y.topk(2).indices])
def test_answers_that_are_no_numbers_are_left_out(ending, tmp_path):
    class Picks(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv2d(1, 10, 3)

        def forward(self, x):
            return ending(self.c(x).mean((2, 3)))

    torch.manual_seed(0)
    made = compress(
        Picks(), data=Data("digits", limit=64), out=tmp_path / "out", method="int8", name="net"
    )
    assert made.int8.sqnr_db > 20
    assert any("at the end is left out" in note for note in made.notes)


def test_top_k_at_the_end_of_a_file(tmp_path):
    b = Builder(size=(8, 8))
    x = b.add("Flatten", b.add("GlobalAveragePool", b.conv("image", 3, 6, 3)))
    b.nodes.append(helper.make_node("TopK", [x, b.tensor(np.array([2]))], ["best", "which"]))
    network = capture(
        OnnxModule(b.save(tmp_path / "net.onnx", "which")), torch.zeros(1, 3, 8, 8), "n"
    )
    assert (network.notes, network.left_out) == (("topk at the end is left out",), True)
    assert network.graph.output.shape == (6, 1, 1)


def test_options_of_files_go_with_files(tmp_path):
    with pytest.raises(FrontEndError, match=r"--input: goes with an \.onnx file, resnet18 is none"):
        simulate("resnet18", machine="systolic", input="3x8x8")


def test_a_sweep_takes_the_options(tmp_path):
    path, _, other = headed(tmp_path / "net.onnx")
    file = tmp_path / "sweep.toml"
    words = f'networks = ["{path}"]\nmachines = ["systolic"]\noutput = "{other}"\n'
    file.write_text(words + 'input = "3x12x20"\n')
    assert len(planned(file).found.points) == 1
    file.write_text(words)
    with pytest.raises(FrontEndError, match="leaves H, W of its input open, wanted --input"):
        planned(file)
