"""Does the executor do what each operator means, and hand every layer what a machine needs?"""

import dataclasses
import re

import numpy as np
import pytest

from tests.workloads.models import every_operator, random_integers
from workloads.convolve import convolve
from workloads.errors import WorkloadError
from workloads.execute import Execution, execute, quantize_images
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel, Rescale
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.weights import LayerWeights


def run(node, *operands, bounds=None, rescales=None):
    """One operator on uint8 or int8 operands, which are slices of one input by channel."""
    shape = operands[0].shape
    joined = np.concatenate(operands, axis=1)
    nodes = [Node("input", "input", (), joined.shape[1:])]
    for index in range(len(operands)):
        start = index * shape[1]
        attributes = {"axis": 1, "start": start, "stop": start + shape[1], "step": 1}
        nodes.append(Node(f"x{index}", "slice", ("input",), shape[1:], attributes=attributes))
    nodes.append(node)
    signed = joined.dtype == np.int8
    image = ImageQuantizer(
        1.0, (0.0,) * joined.shape[1], (1.0,) * joined.shape[1], 1.0,
        -128 if signed else 0, 127 if signed else 255, shape[2:],
    )  # fmt: skip
    model = IntegerModel(
        Graph("net", tuple(nodes)),
        {},
        {node.name: rescales} if rescales else {},
        {node.name: bounds} if bounds else {},
        image,
        1.0,
    )
    return execute(model, joined, convolve)[node.name]


def row(*values, dtype=np.uint8):
    return np.array(values, dtype).reshape(1, 1, 1, -1)


def test_add_rescales_each_operand_then_clamps_the_sum():
    node = Node("add", "add", ("x0", "x1"), (1, 1, 4))
    rescales = (Rescale(1, 1), Rescale(3, 0))
    found = run(node, row(1, 2, 3, 255), row(0, 1, 10, 255), bounds=(2, 200), rescales=rescales)
    assert found.dtype == np.uint8
    assert found.ravel().tolist() == [2, 4, 32, 200]


def test_concat_rescales_each_operand():
    node = Node("concat", "concat", ("x1", "x0"), (2, 1, 2))
    rescales = (Rescale(-1, 0), Rescale(1, 1))
    found = run(node, row(9, 200), row(5, 250), bounds=(-128, 90), rescales=rescales)
    assert found.dtype == np.int8
    assert found.tolist() == [[[[-5, -128]], [[5, 90]]]]


def window(op, shape, kernel, stride, padding):
    attributes = {"kernel": kernel, "stride": stride, "padding": padding}
    return Node("pool", op, ("x0",), shape, attributes=attributes)


def test_padding_never_wins_in_a_max_pool():
    node = window("max_pool", (1, 1, 3), [1, 2], [1, 2], [0, 0, 1, 0])
    found = run(node, row(-128, -5, -128, -128, -7, dtype=np.int8))
    assert found.dtype == np.int8
    assert found.ravel().tolist() == [-128, -5, -7]


def test_a_window_of_padding_alone_is_refused():
    node = window("max_pool", (1, 1, 3), [1, 1], [1, 1], [0, 0, 1, 0])
    with pytest.raises(WorkloadError, match="pool: a pooling window holds nothing but padding"):
        run(node, row(0, 1))


def test_padding_counts_as_zeros_in_a_mean():
    node = window("avg_pool", (1, 1, 2), [1, 4], [1, 2], [0, 0, 1, 1])
    found = run(node, row(3, 4, 250, 255), bounds=(0, 255), rescales=(Rescale(1, 2),))
    assert found.ravel().tolist() == [(3 + 4 + 250 + 2) // 4, (4 + 250 + 255 + 2) // 4]


def test_relu_clamps_to_its_bounds():
    node = Node("relu", "relu", ("x0",), (1, 1, 4), relu=True, maximum=6.0)
    found = run(node, row(-128, 0, 5, 127, dtype=np.int8), bounds=(0, 48))
    assert found.dtype == np.uint8
    assert found.ravel().tolist() == [0, 0, 5, 48]


def test_pad_adds_zeros_on_every_side():
    node = Node("pad", "pad", ("x0",), (3, 2, 4), attributes={"padding": [1, 1, 0, 1, 2, 0]})
    found = run(node, row(7, 8))
    assert found[0, 1].tolist() == [[0, 0, 7, 8], [0, 0, 0, 0]]
    assert found.sum() == 15


def test_slice_and_flatten_keep_the_order():
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    flat = run(Node("flat", "flatten", ("x0",), (12, 1, 1)), values)
    assert flat[:, :, 0, 0].tolist() == values.reshape(2, 12).tolist()
    attributes = {"axis": 1, "start": 0, "stop": 3, "step": 2}
    part = run(Node("part", "slice", ("x0",), (2, 2, 2), attributes=attributes), values)
    np.testing.assert_array_equal(part, values[:, ::2])
    assert part.flags.c_contiguous


def a_model(seed=0):
    return random_integers(np.random.default_rng(seed), every_operator())


def some_inputs(model, count=2):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (count, *model.graph.nodes[0].shape))
    return quantize_images(model.image, pixels)


def test_each_image_is_computed_alone():
    model = a_model()
    inputs = some_inputs(model, 3)
    together = execute(model, inputs, convolve)
    for index in range(3):
        alone = execute(model, inputs[index : index + 1], convolve)
        for name, values in together.items():
            np.testing.assert_array_equal(values[index : index + 1], alone[name], err_msg=name)


def test_outputs_come_in_execution_order_and_contiguous():
    model = a_model()
    outputs = execute(model, some_inputs(model), convolve)
    assert list(outputs) == [node.name for node in model.graph.nodes]
    for node in model.graph.nodes:
        assert outputs[node.name].shape == (2, *node.shape)
        assert outputs[node.name].flags.c_contiguous


def test_layers_get_what_a_machine_needs():
    model = a_model()
    inputs, seen = some_inputs(model), {}

    def watch(tensors):
        seen[tensors.layer.name] = tensors
        return convolve(tensors)

    outputs = execute(model, inputs, watch)
    assert list(seen) == [node.name for node in model.graph.convs]
    for name, tensors in seen.items():
        source = model.graph[name].inputs[0]
        np.testing.assert_array_equal(tensors.activations, outputs[source])
        assert tensors.requantizer is model.convs[name].requantizer
        assert tensors.origin == "captured"
        for field in ("weights", "basis", "coefficients"):
            assert getattr(tensors, field) is getattr(model.convs[name].weights, field)
    assert seen["first"].producers == ()
    assert seen["strided"].producers == ("first",)
    assert seen["depthwise"].producers == ("strided",)
    assert seen["point"].producers == ("depthwise", "grouped", "strided")
    np.testing.assert_array_equal(seen["strided"].shortcut, outputs["widen"])
    assert all(tensors.shortcut is None for name, tensors in seen.items() if name != "strided")


def test_a_shortcut_that_comes_later_is_left_to_the_later_layer():
    """Both operands of the addition are convolutions: the second finds the first's output."""
    model, seen = chain("add"), {}
    outputs = execute(
        model,
        np.ones((1, 1, 2, 2), np.uint8),
        lambda tensors: [seen.update({tensors.layer.name: tensors}), convolve(tensors)][1],
    )
    assert seen["a"].shortcut is None
    np.testing.assert_array_equal(seen["b"].shortcut, outputs["a"])


def test_a_layer_with_other_readers_or_added_to_itself_has_no_shortcut():
    for kind in ("twice", "self"):
        seen = {}
        execute(
            chain(kind),
            np.ones((1, 1, 2, 2), np.uint8),
            lambda tensors, seen=seen: [
                seen.update({tensors.layer.name: tensors.shortcut}),
                convolve(tensors),
            ][1],
        )
        assert seen == {"a": None, "b": None}


def chain(kind):
    """Convolutions a and b of the input, and an addition: a + b, a + b and a reader, or b + b."""
    nodes = [Node("input", "input", (), (1, 2, 2))]
    for name in "ab":
        layer = ConvLayer(name, C=1, K=1, H=2, W=2)
        nodes.append(Node(name, "conv", ("input",), (1, 2, 2), layer))
    if kind == "twice":
        nodes.append(Node("more", "relu", ("b",), (1, 2, 2), relu=True))
    operands = ("b", "b") if kind == "self" else ("a", "b")
    nodes.append(Node("sum", "add", operands, (1, 2, 2)))
    one = Requantizer(np.ones(1, np.int32), np.zeros(1, np.int32), 0, 0, 255)
    return IntegerModel(
        Graph("chain", tuple(nodes)),
        {
            name: ConvIntegers(LayerWeights(weights=np.ones((1, 1, 1, 1), np.int8)), one)
            for name in "ab"
        },
        {"sum": (Rescale(1, 0), Rescale(1, 0))},
        {"sum": (0, 255), "more": (0, 255)},
        ImageQuantizer(1.0, (0.0,), (1.0,), 1.0, 0, 255, (2, 2)),
        1.0,
    )


def test_psums_of_32_bits_are_taken_too():
    model = a_model()
    inputs = some_inputs(model)
    wide = execute(model, inputs, convolve)
    narrow = execute(model, inputs, lambda tensors: convolve(tensors).astype(np.int32))
    for name, values in wide.items():
        np.testing.assert_array_equal(values, narrow[name])


def test_the_caller_keeps_a_writable_array():
    model = a_model()
    inputs = some_inputs(model)
    execute(model, inputs, convolve)
    assert inputs.flags.writeable


@pytest.mark.parametrize(
    "spoil",
    [
        lambda psums: psums.astype(np.float64),
        lambda psums: psums.astype(np.uint32),
        lambda psums: psums[:1],
        lambda psums: psums[:, :, :, :-1],
    ],
)
def test_wrong_psums_are_named(spoil):
    model = a_model()
    with pytest.raises(WorkloadError, match=r"first: psums are .*, wanted int32 or int64 \(2, 4,"):
        execute(model, some_inputs(model), lambda tensors: spoil(convolve(tensors)))


def test_psums_beyond_32_bits_name_the_layer():
    model = a_model()
    with pytest.raises(WorkloadError, match=r"first: requantizer: psum \+ bias leaves the 32-bit"):
        execute(model, some_inputs(model), lambda tensors: convolve(tensors) + 2**31)


def test_wrong_inputs_are_named():
    model = a_model(1)
    inputs = some_inputs(model)
    other = np.uint8 if inputs.dtype == np.int8 else np.int8
    for wrong in (inputs.astype(other), inputs[:, :, :-1], inputs[0]):
        with pytest.raises(WorkloadError, match=r"input: inputs are .*, wanted .*\(N, 3, 9, 11\)"):
            execute(model, wrong, convolve)


def test_a_graph_that_contradicts_its_operators_is_named():
    model = a_model()
    nodes = tuple(
        dataclasses.replace(node, shape=(8, 4, 6)) if node.name == "widen" else node
        for node in model.graph.nodes
    )
    wrong = dataclasses.replace(model, graph=Graph("wrong", nodes))
    message = re.escape("widen: the output has shape (8, 4, 5), the graph says (8, 4, 6)")
    with pytest.raises(WorkloadError, match=message):
        execute(wrong, some_inputs(model), convolve)


IMAGE = ImageQuantizer(1 / 255, (0.5, 0.25), (0.5, 0.25), 1 / 127, -127, 127, (1, 2))


def test_images_are_scaled_shifted_and_clamped():
    pixels = np.array([[[[0, 255]], [[0, 255]]]], np.uint8)
    found = quantize_images(IMAGE, pixels)
    assert found.dtype == np.int8
    assert found.tolist() == [[[[-127, 127]], [[-127, 127]]]]


def test_wrong_images_are_named():
    message = re.escape("images: shape (1, 2, 2, 1), wanted (N, 2, 1, 2)")
    with pytest.raises(WorkloadError, match=message):
        quantize_images(IMAGE, np.zeros((1, 2, 2, 1), np.uint8))
    pixels = np.zeros((1, 2, 1, 2))
    pixels[0, 1, 0, 1] = np.inf
    with pytest.raises(WorkloadError, match=r"the pixel at \[0, 1, 0, 1\] is not a finite number"):
        quantize_images(IMAGE, pixels)


def test_layers_come_one_by_one_as_their_psums_are_handed_back():
    model = a_model()
    run = Execution(model, some_inputs(model))
    names = []
    for asked in run:
        names.append(asked.layer.layer.name)
        assert names[-1] not in run.outputs
        asked.done(convolve(asked.layer))
    assert names == [node.name for node in model.graph.convs]
    wanted = execute(model, some_inputs(model), convolve)
    for name, values in run.outputs.items():
        np.testing.assert_array_equal(values, wanted[name])
    assert run.output is run.outputs[model.graph.output.name]


@pytest.mark.parametrize("handed", [True, False])
def test_psums_that_are_missing_are_named(handed):
    model = a_model()
    layers = iter(Execution(model, some_inputs(model)))
    asked = next(layers)
    name = asked.layer.layer.name
    if handed:
        with pytest.raises(WorkloadError, match=f"{name}: psums are missing, wanted int32 or"):
            asked.done(None)
    with pytest.raises(WorkloadError, match=f"{name}: its psums were not handed back"):
        next(layers)
