"""pad in exported graphs: constant zeros."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, shape_of
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


def _pad(call: Call) -> str:
    source, shape = call.source(), shape_of(call.arguments["self"])
    mode, value = call.arguments.get("mode", "constant"), call.arguments["value"]
    if mode != "constant" or value not in (None, 0, float("-inf")):
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
    made = call.add("pad", (source,), {"padding": padding})
    if value == float("-inf"):
        call.draft.lowest.add(made)  # which only a max pool may read, see ``fold``
    return made


def _onnx_pad(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    amounts = step.get("pads", None)
    amounts = (step.integers(values, 1) or []) if amounts is None else list(amounts)
    fill = step.scalar(values, 2, step.get("value", 0.0))
    if fill:
        step.fail(f"value is {fill}, wanted constant zeros")
    axes = step.integers(values, 3)
    axes = list(range(image.ndim)) if axes is None else axes
    if len(amounts) != 2 * len(axes):
        step.fail(f"pads {amounts}, wanted two for each of {len(axes)} axes")
    before, after = amounts[: len(axes)], amounts[len(axes) :]
    pairs = {axis % image.ndim: pair for axis, *pair in zip(axes, before, after, strict=True)}
    flat = [n for axis in reversed(range(image.ndim)) for n in pairs.get(axis, (0, 0))]
    return functional.pad(image, flat)


ATEN = {"pad": Aten(_pad), "constant_pad_nd": Aten(_pad)}
RULES: rules.Rules = {"mode": rules.only("constant"), "pads": rules.EDGES, "value": rules.NUMBER}
ONNX = {"Pad": Onnx(_onnx_pad, (1, 4), RULES)}
