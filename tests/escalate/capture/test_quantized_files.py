"""Are quantized files read with their own integers: weights, ranges, and what ONNX Runtime says?"""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from escalate.app.compress import compress
from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.errors import CaptureError
from escalate.integers import integer
from escalate.store.model_file import load
from escalate.train.activation_range import Range
from escalate.train.file_ranges import file_ranges
from escalate.train.modules import float_module
from tests.escalate.capture.onnx_builder import Builder

STEPS = 60  # of training: enough for four of five digits
IMAGES = 48


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.third = nn.Conv2d(6, 6, 1)
        self.last = nn.Linear(6 * 16, 10)

    def forward(self, x):
        x = functional.relu(self.first(x))
        y = functional.relu(self.second(x))
        y = functional.max_pool2d(functional.relu(self.third(y) + x), 2)
        return self.last(y.flatten(1))


class Mean(Residual):
    def forward(self, x):
        x = functional.relu6(self.first(x))
        y = functional.silu(self.second(x))
        y = functional.adaptive_avg_pool2d(self.third(y), 4)
        return self.last(y.flatten(1))


class Batches(CalibrationDataReader):
    def __init__(self, images):
        self.parts = iter(images.split(16))

    def get_next(self):
        part = next(self.parts, None)
        return None if part is None else {"x": part.numpy()}


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    images = torch.tensor(found.images / 16, dtype=torch.float32)[:, None]
    return images, torch.tensor(found.target)


@pytest.fixture(scope="module", params=[Residual, Mean])
def trained(request, digits, tmp_path_factory):
    """The file of a network after a short training, in floats."""
    torch.manual_seed(1)
    module, (images, labels) = request.param(), digits
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    for step in range(STEPS):
        some = slice(step % 20 * 64, step % 20 * 64 + 64)
        optimizer.zero_grad()
        functional.cross_entropy(module(images[some]), labels[some]).backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("file") / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (images[:1],),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
        )
    return path


KINDS = {
    "uint8": (QuantType.QUInt8, False),
    "int8": (QuantType.QInt8, False),
    "symmetric": (QuantType.QInt8, True),
}


def quantized(path, digits, tmp_path, form, kind, *, per_channel=True, **more):
    """The path of the quantized file; weights beside uint8 have 7 bits, as ONNX Runtime advises."""
    out, (activations, symmetric) = tmp_path / "quantized.onnx", KINDS[kind]
    quantize_static(
        path,
        out,
        Batches(digits[0][:160]),
        quant_format=form,
        per_channel=per_channel,
        activation_type=activations,
        reduce_range=kind == "uint8",
        extra_options={"ActivationSymmetric": symmetric},
        **{"weight_type": QuantType.QInt8, **more},
    )
    return out


def by_runtime(path, images, every=False):
    """What ONNX Runtime makes of images, operator by operator; all codes too where ``every``."""
    model = onnx.load(path)
    if every:
        for node in model.graph.node:
            if node.op_type.startswith("Q"):
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": images.numpy()}), strict=True))


FORMS = [QuantFormat.QDQ, QuantFormat.QOperator]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_floats_are_those_of_onnx_runtime(trained, digits, tmp_path, form, kind):
    path = quantized(trained, digits, tmp_path, form, kind, per_channel=kind != "int8")
    module, images = OnnxModule(path), digits[0][:IMAGES]
    wanted, *_ = by_runtime(path, images).values()
    with torch.no_grad():
        found = module(images).numpy()
    step = last_codes(module).scale
    assert np.abs(found - wanted).max() <= 1.01 * step  # one code, where a sum is a tie
    assert (found == wanted).mean() > 0.75  # means of four codes are ties often


def last_codes(module):
    network = capture(module, torch.zeros(1, 1, 8, 8), "net")
    return network.codes[network.graph.output.name]


@pytest.mark.parametrize(
    ("form", "kind"), [*((FORMS[0], kind) for kind in KINDS), (FORMS[1], "int8")]
)
def test_our_integers_are_those_of_onnx_runtime(trained, digits, tmp_path, form, kind):
    """Layer by layer, each fed the file's codes: within a code; the answers within a few."""
    path = quantized(trained, digits, tmp_path, form, kind)
    made = compress(str(path), data="digits", out=tmp_path / "model", method="int8")
    model = load(tmp_path / "model")
    network = capture(OnnxModule(path), torch.zeros(1, 1, 8, 8), "net")
    assert any("of 4 of 4 layers are the quantized file's" in note for note in made.notes)
    for name, conv in model.convs.items():
        steps = network.steps[name][:, None, None, None]
        np.testing.assert_allclose(conv.weights.weights * steps, network.weights[name], rtol=1e-6)
    pixels = (digits[0][:IMAGES] * 16).numpy().astype(np.uint8)
    theirs = by_runtime(path, digits[0][:IMAGES], every=True)
    ours = integer.run(model, integer.quantize(model.image, pixels))
    ranges, _ = file_ranges(network, signed_input=model.image.low < 0)
    ranges["input"] = Range(model.image.scale, model.image.low, model.image.high)
    of_file = {}
    for name, codes in network.codes.items():
        wanted = ours[name].numpy().astype(np.int64)
        if ranges[name].scale == codes.scale:
            same_shape = [
                each.reshape(wanted.shape).astype(np.int64) - codes.zero
                for each in theirs.values()
                if each.size == wanted.size and each.dtype != np.float32
            ]
            nearest = min(same_shape, key=lambda each: np.abs(each - wanted).mean())
            of_file[name] = np.clip(nearest, ranges[name].low, ranges[name].high)
    assert {"input", network.graph.convs[0].name, network.graph.output.name} <= set(of_file)
    compared = 0
    for node in network.graph.nodes[1:]:
        if node.name in of_file and all(each in of_file for each in node.inputs):
            read = [torch.from_numpy(of_file[each]) for each in node.inputs]
            found = node.operator.torch_integers(model, node, read).clamp(
                *node.operator.bounds(model, node)
            )
            differs = np.abs(found.numpy() - of_file[node.name])
            assert differs.max() <= 1, node.name
            rounds_once = node.layer is not None  # sums round each operand, too
            assert not rounds_once or (differs > 0).mean() < 0.05, node.name
            compared += 1
    assert compared
    answers = ours[network.graph.output.name].numpy().reshape(IMAGES, -1)
    codes = of_file[network.graph.output.name].reshape(IMAGES, -1)
    assert np.abs(answers - codes).max() <= 0.05 * np.abs(codes).max()
    assert made.int8.agreement > 0.97
    assert made.int8.sqnr_db > 30


def test_the_unsigned_range_of_a_file_is_taken_as_it_is(digits, trained, tmp_path):
    path = quantized(trained, digits, tmp_path, QuantFormat.QDQ, "int8")
    network = capture(OnnxModule(path), torch.zeros(1, 1, 8, 8), "net")
    first = network.graph.convs[0]
    assert (first.relu, network.codes[first.name].zero) == (True, -128)
    ranges, others = file_ranges(network, signed_input=False)
    assert ranges[first.name] == Range(network.codes[first.name].scale, 0, 255)
    assert others < len(network.codes) - 2


def test_networks_in_floats_have_no_ranges():
    network = capture(nn.Sequential(nn.Conv2d(1, 2, 3)), torch.zeros(1, 1, 8, 8), "net")
    assert (network.steps, network.codes) == ({}, {})
    assert float_module(network)(torch.zeros(1, 1, 8, 8)).shape == (1, 72)


def a_pair(b, x, scale=0.1, then=None):
    """A QuantizeLinear and a DequantizeLinear, of other numbers where ``then`` says so."""
    s, z = b.tensor(np.float32(scale)), b.tensor(np.int8(0))
    codes = b.add("QuantizeLinear", x, s, z)
    again = s if then is None else b.tensor(np.float32(then))
    return b.add("DequantizeLinear", codes, again, z)


def shifted_weights(b):
    codes = b.tensor(b.random.integers(0, 255, (4, 3, 3, 3)).astype(np.uint8))
    scale, zero = b.tensor(np.float32(0.1)), b.tensor(np.uint8(128))
    return b.add("Conv", "image", b.add("DequantizeLinear", codes, scale, zero))


def codes_in_a_sum(b):
    codes = b.add("QuantizeLinear", b.conv("image", 3, 3, 1), b.tensor(np.float32(0.1)))
    return b.add("Add", codes, codes)


def codes_at_the_end(b):
    return b.add("QuantizeLinear", b.conv("image", 3, 3, 1), b.tensor(np.float32(0.1)))


def a_scale_for_each_channel(b):
    scale, zero = b.tensor(np.ones(3, np.float32)), b.tensor(np.zeros(3, np.int8))
    return b.add("QuantizeLinear", b.conv("image", 3, 3, 1), scale, zero, axis=1)


REFUSED = {
    "weights with zero points": (shifted_weights, r"Conv at /conv/1: v0 has zero points that are"),
    "other numbers behind": (
        lambda b: a_pair(b, b.conv("image", 3, 3, 1), then=0.2),
        r"dequantize at dequantize .*: scale 0\.2, zero point 0: its codes were made with 0\.1",
    ),
    "codes that are added": (codes_in_a_sum, "reads codes of a quantized file, wanted a Dequant"),
    "codes at the end": (codes_at_the_end, "the output is codes, wanted a DequantizeLinear"),
    "a scale for each channel": (a_scale_for_each_channel, "has 3 numbers, wanted one for all"),
    "no scale": (lambda b: a_pair(b, b.conv("image", 3, 3, 1), 0.0), "no finite number above 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case, tmp_path):
    make, message = REFUSED[case]
    b = Builder()
    path = b.save(tmp_path / "net.onnx", make(b))
    with pytest.raises(CaptureError, match=message) as caught:
        capture(OnnxModule(path), torch.zeros(1, *b.shape), "net")
    assert "\n" not in str(caught.value)


def test_weights_with_zero_points_of_the_quantizer_are_refused(digits, trained, tmp_path):
    unsigned = {"weight_type": QuantType.QUInt8}
    for form in FORMS:
        path = quantized(trained, digits, tmp_path, form, "uint8", per_channel=False, **unsigned)
        with pytest.raises(CaptureError, match=r"zero points that are|is not 0 everywhere, wanted"):
            OnnxModule(path)


def test_of_two_ranges_of_a_tensor_the_wider_is_taken(tmp_path):
    b = Builder()
    x = b.conv("image", 3, 3, 1)
    both = b.add("Add", a_pair(b, x, 0.1), a_pair(b, x, 0.2))
    network = capture(
        OnnxModule(b.save(tmp_path / "net.onnx", both)), torch.zeros(1, *b.shape), "net"
    )
    (codes,) = network.codes.values()
    assert codes.scale == pytest.approx(0.2)
    assert network.notes == ("conv_0 has several ranges in the file; the widest is taken",)
