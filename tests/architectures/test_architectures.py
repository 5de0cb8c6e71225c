"""Are the networks that people bring read as they are, from torch and from files of both kinds?"""

import logging
import warnings

import pytest
import torch
from PIL import Image

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.feed import Feed
from escalate.app.machines import choose
from escalate.app.verify import verify
from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.train.modules import float_module
from tests.architectures.architecture import NAMES, architecture
from workloads.network import network

TOLERANCE = 1e-4  # of the largest output: float32 rounding over up to two hundred operators
MACS_WITHIN = 0.01  # published numbers are rounded, and some leave out small layers
LARGE = ("densenet121", "inception_v3")  # their files take longer than a quick test may
SCRIPT, DYNAMO = [(False, opset) for opset in (11, 13, 17, 20)], [(True, 18), (True, 21)]


def kernels(layers):
    """All bounds of the layers but the size of their planes, which the image's size sets."""
    return [(e.C, e.K, e.R, e.S, e.stride, e.padding, e.dilation, e.groups) for e in layers]


def bounds(layers):
    return [(*kernel, e.H, e.W) for kernel, e in zip(kernels(layers), layers, strict=True)]


def assert_equal_outputs(network, module, images):
    """The captured network in floats gives what the module gives."""
    with torch.no_grad():
        wanted, found = module(images), float_module(network)(images)
    apart = (found.reshape(wanted.shape) - wanted).abs().max()
    assert wanted.abs().max() > 0
    assert apart <= TOLERANCE * wanted.abs().max()


def exported(module, images, path, *, dynamo, opset):
    """The path of the file that an exporter of torch writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            torch.onnx.export(
                module, (images,), path, dynamo=dynamo, opset_version=opset, verbose=False
            )
        finally:
            logging.disable(before)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_published_ones(name):
    with torch.device("meta"):
        module = architecture(name).file.build()
    assert sum(each.numel() for each in module.parameters()) == architecture(name).parameters
    assert network(name).parameters == architecture(name).parameters


@pytest.mark.parametrize("name", NAMES)
def test_a_small_image_gives_the_module_s_outputs(name):
    found = architecture(name)
    module, images = found.module(found.small_width), found.images(2, small=True)
    captured = capture(module, images[:1], name)
    assert_equal_outputs(captured, module, images)
    assert captured.original_parameters == sum(each.numel() for each in module.parameters())
    if found.small_width == 1:
        assert kernels(captured.graph.layers) == kernels(network(name).shapes)


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_layers_are_those_of_the_network_of_that_name(name):
    found = architecture(name)
    captured = capture(found.module(), found.images(1, small=False), name)
    assert bounds(captured.graph.layers) == bounds(network(name).shapes)
    macs = sum(layer.macs for layer in captured.graph.layers)
    assert abs(macs - found.macs) <= MACS_WITHIN * found.macs


def assert_file_is_read(name, tmp_path, dynamo, opset):
    found = architecture(name)
    module, images = found.module(0.25), found.images(1, small=True)
    path = exported(module, images, tmp_path / f"{name}.onnx", dynamo=dynamo, opset=opset)
    direct = capture(module, images, name)
    read = capture(OnnxModule(path), images, name)
    assert bounds(read.graph.layers) == bounds(direct.graph.layers)
    assert_equal_outputs(read, module, images)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_a_file_is_read_as_the_module(name, tmp_path):
    assert_file_is_read(name, tmp_path, dynamo=False, opset=17)


@pytest.mark.nightly
@pytest.mark.parametrize(("dynamo", "opset"), [*SCRIPT, *DYNAMO])
@pytest.mark.parametrize("name", NAMES)
def test_files_of_both_exporters_are_read_as_the_module(name, tmp_path, dynamo, opset):
    assert_file_is_read(name, tmp_path, dynamo, opset)


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_int8_outputs_are_proved(name, tmp_path):
    """Psums of a machine, through all layers, give the outputs of the integer network in torch."""
    found = architecture(name)
    images = found.images(6, small=True)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, image in enumerate(images):
        pixels = (image.clamp(-2, 2) * 63 + 128).to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(pixels.squeeze()).save(pictures / f"{number}.png")
    channels = images.shape[1]
    moments = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    data = Data(str(pictures), size=tuple(images.shape[2:]), **moments)
    made = compress(
        found.module(0.25), data=data, out=tmp_path / "out", name=name, method="int8", epochs=0
    )
    proof = verify(made.folder, choose("basis_first")[0], Feed(data.name, 1))
    assert proof.logits > 0
    assert proof.layers >= len(network(name).shapes)
