"""Builder: ONNX files for tests, and what ONNX Runtime says of them."""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.train.modules import float_module

TOLERANCE = 1e-4  # float32 rounding of folded batch norms
OPSET = 17


class Builder:
    """ONNX graphs for tests, operator by operator."""

    def __init__(self, channels=3, size=(9, 11), seed=0):
        self.random = np.random.default_rng(seed)
        self.nodes, self.tensors = [], []
        self.shape = (channels, *size)

    def tensor(self, values, name=None):
        name = name or f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def floats(self, *shape, scale=1.0):
        return self.tensor((self.random.normal(size=shape) * scale).astype(np.float32))

    def add(self, kind, *inputs, outputs=1, **attributes):
        """A node; its output, or a list of several."""
        name, first = f"/{kind.lower()}/{len(self.nodes)}", f"v{len(self.nodes)}"
        names = [first, *(f"{first}_{n}" for n in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name, **attributes))
        return first if outputs == 1 else names

    def conv(self, source, c, k, r, **attributes):
        groups = attributes.get("group", 1)
        return self.add("Conv", source, self.floats(k, c // groups, r, r), **attributes)

    def norm(self, source, channels):
        variance = self.tensor(self.random.uniform(0.5, 2, channels).astype(np.float32))
        parts = [self.floats(channels) for _ in range(3)]
        return self.add("BatchNormalization", source, *parts, variance, epsilon=1e-3)

    def model(self, output, batch="n", opset=OPSET):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "net",
            [value("image", TensorProto.FLOAT, [batch, *self.shape])],
            [value(output, TensorProto.FLOAT, None)],
            self.tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 9
        return model

    def save(self, path, output, batch="n", opset=OPSET):
        onnx.save(self.model(output, batch, opset), path)
        return path


def evaluated(path, inputs):
    """The first output of a file, by ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def assert_same(path, builder):
    """Capture the file, compare with the evaluator on two images; the network."""
    images = np.random.default_rng(3).normal(size=(2, *builder.shape)).astype(np.float32)
    wanted = evaluated(path, {"image": images}).reshape(2, -1)
    network = capture(OnnxModule(path), torch.zeros(2, *builder.shape), "net")
    with torch.no_grad():
        found = float_module(network)(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE * np.abs(wanted).max())
    return network
