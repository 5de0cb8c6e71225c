"""upsample in ONNX files: nearest neighbours, picked row by row and column by column."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from escalate.capture import onnx_rules as rules
from escalate.capture.onnx_operator import Onnx, Value

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step

PLACES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def _sources(step: "Step", before: int, after: int, scale: float) -> torch.Tensor:
    """Which row or column stands where in the output, by the rules of Resize."""
    place = np.arange(after)
    kind = step.get("coordinate_transformation_mode", "half_pixel")
    if step.kind == "Upsample":
        kind = "asymmetric"
    if kind == "align_corners":
        found = place * ((before - 1) / max(after - 1, 1))
    elif kind == "pytorch_half_pixel" and after == 1:
        found = np.zeros(1)
    else:
        middle = 0.0 if kind == "asymmetric" else 0.5
        found = (place + middle) / scale - middle
    mode = "floor" if step.kind == "Upsample" else step.get("nearest_mode", "round_prefer_floor")
    rounded = {
        "floor": np.floor(found),
        "ceil": np.ceil(found),
        "round_prefer_floor": np.ceil(found - 0.5),
        "round_prefer_ceil": np.floor(found + 0.5),
    }[mode]
    return torch.from_numpy(np.clip(rounded, 0, before - 1).astype(np.int64))


def _factors(step: "Step", values: Mapping[str, Value], image: torch.Tensor) -> list[float]:
    """The scale of each axis; sizes, where they are given, are turned into scales."""
    if step.kind == "Resize" and step.has(3):
        sizes = step.integers(values, 3) or []
        if len(sizes) != image.ndim or min(sizes) < 1:
            step.fail(f"sizes {sizes}, wanted one for each of {image.ndim} axes")
        return [after / before for after, before in zip(sizes, image.shape, strict=True)]
    place = 1 if step.kind == "Upsample" or step.opset < 11 else 2
    scales = step.get("scales", None)
    scales = step.constant(values, place).ravel().tolist() if scales is None else list(scales)
    if len(scales) != image.ndim or not all(0 < scale < rules.MOST_SIDE for scale in scales):
        step.fail(f"scales {scales}, wanted one above 0 for each of {image.ndim} axes")
    return scales


def _resize(step: "Step", values: Mapping[str, Value]) -> Value:
    image = step.tensor(values)
    factors = _factors(step, values, image)
    if image.ndim != 4 or factors[:2] != [1, 1]:
        step.fail(f"scales {factors} of {image.ndim} axes, wanted rows and columns of (N, C, H, W)")
    if step.get("mode", "nearest") == "linear":
        return _linear(step, image, factors)
    for axis in (2, 3):
        before = image.shape[axis]
        after = int(np.floor(before * factors[axis] + 1e-9))
        if not 1 <= after <= rules.MOST_SIDE:
            step.fail(f"makes a side of {after}, wanted 1 to {rules.MOST_SIDE}")
        image = image.index_select(axis, _sources(step, before, after, factors[axis]))
    return image


def _linear(step: "Step", image: torch.Tensor, factors: list[float]) -> torch.Tensor:
    kind = step.get("coordinate_transformation_mode", "half_pixel")
    sizes = [int(np.floor(image.shape[axis] * factors[axis] + 1e-9)) for axis in (2, 3)]
    if kind == "asymmetric" or not all(1 <= size <= rules.MOST_SIDE for size in sizes):
        step.fail(f"linear, {kind}, to {sizes}: wanted half_pixel or align_corners")
    corners = kind == "align_corners"
    return functional.interpolate(image, sizes, mode="bilinear", align_corners=corners)


RESIZE: rules.Rules = {
    "mode": rules.only("nearest", "linear"),
    "coordinate_transformation_mode": rules.only(*PLACES),
    "nearest_mode": rules.only(*ROUNDINGS),
    "cubic_coeff_a": rules.ANYTHING,
    "extrapolation_value": rules.ANYTHING,
    "exclude_outside": rules.ANYTHING,
    "antialias": rules.only(0),
    "keep_aspect_ratio_policy": rules.only("stretch"),
    "scales": rules.ANYTHING,
}
ONNX = {
    "Resize": Onnx(_resize, (1, 4), RESIZE),
    "Upsample": Onnx(_resize, (1, 2), RESIZE),
}
