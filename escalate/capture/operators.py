"""The supported ATen operators: what each adds to the captured graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import fx

from escalate.capture.draft import FUSIBLE, Draft
from escalate.errors import CaptureError
from workloads.graph import Op
from workloads.layer import ConvLayer

State = Mapping[str, tuple[str, torch.Tensor]]


@dataclass(slots=True)
class Call:
    """One operator of the exported graph, as its handler sees it.

    ``arguments`` are by the schema's names, ``values`` maps exported tensors to graph nodes,
    ``state`` maps placeholders to (name in the module, tensor), ``path`` is the module's path
    with the operator's own name, ``live`` holds the exported nodes that the output needs.
    """

    node: fx.Node
    operator: str
    path: str
    arguments: dict[str, Any]
    draft: Draft
    values: Mapping[fx.Node, str]
    state: State
    live: frozenset[fx.Node]

    def fail(self, problem: str) -> NoReturn:
        """Raise CaptureError with the operator and its place."""
        raise CaptureError(
            f"{self.draft.name}: {self.operator} at {self.path} (node {self.node.name}): {problem}"
        )

    def source(self, argument: str = "self") -> str:
        """The graph node that makes the tensor ``argument``."""
        value = self.arguments[argument]
        if not isinstance(value, fx.Node) or value not in self.values:
            self.fail(f"{argument} is no tensor computed from the network's input")
        return self.values[value]

    def require_planes(self, argument: str = "self") -> None:
        """Refuse a tensor that is not (N, C, H, W)."""
        shape = shape_of(self.arguments[argument])
        if len(shape) != 4:
            self.fail(f"a tensor of shape {shape}, wanted (N, C, H, W)")

    def is_sole_reader(self, argument: str = "self") -> bool:
        """Whether this operator alone reads the tensor ``argument``."""
        return self.live.intersection(self.arguments[argument].users) == {self.node}

    def parameter(self, argument: str) -> np.ndarray | None:
        """The module's own tensor in float64, or None where the argument is None."""
        value = self.arguments[argument]
        if value is None:
            return None
        if not isinstance(value, fx.Node) or value.name not in self.state:
            self.fail(f"{argument} is computed, wanted a parameter of the module")
        name, tensor = self.state[value.name]
        if len(self.live.intersection(value.users)) > 1:
            self.fail(f"the parameter {name} is used twice")
        array: np.ndarray = tensor.detach().to("cpu", torch.float64).numpy()
        return array

    def parameter_path(self, argument: str) -> str:
        """Path of the module that holds the parameter, '' for the captured module itself."""
        return self.state[self.arguments[argument].name][0].rpartition(".")[0]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of an exported tensor, batch first; () for no single tensor or unknown sizes."""
    value = node.meta.get("val")
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else ()
    return shape if all(isinstance(size, int) for size in shape) else ()


def plane_of(call: Call, node: fx.Node) -> tuple[int, int, int]:
    """Shape (C, H, W) of one image's part of an exported tensor (N, C), (N, C, 1) or 4-D."""
    shape = shape_of(node)
    if len(shape) not in (2, 4) and not (len(shape) == 3 and shape[2] == 1):
        call.fail(f"a tensor of shape {shape}, wanted (N, C, H, W) or (N, C)")
    _, channels, rows, columns = (*shape, 1, 1)[:4]
    return channels, rows, columns


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return (pair[0], pair[0]) if len(pair) == 1 else (pair[0], pair[1])


def _equal_pair(call: Call, argument: str) -> int:
    down, across = _pair(call.arguments[argument])
    if down != across:
        call.fail(f"{argument} is {down}x{across}, wanted both equal")
    return down


def _conv_padding(call: Call, kernel: tuple[int, int], dilation: int) -> tuple[int, int, int, int]:
    padding = call.arguments["padding"]
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        down, across = (dilation * (size - 1) for size in kernel)
        return (down // 2, down - down // 2, across // 2, across - across // 2)
    down, across = _pair(padding)
    return (down, down, across, across)


def _conv2d(call: Call) -> str:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    call.require_planes("input")
    k, _, r, s = weights.shape
    stride, dilation = _equal_pair(call, "stride"), _equal_pair(call, "dilation")
    padding = _conv_padding(call, (r, s), dilation)
    before = draft.nodes[source]
    if before.op == "pad" and call.is_sole_reader("input"):
        channels_before, channels_after, *edges = before.attributes["padding"]
        if channels_before == channels_after == 0:
            padding = tuple(own + edge for own, edge in zip(padding, edges, strict=True))
            source = draft.nodes.pop(source).inputs[0]
    c, h, w = draft.nodes[source].shape
    name = draft.fresh(call.parameter_path("weight") or "conv")
    groups = call.arguments["groups"]
    layer = ConvLayer(name, c, k, h, w, r, s, stride, padding, dilation, groups)
    draft.parameters += weights.size + (0 if biases is None else biases.size)
    return draft.add_conv(layer, source, weights, np.zeros(k) if biases is None else biases)


def _linear(call: Call) -> str:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    if len(shape_of(call.arguments["input"])) != 2:
        call.fail(f"input of shape {shape_of(call.arguments['input'])}, wanted (N, C)")
    k, c = weights.shape
    layer = ConvLayer(draft.fresh(call.parameter_path("weight") or "linear"), c, k, 1, 1)
    count = weights.size + (0 if biases is None else biases.size)
    draft.parameters, draft.linear_parameters = (
        draft.parameters + count,
        draft.linear_parameters + count,
    )
    kernel = weights[:, :, None, None]
    return draft.add_conv(layer, source, kernel, np.zeros(k) if biases is None else biases)


def _batch_norm(call: Call) -> str:
    name = call.source("input")
    node = call.draft.nodes[name]
    if node.op != "conv" or node.relu or not call.is_sole_reader("input"):
        call.fail("wanted right behind a convolution whose output nothing else reads")
    mean, variance = call.parameter("running_mean"), call.parameter("running_var")
    if call.arguments["training"] or mean is None or variance is None:
        call.fail("normalizes by the batch's own statistics, wanted running statistics")
    scale, shift = call.parameter("weight"), call.parameter("bias")
    factor = (1.0 if scale is None else scale) / np.sqrt(variance + call.arguments["eps"])
    call.draft.scale_conv(name, factor, (0.0 if shift is None else shift) - mean * factor)
    call.draft.parameters += sum(array.size for array in (scale, shift) if array is not None)
    return name


def _activation(call: Call, maximum: float | None) -> str:
    source, draft = call.source(), call.draft
    if draft.nodes[source].op not in FUSIBLE or not call.is_sole_reader():
        source = draft.add(call.path, "relu", (source,), draft.nodes[source].shape)
    draft.fuse(source, maximum)
    return source


def _relu(call: Call) -> str:
    return _activation(call, None)


def _relu6(call: Call) -> str:
    return _activation(call, 6.0)


def _clamp(call: Call) -> str:
    lower = call.arguments.get("min", call.arguments.get("min_val"))
    upper = call.arguments.get("max", call.arguments.get("max_val"))
    if lower != 0 or (upper is not None and not upper > 0):
        call.fail(f"clamps to {lower}..{upper}, wanted 0..maximum")
    return _activation(call, None if upper in (None, float("inf")) else float(upper))


def _add(call: Call) -> str:
    operands = (call.source("self"), call.source("other"))
    shapes = [shape_of(call.arguments[argument]) for argument in ("self", "other")]
    if shapes[0] != shapes[1]:
        call.fail(f"operands of shapes {shapes[0]} and {shapes[1]}, wanted equal shapes")
    if call.arguments["alpha"] != 1:
        call.fail(f"alpha is {call.arguments['alpha']}, wanted 1")
    return call.draft.add(call.path, "add", operands, plane_of(call, call.node))


def _concat(call: Call) -> str:
    tensors = call.arguments["tensors"]
    axis = call.arguments["dim"] % len(shape_of(call.node))
    if axis != 1:
        call.fail(f"concatenates on axis {axis}, wanted 1 (channels)")
    if any(tensor not in call.values for tensor in tensors):
        call.fail("an operand is no tensor computed from the network's input")
    operands = tuple(call.values[tensor] for tensor in tensors)
    return call.draft.add(call.path, "concat", operands, plane_of(call, call.node))


def _pooling(
    call: Call, op: Op, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> str:
    """Add a pool; the padding below and right grows where ``ceil_mode`` lets windows hang over."""
    source = call.source()
    call.require_planes()
    _, *sides = call.draft.nodes[source].shape
    plane = plane_of(call, call.node)
    padding = []
    for axis in (0, 1):
        overhang = (plane[1 + axis] - 1) * stride[axis] + kernel[axis] - sides[axis] - pad[axis]
        padding += [pad[axis], max(pad[axis], overhang)]
    if op == "avg_pool" and padding != [pad[0], pad[0], pad[1], pad[1]]:
        call.fail("ceil_mode averages over windows that hang over the edge")
    attributes = {"kernel": [*kernel], "stride": [*stride], "padding": padding}
    return call.draft.add(call.path, op, (source,), plane, attributes)


def _max_pool2d(call: Call) -> str:
    if _pair(call.arguments["dilation"]) != (1, 1):
        call.fail(f"dilation is {call.arguments['dilation']}, wanted 1")
    kernel = _pair(call.arguments["kernel_size"])
    stride = _pair(call.arguments["stride"] or kernel)
    return _pooling(call, "max_pool", kernel, stride, _pair(call.arguments["padding"]))


def _avg_pool2d(call: Call) -> str:
    kernel, padding = _pair(call.arguments["kernel_size"]), _pair(call.arguments["padding"])
    if padding != (0, 0) and not call.arguments["count_include_pad"]:
        call.fail("count_include_pad is False, wanted a mean that counts the padding")
    if call.arguments["divisor_override"] is not None:
        call.fail("divisor_override is not supported")
    return _pooling(call, "avg_pool", kernel, _pair(call.arguments["stride"] or kernel), padding)


def _adaptive_avg_pool2d(call: Call) -> str:
    call.source()
    call.require_planes()
    h, w = shape_of(call.arguments["self"])[2:]
    p, q = _pair(call.arguments["output_size"])
    if h % p or w % q:
        call.fail(f"from {h}x{w} to {p}x{q}, wanted windows of one size")
    kernel = (h // p, w // q)
    return _pooling(call, "avg_pool", kernel, kernel, (0, 0))


def _mean(call: Call) -> str:
    call.source()
    shape = shape_of(call.arguments["self"])
    axes = {axis % len(shape) for axis in call.arguments.get("dim") or range(len(shape))}
    if len(shape) != 4 or axes != {2, 3}:
        call.fail(f"over axes {sorted(axes)} of shape {shape}, wanted 2 and 3 of (N, C, H, W)")
    return _pooling(call, "avg_pool", (shape[2], shape[3]), (shape[2], shape[3]), (0, 0))


def _slice(call: Call) -> str:
    source, shape = call.source(), shape_of(call.arguments["self"])
    axis = call.arguments["dim"] % len(shape)
    if axis == 0:
        call.fail("slices the batch, wanted axis 1, 2 or 3")
    start, stop, step = (call.arguments[key] for key in ("start", "end", "step"))
    start, stop, step = slice(start, stop, step).indices(shape[axis])
    attributes = {"axis": axis, "start": start, "stop": stop, "step": step}
    plane = plane_of(call, call.node)
    if 0 in plane:
        call.fail("leaves an empty tensor")
    return call.draft.add(call.path, "slice", (source,), plane, attributes)


def _pad(call: Call) -> str:
    source, shape = call.source(), shape_of(call.arguments["self"])
    mode, value = call.arguments.get("mode", "constant"), call.arguments["value"]
    if mode != "constant" or value not in (None, 0):
        call.fail(f"mode {mode} with value {value}, wanted constant zeros")
    amounts = list(call.arguments["pad"])
    axes = [amounts[i : i + 2] for i in range(0, len(amounts), 2)]  # the last axis comes first
    if len(axes) == len(shape) and axes.pop() != [0, 0]:
        call.fail("pads the batch")
    if min(amounts) < 0:
        call.fail(f"padding {amounts} crops, wanted amounts >= 0")
    missing = [[0, 0]] * (4 - len(shape))
    axes = missing + axes + [[0, 0]] * (3 - len(axes) - len(missing))
    padding = [amount for pair in reversed(axes) for amount in pair]
    return call.draft.add(
        call.path, "pad", (source,), plane_of(call, call.node), {"padding": padding}
    )


def _flatten(call: Call) -> str:
    source = call.source()
    before, after = shape_of(call.arguments["self"]), shape_of(call.node)
    channels = int(np.prod(call.draft.nodes[source].shape))
    if after[:2] != (before[0], channels) or any(size != 1 for size in after[2:]):
        call.fail(f"from {before} to {after}, wanted (N, C*H*W)")
    return call.draft.add(call.path, "flatten", (source,), plane_of(call, call.node))


OPERATORS: Mapping[str, Callable[[Call], str]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "relu": _relu,
    "relu6": _relu6,
    "hardtanh": _clamp,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "add": _add,
    "cat": _concat,
    "concat": _concat,
    "concatenate": _concat,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
    "slice": _slice,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "squeeze": _flatten,
    "unsqueeze": _flatten,
}
"""Handlers by ATen name, without overload and without the in-place underscore."""
