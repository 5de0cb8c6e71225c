"""Are norms that are spelled out recognized, and only these?"""

import pytest
import torch
from torch import nn
from torch.nn import functional

from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.errors import CaptureError
from escalate.train.modules import float_module
from tests.architectures.test_architectures import exported


class Normed(nn.Module):
    """A convolution, a norm, a convolution."""

    def __init__(self, norm):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(3, 8, 3), norm, nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.last(self.norm(self.first(x)))


def as_read(module, images):
    """The operators of the network, whose outputs are those of the module."""
    network = capture(module, images[:1], "net")
    with torch.no_grad():
        found, wanted = float_module(network)(images), module(images).flatten(1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    return network.graph.nodes


@pytest.mark.parametrize("size", [1, 4, 5])
def test_a_norm_over_neighbours_is_read(size):
    torch.manual_seed(1)
    module = Normed(nn.LocalResponseNorm(size, 0.5, 0.75, 2.0)).eval()
    nodes = as_read(module, torch.randn(2, 3, 8, 8))
    (norm,) = [node for node in nodes if node.op == "local_norm"]
    assert norm.attributes == {"size": size, "alpha": 0.5, "beta": 0.75, "bias": 2.0}
    assert [node.op for node in nodes].count("gather") == (2 if size % 2 == 0 else 0)


def test_a_norm_over_neighbours_is_read_from_a_file(tmp_path):
    torch.manual_seed(1)
    module, images = Normed(nn.LocalResponseNorm(5, 0.5, 0.75, 2.0)).eval(), torch.randn(2, 3, 8, 8)
    path = exported(module, images[:1], tmp_path / "net.onnx", dynamo=True, opset=18)
    nodes = as_read(OnnxModule(path), images)
    assert "local_norm" in {node.op for node in nodes}


def padded_rows(x):
    squares = functional.pad((x * x)[:, None], (0, 0, 1, 1, 1, 1))
    mean = functional.avg_pool3d(squares, (3, 1, 1), stride=1)[:, 0, :, 1:-1]
    return x / (mean * 0.5 + 1) ** 0.75


def of_others(x):
    squares = functional.pad((x * x.abs())[:, None], (0, 0, 0, 0, 1, 1))
    mean = functional.avg_pool3d(squares, (3, 1, 1), stride=1)[:, 0]
    return x / (mean * 0.5 + 1) ** 0.75


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("function", [padded_rows, of_others])
def test_what_only_looks_alike_is_not(function):
    with pytest.raises(CaptureError, match=r"avg_pool3d at .*: not a supported operator|pad at "):
        capture(Normed(Called(function)), torch.zeros(1, 3, 8, 8), "net")
