"""Is an ONNX file captured as the network that ONNX's own evaluator runs, and all else refused?"""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from PIL import Image

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.simulate import simulate
from escalate.app.sources import resolve
from escalate.capture.export import capture
from escalate.capture.onnx_module import LATEST_OPSET, OnnxModule
from escalate.capture.operators import onnx as onnx_operators
from escalate.errors import CaptureError
from tests.escalate.capture.onnx_builder import Builder, assert_same


def test_a_residual_network_with_an_option_a_shortcut(tmp_path):
    b = Builder(size=(8, 8))
    x = b.add("Relu", b.norm(b.conv("image", 3, 8, 3, pads=[1, 1, 1, 1]), 8))
    y = b.add("Relu", b.norm(b.conv(x, 8, 16, 3, strides=[2, 2], pads=[1, 1, 1, 1]), 16))
    y = b.norm(b.conv(y, 16, 16, 3, pads=[1, 1, 1, 1]), 16)
    starts, ends, axes, steps = (b.tensor(np.array(v)) for v in ([0, 0], [8, 8], [2, 3], [2, 2]))
    short = b.add("Slice", x, starts, ends, axes, steps)
    short = b.add("Pad", short, b.tensor(np.array([0, 4, 0, 0, 0, 4, 0, 0])))
    z = b.add("Relu", b.add("Add", y, short))
    z = b.add("Flatten", b.add("GlobalAveragePool", z))
    out = b.add("Gemm", z, b.floats(10, 16), b.floats(10), transB=1)
    network = assert_same(b.save(tmp_path / "net.onnx", out), b)
    assert [node.op for node in network.graph.nodes].count("conv") == 4
    assert network.linear_parameters == 170
    assert network.graph.convs[0].name == "conv_0"


def test_a_mobile_network(tmp_path):
    b = Builder()
    x = b.add(
        "Conv", "image", b.floats(8, 3, 3, 3), b.floats(8), strides=[2, 2], auto_pad="SAME_UPPER"
    )
    x = b.add("Clip", x, b.tensor(np.float32(0)), b.tensor(np.float32(6)))
    y = b.norm(b.conv(x, 8, 8, 3, group=8, pads=[0, 0, 1, 1], auto_pad="NOTSET"), 8)
    y = b.conv(b.add("Relu", y), 8, 4, 1)
    pooled = b.add("MaxPool", x, kernel_shape=[2, 2])
    y = b.add("Concat", y, b.add("AveragePool", x, kernel_shape=[2, 2]), pooled, axis=1)
    y = b.add("ReduceMean", y, axes=[2, 3], keepdims=0)
    out = b.add("MatMul", y, b.floats(20, 5))
    network = assert_same(b.save(tmp_path / "net.onnx", out), b)
    assert network.graph["conv_0"].layer.padding == (1, 1, 1, 1)
    assert network.graph["conv_0"].maximum == 6.0


def test_same_padding_of_even_sizes_is_asymmetric(tmp_path):
    for auto, padding in (("SAME_UPPER", (0, 1, 0, 1)), ("SAME_LOWER", (1, 0, 1, 0))):
        b = Builder(size=(8, 8))
        out = b.add("Conv", "image", b.floats(4, 3, 3, 3), strides=[2, 2], auto_pad=auto)
        network = assert_same(b.save(tmp_path / f"{auto}.onnx", out), b)
        assert network.graph.convs[0].layer.padding == padding


def test_a_reshape_whose_sizes_the_file_computes(tmp_path):
    b = Builder()
    x = b.conv("image", 3, 4, 3)
    count = b.add("Gather", b.add("Shape", x), b.tensor(np.array(0)))
    count = b.add("Unsqueeze", count, b.tensor(np.array([0])))
    sizes = b.add("Concat", count, b.tensor(np.array([-1])), axis=0)
    out = b.add("Gemm", b.add("Reshape", x, sizes), b.floats(4 * 7 * 9, 6))
    assert_same(b.save(tmp_path / "net.onnx", out), b)


def test_a_file_for_one_image_takes_several(tmp_path):
    b = Builder()
    x = b.add("Reshape", b.conv("image", 3, 2, 3), b.tensor(np.array([1, 126])))
    path = b.save(tmp_path / "net.onnx", b.add("Gemm", x, b.floats(126, 3)), batch=1)
    module = OnnxModule(path)
    assert module.shape == (3, 9, 11)
    assert capture(module, torch.zeros(4, 3, 9, 11), "net").graph.output.shape == (3, 1, 1)


def refused(tmp_path, b, out, message):
    path = b.save(tmp_path / "net.onnx", out)
    with pytest.raises(CaptureError, match=message) as caught:
        capture(OnnxModule(path), torch.zeros(1, *b.shape), "net")
    assert "\n" not in str(caught.value)


def test_an_unsupported_operator_is_named_with_its_place(tmp_path):
    b = Builder()
    refused(tmp_path, b, b.add("Hardmax", "image"), r"net\.onnx: Hardmax at /hardmax/0: not a supp")


def test_computed_weights_are_refused(tmp_path):
    b = Builder()
    x = b.conv("image", 3, 3, 3)
    refused(tmp_path, b, b.add("Conv", "image", x), r"Conv at /conv/1: v0 is computed")


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("Flatten", {"axis": 2}, "Flatten at .*: axis is 2, wanted 1"),
        (
            "AveragePool",
            {"kernel_shape": [2, 7], "dilations": [2, 2]},
            "the kernel reaches over 13, the padded plane has 11",
        ),
        ("AveragePool", {"kernel_shape": [2]}, r"kernel_shape is \[2\], wanted two whole numbers"),
        ("AveragePool", {}, "attribute kernel_shape is missing"),
        (
            "MaxPool",
            {"kernel_shape": [2, 2], "strides": [0, 1]},
            r"strides is \[0, 1\], wanted two",
        ),
        ("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "X"}, "auto_pad is 'X', wanted NOTSET or"),
        (
            "AveragePool",
            {"kernel_shape": [1, 1], "strides": [3, 1], "auto_pad": "SAME_UPPER"},
            "stride 3 and a kernel of 1 leaves out .* pixels, and runtimes disagree",
        ),
        ("Cast", {"to": TensorProto.INT32}, "Cast at .*: to is INT32, which cuts off fractions"),
        ("Cast", {}, "attribute to is missing"),
        ("ReduceMean", {}, "ReduceMean at .*: axes are missing"),
        ("Clip", {"min": float("nan")}, "min is nan, wanted a number"),
        ("Dropout", {"is_test": 0}, "is_test is 0, wanted 1"),
    ],
)
def test_attributes_that_are_not_supported_are_named(tmp_path, kind, attributes, message):
    b = Builder()
    refused(tmp_path, b, b.add(kind, "image", **attributes), message)


POOLS = {
    "dilated": {"kernel_shape": [2, 3], "dilations": [2, 3]},
    "padded": {"kernel_shape": [3, 2], "dilations": [2, 1], "pads": [1, 0, 2, 1]},
    "two sizes": {"kernel_shape": [3, 3], "pads": [2, 0, 1, 1], "strides": [2, 1]},
    "rounded up": {"kernel_shape": [3, 2], "dilations": [1, 3], "strides": [3, 2], "ceil_mode": 1},
    "padded, up": {"kernel_shape": [2, 3], "strides": [3, 3], "pads": [1, 0, 0, 2], "ceil_mode": 1},
    "behind": {"kernel_shape": [1, 3], "strides": [3, 3], "pads": [0, 1, 0, 2], "ceil_mode": 1},
    "wide": {"kernel_shape": [3, 3], "pads": [2, 1, 2, 1]},
    "same": {"kernel_shape": [3, 2], "strides": [1, 2], "auto_pad": "SAME_LOWER"},
}


@pytest.mark.parametrize("case", POOLS)
def test_maxima_of_uneven_windows_are_those_of_onnx_runtime(tmp_path, case):
    b = Builder()
    assert_same(
        b.save(tmp_path / "net.onnx", b.add("MaxPool", "image", **POOLS[case]), opset=19), b
    )


@pytest.mark.parametrize("counts", [0, 1])
@pytest.mark.parametrize("case", POOLS)
def test_means_of_dilated_and_uneven_windows_are_those_of_onnx_runtime(tmp_path, case, counts):
    """Both rules of what counts; the divisor of each window is exact."""
    b = Builder()
    x = b.add("AveragePool", b.conv("image", 3, 2, 1), **POOLS[case], count_include_pad=counts)
    network = assert_same(b.save(tmp_path / "net.onnx", x, opset=19), b)
    assert network.graph.nodes[-1].op == "avg_pool"


@pytest.mark.parametrize(("opset", "axis"), [(11, 1), (11, 2), (17, 1), (17, 3), (17, -1)])
def test_a_softmax_of_single_pixels_is_over_the_axis_that_it_names(tmp_path, opset, axis):
    """Over one number it is 1, and before opset 13 it was over all axes from that on."""
    b = Builder()
    means = b.add("GlobalAveragePool", b.conv("image", 3, 4, 3))
    out = b.add("LeakyRelu", b.add("Softmax", means, axis=axis), alpha=0.1)
    assert_same(b.save(tmp_path / "net.onnx", out, opset=opset), b)


@pytest.mark.parametrize("kind", ["AveragePool", "MaxPool"])
def test_same_padding_of_a_dilated_pool_is_that_of_the_specification(tmp_path, kind):
    """ONNX: (outputs - 1) stride + (kernel - 1) dilation + 1 - input; ONNX Runtime forgets the
    dilation, against its own inference of shapes."""
    window = {"kernel_shape": [3, 2], "dilations": [2, 3], "strides": [1, 2]}
    found = []
    for name, padding in (("same", {"auto_pad": "SAME_UPPER"}), ("pads", {"pads": [2, 1, 2, 2]})):
        b = Builder()
        x = b.add(kind, b.conv("image", 3, 2, 1), **window, **padding)
        path = b.save(tmp_path / f"{name}.onnx", x, opset=19)
        found.append(capture(OnnxModule(path), torch.zeros(2, *b.shape), "net").graph.nodes[-1])
    assert found[0].attributes == found[1].attributes
    assert found[0].shape == (2, 9, 6)


@pytest.mark.parametrize("kind", onnx_operators())
def test_no_operator_takes_an_attribute_that_it_does_not_honour(tmp_path, kind):
    b = Builder()
    operands = ["image"] * max(onnx_operators()[kind].operands[0], kind != "Constant")
    refused(tmp_path, b, b.add(kind, *operands, colour=1), f"{kind} at .*: attribute colour is not")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"kernel_shape": [5, 5]}, r"kernel_shape is \[5, 5\], the weights are 3 x 3"),
        ({"group": 0}, "group is 0, wanted a whole number 1 to 65536"),
        ({"group": -1}, "group is -1, wanted a whole number"),
        ({"group": 3}, "group is 3, wanted a divisor of the 4 filters"),
        ({"pads": [-1, 0, 0, 0]}, r"pads is \[-1, 0, 0, 0\], wanted four whole numbers 0 to"),
        (
            {"dilations": [1 << 20, 1]},
            r"dilations is \[1048576, 1\], wanted two whole numbers 1 to",
        ),
        ({"auto_pad": "X"}, "auto_pad is 'X', wanted NOTSET or VALID or SAME_UPPER or SAME_LOWER"),
        ({"auto_pad": "VALID", "pads": [1] * 4}, "beside auto_pad = VALID, wanted one of the two"),
        ({"strides": 2}, "strides is 2, wanted two whole numbers"),
    ],
)
def test_convolutions_that_contradict_themselves_are_refused(tmp_path, attributes, message):
    b = Builder()
    refused(tmp_path, b, b.add("Conv", "image", b.floats(4, 3, 3, 3), **attributes), message)


def test_operators_in_training_mode_are_refused(tmp_path):
    b = Builder()
    parts = [b.floats(3) for _ in range(4)]
    out = b.add("BatchNormalization", b.conv("image", 3, 3, 3), *parts, training_mode=1)
    refused(tmp_path, b, out, "training_mode is 1, wanted 0")
    b = Builder()
    ratio, training = b.tensor(np.float32(0.5)), b.tensor(np.array(True))
    refused(tmp_path, b, b.add("Dropout", "image", ratio, training), "training_mode is true")
    b = Builder()  # before opset 7 training was the default
    path = b.save(tmp_path / "old.onnx", b.add("Dropout", "image"), opset=6)
    with pytest.raises(CaptureError, match="Dropout at /dropout/0: is_test is 0, wanted 1"):
        OnnxModule(path)


def test_dropout_and_casts_between_floating_types_change_nothing(tmp_path):
    b = Builder()
    x = b.add("Dropout", b.conv("image", 3, 4, 3), b.tensor(np.float32(0.5)))
    x = b.add("Relu", b.add("Cast", b.add("Identity", x), to=TensorProto.FLOAT))
    assert_same(b.save(tmp_path / "net.onnx", x), b)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1), (1,), ()])
def test_the_bias_of_a_product_is_broadcast(tmp_path, shape):
    b = Builder(channels=2, size=(3, 4))
    out = b.add("Gemm", b.add("Flatten", "image"), b.floats(24, 4), b.floats(*shape), beta=0.5)
    assert_same(b.save(tmp_path / "net.onnx", out), b)


def test_a_bias_that_differs_by_image_is_refused(tmp_path):
    b = Builder(channels=2, size=(3, 4))
    out = b.add("Gemm", b.add("Flatten", "image"), b.floats(24, 4), b.floats(2, 4))
    refused(tmp_path, b, out, r"Gemm at .*: bias has shape \[2, 4\], wanted one value for each")


@pytest.mark.parametrize("name", ["steps", "operators", "forward", "path", "training", "a.b", "7"])
def test_nodes_may_have_any_name(tmp_path, name):
    b = Builder()
    out = b.add("Relu", b.conv("image", 3, 4, 3))
    b.nodes[0].name = name
    assert_same(b.save(tmp_path / "net.onnx", out), b)


def test_a_shape_may_be_cut(tmp_path):
    b = Builder()
    x = b.conv("image", 3, 4, 3)
    sizes = b.add("Concat", b.add("Shape", x, start=0, end=1), b.tensor(np.array([-1])), axis=0)
    out = b.add("Gemm", b.add("Reshape", x, sizes), b.floats(4 * 7 * 9, 6))
    assert_same(b.save(tmp_path / "net.onnx", out), b)


def changed(tmp_path, change):
    """A small file after ``change`` of its protobuf; what the reader says."""
    b = Builder()
    path = b.save(tmp_path / "net.onnx", b.add("Relu", b.conv("image", 3, 4, 3)))
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CaptureError) as caught:
        OnnxModule(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).partition("net.onnx: ")[2]


def test_torn_and_foreign_graphs_are_refused(tmp_path):
    def domain(model):
        model.graph.node[0].domain = "com.example"

    def version(model):
        model.opset_import[0].version = 99

    def short(model):
        model.graph.initializer[0].raw_data = b"1234"

    def huge(model):
        model.graph.initializer[0].dims[0] = 1 << 31

    def side(model):
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1 << 31

    def unknown(model):
        model.graph.node[1].input[0] = "elsewhere"

    def alone(model):
        del model.graph.node[1].input[:]

    def nowhere(model):
        model.graph.output[0].name = "elsewhere"

    wanted = f"opset is 99, wanted one, 1 to {LATEST_OPSET}"
    assert changed(tmp_path, version) == wanted
    assert "of the domain 'com.example', wanted ONNX's own" in changed(tmp_path, domain)
    assert changed(tmp_path, short).startswith("tensor 't0' of [4, 3, 3, 3]: ")
    assert changed(tmp_path, huge).startswith("tensor 't0' of [2147483648, 3, 3, 3]: ")
    assert changed(tmp_path, side) == "the input image has a side of 2147483648, wanted up to 65536"
    assert "Relu at /relu/1: reads 'elsewhere', which nothing before" in changed(tmp_path, unknown)
    assert "Relu at /relu/1: has 0 operands, wanted 1 to 1" in changed(tmp_path, alone)
    assert changed(tmp_path, nowhere) == "nothing makes the output 'elsewhere'"


def test_what_is_no_onnx_file_is_refused(tmp_path):
    with pytest.raises(CaptureError, match=r"gone\.onnx: no such file"):
        OnnxModule(tmp_path / "gone.onnx")
    b = Builder()
    whole = b.save(tmp_path / "net.onnx", b.conv("image", 3, 3, 3)).read_bytes()
    for content in (b"rubbish that is no protobuf", whole[: len(whole) // 2]):
        (tmp_path / "torn.onnx").write_bytes(content)
        with pytest.raises(CaptureError, match=r"torn\.onnx: "):
            OnnxModule(tmp_path / "torn.onnx")


def test_a_file_is_a_source_of_shapes(tmp_path):
    b = Builder()
    out = b.add("Flatten", b.conv("image", 3, 4, 3, strides=[2, 2]))
    path = b.save(tmp_path / "mine.onnx", b.add("Gemm", out, b.floats(80, 6)))
    source = resolve([str(path)])
    assert [(layer.C, layer.K, layer.P, layer.Q) for layer in source.layers] == [
        (3, 4, 4, 5),
        (80, 6, 1, 1),
    ]
    assert source.name == "mine"


def test_compress_takes_a_file(tmp_path):
    b = Builder(channels=1, size=(8, 8))
    x = b.add("Relu", b.conv("image", 1, 6, 3))
    x = b.add("Relu", b.conv(x, 6, 8, 3, strides=[2, 2]))
    path = b.save(tmp_path / "mine.onnx", b.add("Gemm", b.add("Flatten", x), b.floats(32, 10)))
    made = compress(str(path), data=Data("digits", limit=32), out=tmp_path / "out", epochs=0)
    assert made.network == "mine"
    assert made.parameters == 6 * 9 + 8 * 54 + 320
    with pytest.raises(CaptureError, match="brings its own weights"):
        compress(str(path), checkpoint=path, data="digits", out=tmp_path / "other")


def pictures(folder, size):
    random = np.random.default_rng(0)
    for number in range(6):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def test_every_command_takes_the_size_that_the_file_states(tmp_path):
    b = Builder(size=(12, 20))
    x = b.add("Relu", b.conv("image", 3, 4, 3, pads=[1] * 4))
    x = b.add("Flatten", b.add("GlobalAveragePool", x))
    path = b.save(tmp_path / "mine.onnx", b.add("Gemm", x, b.floats(4, 2)))
    data = Data(str(pictures(tmp_path / "images", (30, 25))))
    made = compress(str(path), data=data, out=tmp_path / "out", epochs=0, method="int8")
    macs = [12 * 20 * 4 * 27, 8]
    for source in (path, made):
        assert simulate(source, machine="systolic")["macs"].tolist() == macs
    message = r"mine\.onnx: states an input of 3 x 12 x 20, the pictures have 3 x 8 x 8$"
    with pytest.raises(CaptureError, match=message):
        compress(str(path), data=replace(data, size=(8, 8)), out=tmp_path / "other", epochs=0)
    with pytest.raises(CaptureError, match="the pictures have 1 x 12 x 20"):
        compress(str(path), data="digits", out=tmp_path / "other", epochs=0)
