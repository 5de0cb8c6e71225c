"""Small graphs as exporters write them: read as ONNX Runtime reads them.

Each stands for a kind that was refused once, or read wrongly.
"""

import numpy as np
import pytest
import torch
from onnx import TensorProto, numpy_helper

from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from tests.escalate.capture.onnx_builder import Builder, assert_same, evaluated

GRAPHS = {}


def graph(function):
    """A way to make a graph: from a builder to the name of its output."""
    GRAPHS[function.__name__] = function
    return function


def ints(b, *values):
    return b.tensor(np.array(values, np.int64))


def convolved(b):
    return b.conv("image", 3, 8, 3, pads=[1, 1, 1, 1])


def flat(b, width):
    """A product of the whole image, (N, width)."""
    return b.add("Gemm", b.add("Flatten", "image"), b.floats(int(np.prod(b.shape)), width))


@graph
def bias_of_one_row(b):
    numbers = int(np.prod(b.shape))
    return b.add("Gemm", b.add("Flatten", "image"), b.floats(numbers, 4), b.floats(1, 4))


@graph
def bias_of_one_number(b):
    numbers = int(np.prod(b.shape))
    return b.add("Gemm", b.add("Flatten", "image"), b.floats(numbers, 4), b.floats(1, 1))


@graph
def bias_behind_identity(b):
    bias = b.add("Identity", b.floats(8))
    return b.add("Relu", b.add("Conv", "image", b.floats(8, 3, 3, 3), bias))


@graph
def variance_behind_identity(b):
    ones, zeros = (b.tensor(make(8, np.float32)) for make in (np.ones, np.zeros))
    spread = b.add("Identity", ones)
    return b.add("BatchNormalization", convolved(b), ones, zeros, zeros, spread)


@graph
def weights_of_a_constant_node(b):
    value = b.random.normal(size=(8, 3, 3, 3)).astype(np.float32)
    weights = b.add("Constant", value=numpy_helper.from_array(value))
    return b.add("Relu", b.add("Conv", "image", weights))


@graph
def weights_in_half_precision(b):
    half = b.tensor(b.random.normal(size=(8, 3, 3, 3)).astype(np.float16))
    return b.add("Conv", "image", b.add("Cast", half, to=TensorProto.FLOAT))


@graph
def product_with_reshaped_weights(b):
    numbers = int(np.prod(b.shape))
    weights = b.add("Reshape", b.floats(numbers * 4), ints(b, numbers, 4))
    return b.add("MatMul", b.add("Flatten", "image"), weights)


@graph
def product_with_transposed_weights(b):
    weights = b.add("Transpose", b.floats(4, int(np.prod(b.shape))), perm=[1, 0])
    return b.add("MatMul", b.add("Flatten", "image"), weights)


@graph
def bias_added_behind_a_convolution(b):
    return b.add("Relu", b.add("Add", convolved(b), b.floats(1, 8, 1, 1)))


@graph
def bias_added_behind_a_product(b):
    product = b.add("MatMul", b.add("Flatten", "image"), b.floats(int(np.prod(b.shape)), 4))
    return b.add("Add", product, b.floats(4))


@graph
def scale_and_shift_behind_a_convolution(b):
    return b.add("Add", b.add("Mul", convolved(b), b.floats(8, 1, 1)), b.floats(8, 1, 1))


@graph
def sizes_from_a_part_of_a_shape(b):
    x = convolved(b)
    sizes = b.add("Concat", b.add("Shape", x, start=0, end=1), ints(b, -1), axis=0)
    width = 8 * b.shape[1] * b.shape[2]
    return b.add("Gemm", b.add("Reshape", x, sizes), b.floats(width, 4))


@graph
def sizes_from_a_slice_of_a_shape(b):
    x = convolved(b)
    first = b.add("Slice", b.add("Shape", x), ints(b, 0), ints(b, 1))
    sizes = b.add("Concat", first, ints(b, -1), axis=0)
    width = 8 * b.shape[1] * b.shape[2]
    return b.add("Gemm", b.add("Reshape", x, sizes), b.floats(width, 4))


@graph
def axes_counted_from_the_end(b):
    plane = b.add("Unsqueeze", flat(b, 6), ints(b, -2, -1))
    return b.conv(plane, 6, 5, 1)


@graph
def flattened_from_the_end(b):
    width = 8 * b.shape[1] * b.shape[2]
    return b.add("Gemm", b.add("Flatten", convolved(b), axis=-3), b.floats(width, 4))


@graph
def clip_bounds_of_one_element(b):
    low, high = (b.tensor(np.array([each], np.float32)) for each in (0, 6))
    return b.add("Clip", convolved(b), low, high)


@graph
def max_pool_padded_on_one_side(b):
    return b.add("MaxPool", convolved(b), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])


@graph
def max_pool_of_the_same_size(b):
    return b.add(
        "MaxPool", convolved(b), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"
    )


@graph
def norm_behind_a_product(b):
    return b.norm(flat(b, 6), 6)


@graph
def sum_of_two(b):
    x = convolved(b)
    return b.add("Sum", x, b.add("Relu", x))


@graph
def halves_exchanged(b):
    halves = b.add("Split", convolved(b), ints(b, 4, 4), axis=1, outputs=2)
    return b.add("Concat", *reversed(halves), axis=1)


@graph
def mean_in_two_steps(b):
    return b.add("ReduceMean", b.add("ReduceMean", convolved(b), axes=[3]), axes=[2])


@graph
def a_node_called_steps(b):
    x = convolved(b)
    b.nodes[-1].name = "steps"
    return b.add("Relu", x)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_read_as_onnx_runtime_reads_it(name, tmp_path):
    builder = Builder()
    assert_same(builder.save(tmp_path / f"{name}.onnx", GRAPHS[name](builder)), builder)


def test_channels_may_come_last(tmp_path):
    builder = Builder(8, (8, 3))  # (H, W, C) behind the batch
    planes = builder.add("Transpose", "image", perm=[0, 3, 1, 2])
    assert_same(builder.save(tmp_path / "net.onnx", builder.conv(planes, 3, 8, 3)), builder)


def test_a_softmax_at_the_end_is_left_out_and_told(tmp_path):
    builder = Builder()
    logits = flat(builder, 6)
    path = builder.save(tmp_path / "logits.onnx", logits)
    network = assert_same(path, builder)
    ended = builder.save(tmp_path / "ended.onnx", builder.add("Softmax", logits, axis=1))
    image = {"image": np.ones((1, *builder.shape), np.float32)}
    assert evaluated(ended, image).sum() == pytest.approx(1)
    told = capture(OnnxModule(ended), torch.zeros(1, *builder.shape), "net")
    assert told.graph.nodes == network.graph.nodes
    assert [note for note in told.notes if "at the end is left out" in note]
