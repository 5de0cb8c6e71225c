"""flatten in exported graphs: whatever makes (N, C*H*W) of an image, however it is spelled."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, shape_of
from escalate.capture.onnx_operator import Onnx, Value, axes_of

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _flatten(call: Call) -> str:
    source = call.source()
    before, after = shape_of(call.arguments["self"]), shape_of(call.node)
    channels = int(np.prod(call.draft.nodes[source].shape))
    if after[:2] != (before[0], channels) or any(size != 1 for size in after[2:]):
        call.fail(f"from {before} to {after}, wanted (N, C*H*W)")
    return call.add("flatten", (source,))


def _onnx_reshape(step: "Step", values: Mapping[str, Value]) -> Value:
    image, sizes = step.tensor(values), step.integers(values, 1)
    if not sizes:
        step.fail("has no sizes")
    if step.get("allowzero", 0) == 0:
        if 0 in sizes[image.ndim :]:
            step.fail(f"sizes {sizes} keep an axis that the operand has not")
        sizes = [image.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    if sizes[0] == 1 and image.shape[0] != 1:
        sizes[0] = image.shape[0]  # a file exported for one image
    return image.reshape(sizes)


def _onnx_flatten(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.tensor(values).flatten(1)


def _onnx_squeeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = axes_of(step, values), step.tensor(values)
    if axes is None:  # all of one element, but for that of the images
        axes = [axis for axis in range(1, image.ndim) if image.shape[axis] == 1]
    for axis in sorted((axis % image.ndim for axis in axes), reverse=True):
        if image.shape[axis] != 1:
            step.fail(f"axis {axis} has {image.shape[axis]} elements, wanted 1")
        image = image.squeeze(axis)
    return image


def _onnx_unsqueeze(step: "Step", values: Mapping[str, Value]) -> Value:
    axes, image = axes_of(step, values), step.tensor(values)
    if not axes:
        step.fail("axes are missing")
    rank = image.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        image = image.unsqueeze(axis)
    return image


def _onnx_unsqueeze_array(step: "Step", values: Mapping[str, Value]) -> Value:
    return np.expand_dims(step.constant(values, 0), tuple(axes_of(step, values) or ()))


ATEN = dict.fromkeys(
    ("flatten", "view", "reshape", "squeeze", "unsqueeze"), Aten(_flatten, arranges=True)
)
AXES: rules.Rules = {"axes": rules.AXES}
ONNX = {
    "Flatten": Onnx(_onnx_flatten, (1, 1), {"axis": rules.only(1)}),
    "Reshape": Onnx(_onnx_reshape, (2, 2), {"allowzero": rules.FLAG}),
    "Squeeze": Onnx(_onnx_squeeze, (1, 2), AXES),
    "Unsqueeze": Onnx(_onnx_unsqueeze, (1, 2), AXES, on_arrays=_onnx_unsqueeze_array),
}
