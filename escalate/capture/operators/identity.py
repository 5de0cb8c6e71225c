"""What changes nothing in an ONNX file, and what only computes shapes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from escalate.capture import onnx_rules as rules
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _onnx_constant(step: "Step", values: Mapping[str, Value]) -> Value:
    if len(step.attributes) != 1:
        step.fail("wanted one value")
    (value,) = step.attributes.values()
    return np.array(value)


def _onnx_shape(step: "Step", values: Mapping[str, Value]) -> Value:
    value = values[step.inputs[0]]
    assert value is not None
    sizes = list(value.shape)
    return np.array(sizes[step.get("start", 0) : step.get("end", None)], np.int64)


def _onnx_cast(step: "Step", values: Mapping[str, Value]) -> Value:
    element = step.get("to", 0)
    if not rules.is_floating(element):
        from onnx import TensorProto

        step.fail(f"to is {TensorProto.DataType.Name(element)}, which cuts off fractions")
    return step.tensor(values)


def _onnx_dropout(step: "Step", values: Mapping[str, Value]) -> Value:
    if step.scalar(values, 2, 0.0):
        step.fail("training_mode is true, wanted false")
    return step.tensor(values)


def _onnx_gather(step: "Step", values: Mapping[str, Value]) -> Value:
    step.fail("picks from a tensor computed from the image")


def _onnx_gather_array(step: "Step", values: Mapping[str, Value]) -> Value:
    found = np.take(step.constant(values, 0), step.constant(values, 1), step.get("axis", 0))
    return np.asarray(found)


def _onnx_cast_array(step: "Step", values: Mapping[str, Value]) -> Value:
    from onnx import helper

    return step.constant(values, 0).astype(helper.tensor_dtype_to_np_dtype(step.get("to", 0)))


def _onnx_identity_array(step: "Step", values: Mapping[str, Value]) -> Value:
    return step.constant(values, 0)


VALUES: rules.Rules = {
    "value": rules.TENSOR,
    **dict.fromkeys(("value_float", "value_floats", "value_int", "value_ints"), rules.NUMBERS),
}
TYPES: rules.Rules = {"to": rules.ELEMENTS, "saturate": rules.FLAG}
DROPPED: rules.Rules = {"is_test": rules.only(1), "ratio": rules.ANYTHING, "seed": rules.ANYTHING}
PART: rules.Rules = {"start": rules.POSITION, "end": rules.POSITION}
ONNX = {
    "Cast": Onnx(_onnx_cast, (1, 1), TYPES, ("to",), on_arrays=_onnx_cast_array),
    "Constant": Onnx(_onnx_constant, (0, 0), VALUES),
    "Dropout": Onnx(_onnx_dropout, (1, 3), DROPPED, trained=True),
    "Gather": Onnx(_onnx_gather, (2, 2), {"axis": rules.AXIS}, on_arrays=_onnx_gather_array),
    "Identity": Onnx(lambda step, v: step.tensor(v), on_arrays=_onnx_identity_array),
    "Shape": Onnx(_onnx_shape, (1, 1), PART, on_arrays=_onnx_shape),
}
