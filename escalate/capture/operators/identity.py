"""What changes nothing in an ONNX file, and what only computes shapes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from escalate.capture import onnx_rules as rules
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


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


TYPES: rules.Rules = {"to": rules.ELEMENTS, "saturate": rules.FLAG}
DROPPED: rules.Rules = {"is_test": rules.only(1), "ratio": rules.ANYTHING, "seed": rules.ANYTHING}
PART: rules.Rules = {"start": rules.POSITION, "end": rules.POSITION}
ONNX = {
    "Cast": Onnx(_onnx_cast, (1, 1), TYPES, ("to",)),
    "CastLike": Onnx(lambda step, v: step.tensor(v), (2, 2)),
    "Dropout": Onnx(_onnx_dropout, (1, 3), DROPPED, trained=True),
    "Identity": Onnx(lambda step, v: step.tensor(v)),
    "Shape": Onnx(_onnx_shape, (1, 1), PART),
}
