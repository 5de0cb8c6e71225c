"""The numbers the array computes: fold by fold, exact integers."""

from itertools import pairwise

import numpy as np

from arch.blas import one_thread
from arch.cuts import cut
from arch.dense import check_psums, int8_weights
from arch.systolic.gemm import Gemm
from arch.systolic.spec import SystolicSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

PIXELS_AT_ONCE = 4096  # bounds the memory of unfolded inputs; no result depends on it


def _windows(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """View of the padded input, float64 (N, P, Q, C, R, S)."""
    top, bottom, left, right = layer.padding
    padded = np.pad(activations.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    view = np.lib.stride_tricks.sliding_window_view(padded, layer.reach, axis=(2, 3))
    (down, across), (skip, over) = layer.strides, layer.dilations
    view = view[:, :, ::down, ::across, ::skip, ::over]
    return view.transpose(0, 2, 3, 1, 4, 5)


def _blocks(gemm: Gemm, spec: SystolicSpec) -> np.ndarray:
    """Output pixels handled together: whole tiles of the array's own axis where it has one."""
    tile = {"os": spec.rows, "ws": PIXELS_AT_ONCE, "is": spec.columns}[spec.dataflow]
    step = max(1, PIXELS_AT_ONCE // tile) * tile
    return cut(gemm.M, step)


def compute(tensors: LayerTensors, spec: SystolicSpec) -> np.ndarray:
    """Psums of the layer, int32 (N, K, P, Q): one matrix product per fold.

    Products and sums of 8-bit integers stay far below 2^53, so float64 holds them exactly.

    Raises
    ------
    OperandError
        If weights exceed 8 bits or a psum (in ws and is also one between two folds) exceeds
        ``psum_bits``.
    """
    layer, gemm = tensors.layer, Gemm(tensors.layer, tensors.images)
    weights = int8_weights(tensors).reshape(layer.groups, gemm.N, gemm.K).astype(np.float64)
    windows = _windows(layer, tensors.activations)
    depth = layer.channels_per_group
    psums = np.zeros((layer.groups, gemm.M, gemm.N))
    blocks = _blocks(gemm, spec)
    with one_thread():  # products are small, and BLAS's threads would spin between them
        for low, high in pairwise(blocks):
            image, p, q = np.unravel_index(np.arange(low, high), windows.shape[:3])
            for group in range(layer.groups):
                taps = windows[image, p, q, group * depth : (group + 1) * depth].reshape(-1, gemm.K)
                _product(taps, weights[group].T, gemm, spec, psums[group, low:high], layer.name)
    check_psums(layer.name, psums, spec.psum_bits)
    shaped = psums.astype(np.int32).reshape(layer.groups, tensors.images, layer.P, layer.Q, gemm.N)
    return np.ascontiguousarray(shaped.transpose(1, 0, 4, 2, 3)).reshape(
        tensors.images, layer.K, layer.P, layer.Q
    )


def _product(
    taps: np.ndarray,
    weights: np.ndarray,
    gemm: Gemm,
    spec: SystolicSpec,
    out: np.ndarray,
    name: str,
) -> None:
    """Add the folds of some output pixels to ``out`` in the order of the dataflow."""
    n = [slice(a, b) for a, b in pairwise(cut(gemm.N, spec.columns))]
    if spec.dataflow == "os":
        rows = range(0, taps.shape[0], spec.rows)
        for columns in n:
            for row in rows:
                part = slice(row, row + spec.rows)
                out[part, columns] = taps[part] @ weights[:, columns]
        return
    k = [slice(a, b) for a, b in pairwise(cut(gemm.K, spec.rows))]
    width = spec.columns if spec.dataflow == "is" else taps.shape[0]
    for row in range(0, taps.shape[0], width):
        part = slice(row, row + width)
        for columns in n:
            for depth in k:
                out[part, columns] += taps[part, depth] @ weights[depth, columns]
                check_psums(name, out[part, columns], spec.psum_bits)
