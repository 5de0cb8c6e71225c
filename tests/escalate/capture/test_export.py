"""Does the captured graph compute what the module computes, and is everything else refused?"""

import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from escalate.app.compress import Data, compress
from escalate.app.job import network_sha256
from escalate.capture.export import capture
from escalate.errors import CaptureError
from escalate.train.modules import float_module

TOLERANCE = 1e-4  # float32 rounding of folded batch norms, over a few layers of values near 1


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(7)


def settle(module):
    """Random batch norm statistics and scales, then evaluation mode."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 2)
                nn.init.uniform_(part.bias, -1, 1)
    return module.eval()


def check(module, shape, batch=2):
    """Capture and compare on another batch; return the graph's nodes by name."""
    settle(module)
    network = capture(module, torch.zeros(1, *shape), "net")
    images = torch.randn(batch, *shape)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
        wanted = module(images)
        for node, _, value in float_module(network).walk(images):
            assert tuple(value.shape[1:]) == node.shape, node.name
    torch.testing.assert_close(value.reshape(wanted.shape), wanted, atol=TOLERANCE, rtol=TOLERANCE)
    return network


def ops(network):
    return [(node.name, node.op) for node in network.graph.nodes]


class Calls(nn.Module):
    """A module from a function of its parts and the input."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


class Plain(nn.Module):
    """Stride 2, depthwise, 1x1, uneven padding, dilation, string paddings, a classifier."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 2)),
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.BatchNorm2d(8, affine=False),
            nn.ReLU6(inplace=True),
            nn.Conv2d(8, 12, 1),
            nn.Conv2d(12, 12, (3, 5), padding=(2, 4), dilation=2, groups=3),
            nn.Hardtanh(0.0, 2.5),
            nn.Conv2d(12, 6, (2, 3), padding="same"),
            nn.Conv2d(6, 6, 3, padding="valid"),
        )
        self.drop = nn.Dropout(0.9)
        self.classifier = nn.Linear(6 * 4 * 3, 5)

    def forward(self, x):
        return self.classifier(self.drop(torch.flatten(self.features(x), 1)))


def test_plain_network():
    network = check(Plain(), (3, 12, 10))
    assert ops(network) == [
        ("input", "input"),
        ("features.1", "conv"),
        ("features.4", "conv"),
        ("features.7", "conv"),
        ("features.8", "conv"),
        ("features.10", "conv"),
        ("features.11", "conv"),
        ("flatten", "flatten"),
        ("classifier", "conv"),
    ]
    first = network.graph["features.1"]
    assert first.relu
    assert (first.layer.stride, first.layer.padding) == (2, (0, 2, 0, 1))
    assert network.graph["features.4"].maximum == 6.0
    assert network.graph["features.8"].maximum == 2.5
    assert network.graph["features.10"].layer.padding == (0, 1, 1, 1)
    assert network.graph["classifier"].layer.weight_shape == (5, 72, 1, 1)


def test_parameters_are_counted_before_folding():
    module = Plain()
    network = check(module, (3, 12, 10))
    assert network.original_parameters == sum(p.numel() for p in module.parameters())


class Shortcut(nn.Module):
    """The CIFAR ResNet block whose shortcut takes every second pixel and pads channels."""

    def __init__(self, c, k):
        super().__init__()
        self.conv1 = nn.Conv2d(c, k, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(k)
        self.conv2 = nn.Conv2d(k, k, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(k)

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        extra = y.shape[1] - x.shape[1]
        y += functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, extra // 2, extra - extra // 2))
        return functional.relu(y)


def test_option_a_shortcut():
    module = Calls(
        lambda s, x: s.fc(s.block(functional.relu(s.stem(x))).mean((2, 3))),
        stem=nn.Conv2d(3, 4, 3, padding=1),
        block=Shortcut(4, 9),
        fc=nn.Linear(9, 3),
    )
    network = check(module, (3, 8, 6))
    assert ops(network) == [
        ("input", "input"),
        ("stem", "conv"),
        ("block.slice", "slice"),
        ("block.slice_2", "slice"),
        ("block.pad", "pad"),
        ("block.conv1", "conv"),
        ("block.conv2", "conv"),
        ("block.add", "add"),
        ("mean", "avg_pool"),
        ("fc", "conv"),
    ]
    assert network.graph["block.add"].relu
    assert not network.graph["block.conv2"].relu
    assert network.graph["block.pad"].attributes["padding"] == [2, 3, 0, 0, 0, 0]


def test_concatenation():
    module = Calls(
        lambda s, x: s.last(s.pool(torch.cat([s.left(s.squeeze(x)), s.right(s.squeeze(x))], 1))),
        squeeze=nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()),
        left=nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU(inplace=True)),
        right=nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True)),
        pool=nn.MaxPool2d(3, 2, ceil_mode=True),
        last=nn.Sequential(nn.Conv2d(11, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )

    def once(s, x):
        squeezed = s.squeeze(x)
        return s.last(s.pool(torch.cat([s.left(squeezed), s.right(squeezed)], 1)))

    twice = check(module, (3, 8, 8))
    assert twice.notes == tuple(
        f"squeeze.0.{each} is used again, and stored again" for each in ("weight", "bias")
    )
    assert [node.name for node in twice.graph.convs][:4:2] == ["squeeze.0", "squeeze.0_2"]
    module.function = once
    network = check(module, (3, 8, 8))
    assert (network.notes, network.original_parameters) == ((), twice.original_parameters)
    assert network.graph["cat"].inputs == ("left.0", "right.0")
    assert network.graph["pool"].attributes["padding"] == [0, 1, 0, 1]
    assert network.graph.producers("pool") == ("left.0", "right.0")


def test_inverted_residual():
    def unit(c, k, size, **options):
        conv = nn.Conv2d(c, k, size, padding=size // 2, bias=False, **options)
        return nn.Sequential(conv, nn.BatchNorm2d(k), nn.ReLU6(inplace=True))

    module = Calls(
        lambda s, x: x + s.project(s.depthwise(s.expand(x))),
        expand=unit(4, 24, 1),
        depthwise=unit(24, 24, 3, groups=24),
        project=unit(24, 4, 1)[:2],
    )
    network = check(module, (4, 6, 6))
    assert network.graph.output.inputs == ("input", "project.0")
    assert network.graph["depthwise.0"].maximum == 6.0
    assert not network.graph["project.0"].relu


FUNCTIONS = {
    "relu twice": lambda s, x: functional.relu6(functional.relu(s.conv(x))),
    "relu read twice": lambda s, x: s.conv(x) + functional.relu(s.other(x)).relu(),
    "preactivation": lambda s, x: s.other(functional.relu(x)) + x,
    "in place, then both names": lambda s, x: _in_place(s.conv(x)),
    "clone before in place": lambda s, x: _clone_first(s.conv(x)),
    "contiguous and detach": lambda s, x: s.conv(x).contiguous().detach().clone().relu(),
    "cast to its own type": lambda s, x: s.conv(x.float()).to(torch.float32),
    "average pool": lambda s, x: functional.avg_pool2d(s.conv(x), (3, 2), (2, 1), (1, 0)),
    "average pool that fits": lambda s, x: functional.avg_pool2d(s.conv(x), 2, ceil_mode=True),
    "adaptive": lambda s, x: functional.adaptive_avg_pool2d(s.conv(x), (4, 2)).relu(),
    "max pool": lambda s, x: functional.max_pool2d(s.conv(x), (3, 2), (2, 1), 1),
    "mean kept": lambda s, x: s.conv(x).mean((-1, -2), keepdim=True).flatten(1),
    "clamp": lambda s, x: s.conv(x).clamp(min=0).clamp(0, 1.5) + x.clamp_min(0),
    "pad read twice": lambda s, x: _pad_twice(s, x),
    "pad of channels and rows": lambda s, x: functional.pad(s.conv(x), (1, 0, 2, 1, 0, 3)),
    "slices": lambda s, x: s.conv(x)[:, 1:, 2:-1:2, -4:],
    "reshapes": lambda s, x: s.conv(x).mean((2, 3))[:, :, None, None].squeeze(3).squeeze(2),
    "pad of features": lambda s, x: functional.pad(s.conv(x).flatten(1), (1, 2)),
    "features joined": lambda s, x: torch.cat([s.conv(x).flatten(1), x.flatten(1)], -1),
    "rows joined": lambda s, x: torch.cat([s.conv(x), s.other(x)[:, :, 2:]], 2),
    "pixels joined": lambda s, x: torch.cat([s.conv(x).flatten(2), x[:, :, ::2].flatten(2)], 2),
    "columns of moved axes joined": lambda s, x: torch.cat(
        [s.conv(x).permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)[:, :, 3:]], 2
    ),
    "view": lambda s, x: s.conv(x).view(x.size(0), -1).relu(),
    "added to itself": lambda s, x: _doubled(s.conv(x)),
    "dead code": lambda s, x: (s.other(x).sigmoid(), s.conv(x))[1],
    "one-element tuple": lambda s, x: s.conv(x),
}


def _in_place(y):
    rectified = y.relu_()
    return y + rectified


def _clone_first(y):
    kept = y.clone()
    y.relu_()
    return y + kept


def _pad_twice(s, x):
    padded = functional.pad(x, (1, 1, 1, 1))
    return s.conv(padded) + s.other(padded)


def _doubled(y):
    return y + y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_small_functions(name):
    module = Calls(
        FUNCTIONS[name], conv=nn.Conv2d(3, 3, 3, padding=1), other=nn.Conv2d(3, 3, 3, padding=1)
    )
    check(module, (3, 8, 8))


def test_batch_norm_behind_linear():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU())
    network = check(module, (3, 2, 2))
    assert ops(network)[1:] == [("0", "flatten"), ("1", "conv")]


def test_a_single_convolution_gets_a_name():
    assert ops(check(nn.Conv2d(3, 2, 1), (3, 4, 4))) == [("input", "input"), ("conv", "conv")]


def test_a_layer_called_input_gets_another_name():
    module = Calls(lambda s, x: s.input(x), input=nn.Conv2d(3, 2, 1))
    assert ops(check(module, (3, 4, 4))) == [("input", "input"), ("input_2", "conv")]


def test_training_flags_are_left_as_found():
    module = Plain().train()
    module.features[2].eval()
    capture(module, torch.zeros(1, 3, 12, 10), "net")
    assert module.training
    assert module.drop.training
    assert not module.features[2].training
    with pytest.raises(CaptureError):
        capture(module, torch.zeros(1, 4, 12, 10), "net")
    assert module.drop.training


def test_weights_are_copies():
    module = settle(nn.Sequential(nn.Conv2d(1, 1, 1)))
    network = capture(module, torch.zeros(1, 1, 2, 2), "net")
    before = network.weights["0"].copy()
    with torch.no_grad():
        module[0].weight.add_(1)
    np.testing.assert_array_equal(network.weights["0"], before)


def test_double_precision_modules_are_rounded_once():
    module = settle(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))).double()
    network = capture(module, torch.zeros(1, 1, 2, 2, dtype=torch.float64), "net")
    norm = module[1]
    with torch.no_grad():
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        wanted = (module[0].weight * factor[:, None, None, None]).float().numpy()
    np.testing.assert_array_equal(network.weights["0"], wanted)


def _tied():
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    module[1].weight = module[0].weight
    return module


def _view_changed(s, x):
    y = s.c(x)
    rows = y[:, :, ::2]
    y.relu_()
    return rows


def _base_changed(s, x):
    y = s.c(x)
    y[:, :1].relu_()
    return y


def _conv3(**options):
    return nn.Conv2d(3, 3, 3, **options)


READ = {
    "sigmoid": nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid()),
    "gelu inside": nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU())),
    "1-d": Calls(lambda s, x: s.c(x.flatten(2)), c=nn.Conv1d(3, 3, 3, padding=1, stride=2)),
    "norm behind relu": nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)),
    "norm of the input": nn.BatchNorm2d(3),
    "norm beside a reader": Calls(
        lambda s, x: [y := s.c(x), s.b(y) + y][1], c=nn.Conv2d(3, 3, 1), b=nn.BatchNorm2d(3)
    ),
    "hardtanh": nn.Hardtanh(),
    "scalar added": Calls(lambda s, x: x + 1),
    "scaled sum": Calls(lambda s, x: torch.add(x, s.c(x), alpha=2), c=nn.Conv2d(3, 3, 1)),
    "broadcast": Calls(lambda s, x: x + x.mean((2, 3), keepdim=True)),
    "uneven adaptive mean": nn.AdaptiveAvgPool2d((3, 5)),
    "uneven adaptive maximum": nn.AdaptiveMaxPool2d((5, 4)),
    "adaptive to more": nn.Sequential(nn.AdaptiveAvgPool2d((11, None)), nn.AdaptiveMaxPool2d(9)),
    "dilated pool": nn.MaxPool2d(2, dilation=2),
    "mean of inner pixels": nn.AvgPool2d(3, padding=1, count_include_pad=False),
    "overhanging mean": nn.AvgPool2d(3, ceil_mode=True),
    "mean of channels": Calls(lambda s, x: x.mean(1, keepdim=True)),
    "linear on rows": nn.Linear(8, 2),
    "channels last": Calls(
        lambda s, x: functional.gelu(s.l(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2) * s.p + x,
        l=nn.Linear(3, 3),
        p=nn.Parameter(torch.tensor([0.5, 2.0, -1.0])[:, None, None]),
    ),
    "shared layer": Calls(lambda s, x: s.c(s.c(x)), c=nn.Conv2d(3, 3, 1)),
    "shared parameter": _tied(),
    "norm of channels": Calls(
        lambda s, x: [
            u := x.mean(1, keepdim=True),
            (x - u) / torch.sqrt((x - u).pow(2).mean(1, keepdim=True) + 1e-3),
        ][1]
    ),
    "norm of the last axis": Calls(
        lambda s, x: [
            u := x - x.mean(-1, keepdim=True),
            u * torch.rsqrt((u * u).mean(-1, keepdim=True) + 1e-3),
        ][1]
    ),
    "strides": _conv3(stride=(2, 1)),
    "dilations": _conv3(stride=(1, 3), dilation=(1, 2), padding="valid"),
    "same over two dilations": _conv3(dilation=(2, 1), padding="same"),
    "rows and columns": nn.Sequential(
        nn.Conv2d(3, 4, (1, 7), (1, 2), (0, 3)), nn.Conv2d(4, 3, (7, 1), (2, 1), (3, 0))
    ),
    "transposed": nn.ConvTranspose2d(3, 3, 2, stride=2),
    "transposed, dilations differ": nn.ConvTranspose2d(3, 2, 3, (2, 3), 1, 1, dilation=(3, 2)),
    "transposed, a phase apart": nn.ConvTranspose2d(3, 4, (4, 3), (2, 1), dilation=(2, 1)),
    "transposed, strides 1 and 2": nn.ConvTranspose2d(3, 3, 3, (1, 2), groups=3, dilation=(2, 1)),
    "transposed in phases": nn.ConvTranspose2d(3, 6, (3, 4), (2, 3), 1, (1, 0), groups=3),
    "transposed without taps": nn.ConvTranspose2d(3, 2, (1, 2), 3),
    "maximum of channels": Calls(
        lambda s, x: s.c(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)),
        c=nn.Conv2d(2, 1, 3),
    ),
    "maximum of columns": Calls(lambda s, x: s.c(x).amax(3), c=nn.Conv2d(3, 4, 3)),
    "global maximum": nn.AdaptiveMaxPool2d(1),
    "gate that is spread": Calls(
        lambda s, x: (y := s.c(x)) * y.mean((2, 3), keepdim=True).sigmoid().expand_as(y),
        c=nn.Conv2d(3, 4, 1),
    ),
    "gate that is spread first": Calls(
        lambda s, x: (y := s.c(x)).mean((2, 3), keepdim=True).sigmoid().expand_as(y) * y,
        c=nn.Conv2d(3, 4, 1),
    ),
    "shuffled by views": Calls(
        lambda s, x: s.c(x).view(-1, 2, 3, 8, 8).transpose(1, 2).contiguous().view(-1, 6, 8, 8),
        c=nn.Conv2d(3, 6, 1),
    ),
    "two parts": Calls(
        lambda s, x: torch.cat([y := s.c(x).chunk(2, 1), y][0][::-1], 1), c=nn.Conv2d(3, 4, 1)
    ),
    "unfolded planes": Calls(
        lambda s, x: functional.pixel_unshuffle(s.c(x), 2), c=nn.Conv2d(3, 3, 1)
    ),
    "weights made of two": Calls(
        lambda s, x: functional.conv2d(x, s.v / s.v.square().sum((1, 2, 3), keepdim=True)),
        v=nn.Parameter(torch.randn(4, 3, 3, 3)),
    ),
}


@pytest.mark.parametrize("case", READ)
def test_means_the_same(case):
    torch.manual_seed(3)
    module = READ[case].eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    network = capture(module, torch.zeros(2, 3, 8, 8), "net")
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        found, wanted = float_module(network)(images), module(images).flatten(1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


REFUSED = {
    "reflection": (
        _conv3(padding=1, padding_mode="reflect"),
        "pad at .*: mode reflect with value None, wanted constant zeros",
    ),
    "pad of ones": (nn.ConstantPad2d(1, 1.0), "mode constant with value 1.0, wanted constant zero"),
    "cropping": (nn.ZeroPad2d((-1, 1, 0, 0)), r"padding \[-1, 1, 0, 0\] crops"),
    "computed weight": (
        Calls(lambda s, x: functional.conv2d(x, x)),
        "conv2d at conv2d .*weight is computed from the image, wanted a parameter of the module",
    ),
    "batch statistics": (
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
        "batch_norm at 1 .*normalizes by the batch's own statistics",
    ),
    "negative maximum": (
        Calls(lambda s, x: x.clamp(0, -1)),
        "clamp at .*clamps to 0.0..-1.0",
    ),
    "places of maxima": (
        Calls(lambda s, x: x.max(1, keepdim=True)[1].float()),
        "getitem at .*reads the places of maxima",
    ),
    "images joined": (Calls(lambda s, x: torch.cat([x, x], 0)), "axis 0, which mixes images"),
    "constant between": (
        Calls(lambda s, x: torch.cat([x, s.p, x], 1), p=nn.Parameter(torch.ones(1, 1, 8, 8))),
        "cat at .*constants between tensors, wanted them before or behind all",
    ),
    "divisor": (nn.AvgPool2d(2, divisor_override=3), "divisor_override is not supported"),
    "mean of all": (Calls(lambda s, x: x.mean()), r"over axes \[0, 1, 2, 3\] of shape"),
    "batch sliced": (
        Calls(lambda s, x: torch.cat([x, x], 1)[:0]),
        "slice at .*leaves an empty tensor",
    ),
    "nothing left": (Calls(lambda s, x: x[:, :, 8:]), "slice at .*leaves an empty tensor"),
    "batch padded": (Calls(lambda s, x: functional.pad(x, (0,) * 7 + (1,))), "pads the batch"),
    "batch flattened": (
        Calls(lambda s, x: x.flatten()),
        r"makes a tensor of shape \(192,\), wanted 1 images first",
    ),
    "features pooled": (
        Calls(lambda s, x: functional.avg_pool2d(x.mean((2, 3)).unsqueeze(2), 1)),
        r"avg_pool2d at .*: a tensor of shape \(1, 3, 1\), wanted \(N, C, H, W\)",
    ),
    "view changed": (
        Calls(_view_changed, c=nn.Conv2d(3, 3, 1)),
        r"net: relu at relu \(node relu_\): changes slice_1 in place, which is read later",
    ),
    "base changed": (
        Calls(_base_changed, c=nn.Conv2d(3, 3, 1)),
        "changes conv2d in place, which is read later",
    ),
    "dropout that drops": (
        Calls(lambda s, x: functional.dropout(x)),
        "dropout at dropout .*drops values in evaluation mode",
    ),
    "cast": (Calls(lambda s, x: x.double()), "to at .*not a supported operator"),
    "several outputs": (
        Calls(lambda s, x: (x, x)),
        "net: returns 2 tensors, wanted one: --output 0 or 1",
    ),
    "no output": (Calls(lambda s, x: 3), "net: returns no tensor"),
    "constant": (
        Calls(lambda s, x: s.p, p=nn.Parameter(torch.ones(1))),
        "net: the module returns no tensor computed from its input",
    ),
    "nothing": (nn.Identity(), "net: the module returns its input; there is no operator"),
    "control flow": (
        Calls(lambda s, x: x if x.sum() > 0 else -x),
        "net: torch.export cannot trace the module: .*data-dependent",
    ),
    "numpy inside": (
        Calls(lambda s, x: torch.from_numpy(x.numpy())),
        "torch.export cannot trace the module: RuntimeError: .*numpy",
    ),
    "branch operator": (
        Calls(lambda s, x: torch.cond(x.sum() > 0, torch.relu, torch.neg, (x,))),
        "sum at sum .*not a supported operator",
    ),
    "missing attribute": (Calls(lambda s, x: s.gone(x)), "AttributeError: .*'gone'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case, capsys, caplog):
    module, message = REFUSED[case]
    with pytest.raises(CaptureError, match=message) as caught:
        capture(module, torch.zeros(1, 3, 8, 8), "net")
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("bad", [torch.zeros(3, 8, 8), torch.zeros(1, 3, 8, 8).int()])
def test_the_example_is_checked(bad):
    with pytest.raises(
        CaptureError, match=r"the example is .*wanted floating point \(N, C, H, W\)"
    ):
        capture(nn.Conv2d(3, 3, 1), bad, "net")


def test_infinite_weights_are_named():
    module = nn.Sequential(nn.Conv2d(3, 2, 1))
    with torch.no_grad():
        module[0].weight[1, 2] = torch.nan
    with pytest.raises(CaptureError, match=r"0: weights at \[1, 2, 0, 0\] is not a finite number"):
        capture(module, torch.zeros(1, 3, 8, 8), "net")


class Answers(nn.Module):
    """A small network whose answer is wrapped by a function."""

    def __init__(self, wrap):
        super().__init__()
        self.c, self.f, self.wrap = nn.Conv2d(1, 8, 3), nn.Linear(8, 10), wrap

    def forward(self, x):
        return self.wrap(self.f(functional.relu(self.c(x)).mean((2, 3))))


WRAPS = {"dict": lambda y: {"out": y}, "tuple": lambda y: (y,), "nested": lambda y: [{"a": (y, 3)}]}


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_one_tensor_of_an_answer_is_read(wrap, tmp_path):
    """By the reader as well as where the original network is run for its logits."""
    module = Answers(WRAPS[wrap])
    data = Data("digits", limit=64)
    made = compress(module, data=data, out=tmp_path / "out", epochs=0, method="int8", name="net")
    assert made.int8.agreement > 0.9
    plain = Answers(lambda y: y)
    plain.load_state_dict(module.state_dict())
    example = torch.zeros(1, 1, 8, 8)
    assert network_sha256(capture(module, example, "net")) == network_sha256(
        capture(plain, example, "net")
    )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_other_precisions_are_read(kind, tmp_path):
    module = Answers(lambda y: y).to(kind)
    data = Data("digits", limit=64)
    made = compress(module, data=data, out=tmp_path / "out", epochs=0, method="int8", name="net")
    assert made.int8.agreement > 0.9
    captured = capture(module, torch.zeros(1, 1, 8, 8, dtype=kind), "net")
    assert captured.weights["c"].dtype == np.float32
    assert (captured.weights["c"] == module.c.weight.detach().float().numpy()).all()
