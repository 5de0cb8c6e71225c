"""Exact bounds of V and of the psums, so that nothing wraps or saturates.

Rule: specification/basis_first.md, BF-4.
"""

import numpy as np

from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from workloads.tensors import LayerTensors


def extremes(weights: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Largest and smallest sum over the last axis for activations of ``dtype``."""
    info = np.iinfo(dtype)
    positive = np.maximum(weights, 0).sum(axis=-1, dtype=np.int64)
    negative = positive - weights.sum(axis=-1, dtype=np.int64)
    high, low = int(info.max), -int(info.min)
    return positive * high + negative * low, positive * low + negative * high


def _demand(name: str, what: str, bits: int, upper: np.ndarray, lower: np.ndarray) -> None:
    """Refuse channels whose bounds leave ``bits`` signed bits; ``lower`` is a magnitude."""
    bad = np.flatnonzero((upper > (1 << (bits - 1)) - 1) | (lower > 1 << (bits - 1)))
    if bad.size:
        k = int(bad[0])
        raise OperandError(
            f"{name}: {what} of output channel {k} reaches {-int(lower[k])}..{int(upper[k])}, "
            f"allowed are {-(1 << (bits - 1))}..{(1 << (bits - 1)) - 1} ({what}_bits = {bits})"
        )


def _surely_within(
    tensors: LayerTensors, spec: BasisFirstSpec, dtype: np.dtype, channel_tile: int
) -> bool:
    """Whether a bound that needs no weight tensor, never smaller than the exact one, will do.

    |V| <= C_t * scale * |x|, and |psum| <= C * scale * |x| * (sum over m and taps of |B|).
    """
    if tensors.coefficients is None:
        return False
    scale = max(tensors.two_sided or (1,))
    if tensors.alpha is not None:
        scale = int(tensors.alpha.max())
    one = scale * max(-int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    taps = 1 if tensors.basis is None else int(np.abs(tensors.basis.astype(np.int64)).sum())
    channels = tensors.layer.channels_per_group
    return one * channel_tile < 1 << (spec.intermediate_bits - 1) and one * channels * taps < 1 << (
        spec.psum_bits - 1
    )


def check_bounds(tensors: LayerTensors, spec: BasisFirstSpec, channel_tile: int) -> None:
    """Refuse a layer whose V or psums could leave their widths.

    Where V is scaled its final value counts; scales are at least 1, so that the sums before, and
    each of V+ and V-, stay within what it may reach.

    Raises
    ------
    OperandError
        Naming layer and output channel.
    """
    name, dtype = tensors.layer.name, tensors.activations.dtype
    if _surely_within(tensors, spec, dtype, channel_tile):
        return
    upper, lower = extremes(tensors.dense_weights().reshape(tensors.layer.K, -1), dtype)
    _demand(name, "psum", spec.psum_bits, upper, lower)
    if tensors.coefficients is None:
        one, zero = extremes(np.ones((1, 1), np.int64), dtype)
        _demand(name, "intermediate", spec.intermediate_bits, one, zero)
        return
    factors = tensors.scaled_coefficients()
    for start in range(0, tensors.layer.channels_per_group, channel_tile):
        part = factors[:, start : start + channel_tile, :]
        upper, lower = extremes(part.transpose(0, 2, 1), dtype)
        _demand(name, "intermediate", spec.intermediate_bits, upper.max(axis=1), lower.max(axis=1))
