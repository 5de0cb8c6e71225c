"""Do the tables of networks give the totals that others published, and do their layers fit?"""

from re import fullmatch

import pytest

from workloads.errors import WorkloadError
from workloads.inverted_residual import inverted_residual_layers
from workloads.network import (
    NETWORKS,
    Network,
    NetworkLayer,
    Published,
    chain,
    linear,
    network,
    square,
    unconnected,
)
from workloads.networks.mobilenet_v2_cifar10 import ROWS
from workloads.networks.resnet20_cifar10 import STAGES
from workloads.residual import residual_layers

# Eyeriss (JSSC 2017) table III and nn_dataflow: name, C, K, H, R, stride, pad, groups, P, MACs.
ALEXNET = """
conv1  3   96 227 11 4 0 1 55 105415200
conv2 96  256  27  5 1 2 2 27 223948800
conv3 256 384  13  3 1 1 1 13 149520384
conv4 384 384  13  3 1 1 2 13 112140288
conv5 384 256  13  3 1 1 2 13  74760192
"""
VGG16 = """
conv1_1   3  64 224 3 1 1 1 224   86704128
conv1_2  64  64 224 3 1 1 1 224 1849688064
conv2_1  64 128 112 3 1 1 1 112  924844032
conv2_2 128 128 112 3 1 1 1 112 1849688064
conv3_1 128 256  56 3 1 1 1  56  924844032
conv3_2 256 256  56 3 1 1 1  56 1849688064
conv3_3 256 256  56 3 1 1 1  56 1849688064
conv4_1 256 512  28 3 1 1 1  28  924844032
conv4_2 512 512  28 3 1 1 1  28 1849688064
conv4_3 512 512  28 3 1 1 1  28 1849688064
conv5_1 512 512  14 3 1 1 1  14  462422016
conv5_2 512 512  14 3 1 1 1  14  462422016
conv5_3 512 512  14 3 1 1 1  14  462422016
"""
GOOGLENET = """
inception_3a_pool_proj  192  32 28 1 1 0 1 28  4816896
inception_3a_1x1        192  64 28 1 1 0 1 28  9633792
inception_3a_3x3_reduce 192  96 28 1 1 0 1 28 14450688
inception_3a_3x3         96 128 28 3 1 1 1 28 86704128
inception_3a_5x5_reduce 192  16 28 1 1 0 1 28  2408448
inception_3a_5x5         16  32 28 5 1 2 1 28 10035200
inception_5b_pool_proj  832 128  7 1 1 0 1  7  5218304
inception_5b_1x1        832 384  7 1 1 0 1  7 15654912
inception_5b_3x3_reduce 832 192  7 1 1 0 1  7  7827456
inception_5b_3x3        192 384  7 3 1 1 1  7 32514048
inception_5b_5x5_reduce 832  48  7 1 1 0 1  7  1956864
inception_5b_5x5         48 128  7 5 1 2 1  7  7526400
"""
SHAPES = {"alexnet": ALEXNET, "vgg16": VGG16, "googlenet": GOOGLENET}
JOINED = {"densenet121", "inception_v3", "yolov8n"}  # pooled or upsampled planes beside others
UPSAMPLED = {"yolov8n"}
# Layers that read channels which were shuffled, or only some of them.
MOVED = {
    "shufflenet_v2_x1_0": r"stage\d\.\d\.(main|short)\.0|conv5",
    "unet": r"convs\.\d\.0",
    "yolov8n": r"model\.\d+\.m\.0\.cv1",
}
NO_PUBLISHED_MACS = {"resnet152_cifar10", "unet"}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_the_published_ones_exactly(name):
    published = network(name).published_parameters
    assert published.within == 0
    assert network(name).parameters == published.value


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in NO_PUBLISHED_MACS])
def test_macs_are_the_published_ones_within_their_last_digit(name):
    assert network(name).published_macs.agrees(network(name).macs)


@pytest.mark.parametrize("name", NETWORKS)
def test_registry_names_the_network_and_its_source(name):
    found = network(name)
    assert found.name == name
    assert found.source
    assert found.summary


@pytest.mark.parametrize("name", SHAPES)
def test_layers_are_the_published_ones(name):
    for line in SHAPES[name].strip().splitlines():
        layer_name, *numbers = line.split()
        layer = network(name)[layer_name].layer
        found = (layer.C, layer.K, layer.H, layer.R, layer.stride, layer.padding[0], layer.groups)
        assert [*found, layer.P, layer.macs] == [int(number) for number in numbers], layer_name
        assert (layer.H, layer.R, layer.P) == (layer.W, layer.S, layer.Q)
        assert len(set(layer.padding)) == 1


@pytest.mark.parametrize(("name", "macs"), [("alexnet", 665_784_864), ("vgg16", 15_346_630_656)])
def test_macs_of_the_convolutions_alone(name, macs):
    convolutions = [layer for layer in network(name).shapes if not layer.name.startswith("fc")]
    assert sum(layer.macs for layer in convolutions) == macs


@pytest.mark.parametrize("name", NETWORKS)
def test_planes_fit_their_producers(name):
    """A layer reads planes of its producers' size, or halved, doubled, or averaged to one."""
    found = network(name)
    for entry in found.layers[1:]:
        sizes = {found[producer].layer.P for producer in entry.producers}
        assert len(sizes) <= 1 or name in JOINED
        for size in sizes:
            fits = {size, size // 2, (size - 1) // 2, 1, 2 * size if name in UPSAMPLED else 0}
            assert entry.layer.H in fits, entry.name
        for producer in entry.shortcut:
            assert found[producer].layer.P // entry.layer.P in (1, 2), entry.name


@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_image_and_flattened_planes_have_no_producer(name):
    without = [entry.name for entry in network(name).layers if not entry.producers]
    flattened = ["fc6"] if name in ("alexnet", "vgg16", "vgg19") else []
    if name not in MOVED:
        assert without == [network(name).layers[0].name, *flattened]
    else:
        assert without[1:]
        assert all(fullmatch(MOVED[name], each) for each in without[1:])


@pytest.mark.parametrize(
    ("name", "additions"),
    [
        ("vgg16", 0),
        ("googlenet", 0),
        ("resnet18", 8),
        ("resnet50", 16),
        ("resnet152", 50),
        ("resnet20_cifar10", 9),
        ("resnet56_cifar10", 27),
        ("mobilenet_v1", 0),
        ("mobilenet_v2", 10),
        ("mobilenet_v2_cifar10", 14),
        ("mobilenet_v3_small", 6),
        ("mobilenet_v3_large", 10),
        ("efficientnet_b0", 9),
        ("resnext50_32x4d", 16),
        ("regnet_y_400mf", 16),
        ("convnext_t", 18),
        ("densenet121", 0),
    ],
)
def test_one_layer_waits_at_each_addition(name, additions):
    assert sum(bool(entry.shortcut) for entry in network(name).layers) == additions


def test_wiring_of_a_projected_block():
    found = network("resnet18")
    assert found["layer2.0.conv1"].producers == ("layer1.1.conv2",)
    assert found["layer2.0.conv2"].shortcut == ()
    assert found["layer2.0.downsample.0"].producers == ("layer1.1.conv2",)
    assert found["layer2.0.downsample.0"].shortcut == ("layer2.0.conv2",)
    assert found["layer2.1.conv1"].producers == ("layer2.0.conv2",)
    assert found["layer2.1.conv2"].shortcut == ("layer2.0.conv2",)


def test_wiring_of_a_shortcut_without_parameters():
    entry = network("resnet20_cifar10")["layer2.0.conv2"]
    assert entry.shortcut == ("layer1.2.conv2",)
    assert network("resnet20_cifar10")["layer1.2.conv2"].layer.K == entry.layer.K // 2


def test_wiring_of_concatenations():
    branches = tuple(f"inception_3a_{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj"))
    assert network("googlenet")["inception_3b_5x5_reduce"].producers == branches
    assert network("squeezenet1_1")["fire3.squeeze1x1"].producers == (
        "fire2.expand1x1",
        "fire2.expand3x3",
    )


def test_variants_that_others_counted():
    """github.com/chenyaofo/pytorch-cifar-models: ResNet-20 with projections, plain MobileNet v2."""
    resnet = residual_layers(square("conv1", 3, 16, 32, 3), 32, STAGES, 10)
    assert sum(entry.parameters for entry in resnet) == 272_474
    assert round(sum(entry.layer.macs for entry in resnet) / 1e6, 2) == 40.81
    mobilenet = inverted_residual_layers(square("conv1", 3, 32, 32, 3), ROWS, 10)
    assert sum(entry.parameters for entry in mobilenet) == 2_236_682
    assert round(sum(entry.layer.macs for entry in mobilenet) / 1e6, 2) == 87.98


def test_parameters_count_biases_and_batch_norms():
    layer = square("a", 4, 6, 5, 3, groups=2)
    assert NetworkLayer(layer).parameters == 6 * 2 * 9
    assert NetworkLayer(layer, bias=True).parameters == 6 * 2 * 9 + 6
    assert NetworkLayer(layer, bias=True, batch_norm=True).parameters == 6 * 2 * 9 + 18
    assert NetworkLayer(layer, extra=5).parameters == 6 * 2 * 9 + 5


def test_published_agrees_up_to_both_edges():
    published = Published(100, "here", within=5)
    assert [published.agrees(total) for total in (94, 95, 105, 106)] == [False, True, True, False]


def test_unknown_network_lists_those_there_are():
    with pytest.raises(WorkloadError, match=r"unknown network 'resnet19', allowed are alexnet, .*"):
        network("resnet19")


def test_unconnected_layers_have_no_producers():
    found = unconnected("mine", [square("a", 1, 2, 4, 3), square("b", 2, 2, 4)], "mine.csv")
    assert found.input == (1, 4, 4)
    assert [entry.producers for entry in found.layers] == [(), ()]
    with pytest.raises(WorkloadError, match="mine: the network has no layer"):
        unconnected("mine", [], "mine.csv")


def make(*layers, image=(1, 4, 4)):
    return Network("mine", "", "", image, layers)


FIRST = NetworkLayer(square("a", 1, 2, 4))


@pytest.mark.parametrize(
    ("layers", "image", "message"),
    [
        ((), (1, 4, 4), "mine: the network has no layer"),
        ((FIRST,), (3, 4, 4), r"mine: a: the input is \(1, 4, 4\), the image is \(3, 4, 4\)"),
        ((FIRST, FIRST), (1, 4, 4), "mine: layer name 'a' appears twice"),
        (
            (FIRST, NetworkLayer(square("b", 2, 2, 4), ("c",))),
            (1, 4, 4),
            "mine: b reads 'c', which no earlier layer makes",
        ),
        (
            (FIRST, NetworkLayer(square("b", 2, 2, 4), ("b",))),
            (1, 4, 4),
            "mine: b reads 'b', which no earlier layer makes",
        ),
        (
            (FIRST, NetworkLayer(square("b", 3, 2, 4), ("a",))),
            (1, 4, 4),
            "mine: b: C is 3, the producers have 2 channels",
        ),
        (
            (FIRST, NetworkLayer(square("b", 2, 1, 4), ("a",), ("a",))),
            (1, 4, 4),
            "mine: b: K is 1, the shortcut has 2 channels",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused(layers, image, message):
    with pytest.raises(WorkloadError, match=message):
        make(*layers, image=image)


def test_layers_are_found_by_name():
    found = make(*chain([square("a", 1, 2, 4), linear("fc", 32, 3)]))
    assert found["fc"].layer.K == 3
    assert found["fc"].producers == ()
    with pytest.raises(KeyError, match="nowhere"):
        found["nowhere"]
