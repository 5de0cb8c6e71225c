"""The integer network in torch: exact inference, independent of the NumPy executor."""

import numpy as np
import torch

from workloads.errors import WorkloadError
from workloads.integer import ImageQuantizer, IntegerModel

STORAGE = (torch.uint8, torch.int8, torch.int16)


def run(
    model: IntegerModel, inputs: np.ndarray | torch.Tensor, *, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """Run a network on quantized images and keep the output of every node.

    Convolutions are computed in float64 on integers.  As long as (largest input) x (sum of the
    weights' magnitudes) stays below 2^53, which is checked per layer, every partial sum is a whole
    number that float64 holds exactly, so the order of summation cannot matter.  All else is int64
    arithmetic, see ``torch_integers`` of each operator.

    Parameters
    ----------
    model : IntegerModel
    inputs : uint8 or int8 of shape (N, C, H, W), as ``model.image`` makes them
    device : where torch computes

    Returns
    -------
    outputs : per node a tensor (N, C, H, W) of uint8, int8 or int16, in execution order

    Raises
    ------
    WorkloadError
        For inputs of another shape or type, a layer whose sums could leave float64's exact range,
        or psum + bias beyond 32 bits; the message names the node.
    """
    first = model.graph.nodes[0]
    tensor = inputs if isinstance(inputs, torch.Tensor) else torch.tensor(inputs)
    tensor = tensor.to(device)
    wanted = _storage(model.image.low, model.image.high)
    if tensor.ndim != 4 or tuple(tensor.shape[1:]) != first.shape or tensor.dtype != wanted:
        raise WorkloadError(
            f"{first.name}: inputs are {tensor.dtype} {tuple(tensor.shape)}, "
            f"wanted {wanted} (N, {', '.join(map(str, first.shape))})"
        )
    outputs = {first.name: tensor}
    with torch.no_grad():
        for node in model.graph.nodes[1:]:
            operands = [outputs[name].to(torch.int64) for name in node.inputs]
            values = node.operator.torch_integers(model, node, operands)
            bounds = node.operator.bounds(model, node)
            if bounds is None:
                outputs[node.name] = values.to(outputs[node.inputs[0]].dtype)
            else:
                outputs[node.name] = values.clamp(*bounds).to(_storage(*bounds))
    return outputs


def quantize(image: ImageQuantizer, pixels: np.ndarray, *, device: str = "cpu") -> torch.Tensor:
    """Raw pixels (N, C, H, W) to the network's integers, in float64, rounding half to even.

    Examples
    --------
    >>> image = ImageQuantizer(1 / 16, (0.5,), (0.5,), 1 / 127, -127, 127, (1, 3))
    >>> quantize(image, np.array([[[[0, 8, 16]]]], np.uint8)).tolist()
    [[[[-127, 0, 127]]]]
    """
    if pixels.ndim != 4 or pixels.shape[1:] != (len(image.mean), *image.size):
        raise WorkloadError(
            f"images: shape {pixels.shape}, wanted (N, {len(image.mean)}, "
            f"{image.size[0]}, {image.size[1]})"
        )
    # Divisors are tensors: torch may multiply by the reciprocal of a plain number instead.
    scale, step, mean, std = (
        torch.tensor(values, dtype=torch.float64, device=device).reshape(-1, 1, 1)
        for values in (image.pixel_scale, image.scale, image.mean, image.std)
    )
    values = torch.tensor(pixels, dtype=torch.float64, device=device)
    if not bool(values.isfinite().all()):
        where = (~values.isfinite()).nonzero()[0].tolist()
        raise WorkloadError(f"images: the pixel at {where} is not a finite number")
    steps = ((values * scale - mean) / std / step).round()
    return steps.clamp(image.low, image.high).to(_storage(image.low, image.high))


def predict(
    model: IntegerModel, images: np.ndarray, *, batch: int = 16, device: str = "cpu"
) -> np.ndarray:
    """Logits of raw images, in steps of ``model.output_scale``.

    Parameters
    ----------
    model : IntegerModel
    images : raw pixels, shape (N, C, H, W)
    batch : images computed at a time; the result does not depend on it

    Returns
    -------
    logits : int64, shape (N, classes)
    """
    output = model.graph.output
    logits = np.zeros((len(images), int(np.prod(output.shape))), np.int64)
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        values = run(model, quantize(model.image, images[part], device=device), device=device)
        logits[part] = values[output.name].reshape(-1, logits.shape[1]).cpu().numpy()
    return logits


def accuracy(
    model: IntegerModel,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch: int = 16,
    device: str = "cpu",
) -> float:
    """Fraction (0..1) of raw images whose largest logit, the first of equals, is the label's.

    Raises
    ------
    WorkloadError
        If there is no image, or not one label per image.
    """
    if len(images) == 0 or labels.shape != (len(images),):
        raise WorkloadError(
            f"accuracy: {len(images)} images and labels of shape {labels.shape}, "
            "wanted one label per image and at least one image"
        )
    best = predict(model, images, batch=batch, device=device).argmax(axis=1)
    return float((best == labels).mean())


def _storage(low: int, high: int) -> torch.dtype:
    for dtype in STORAGE:
        if torch.iinfo(dtype).min <= low <= high <= torch.iinfo(dtype).max:
            return dtype
    raise WorkloadError(f"range {low}..{high} does not fit 16 bits")
