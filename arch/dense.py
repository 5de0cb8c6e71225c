"""What machines without a basis share: dense 8-bit weights, exact psums, and checks of widths."""

import numpy as np

from arch.blas import one_thread
from arch.errors import OperandError
from arch.machine import Kept
from workloads.tensors import LayerTensors


def int8_weights(tensors: LayerTensors) -> np.ndarray:
    """The dense weights, int32 (K, C/groups, R, S).

    Raises
    ------
    OperandError
        If a weight of a decomposed layer does not fit 8 bits; names layer, place and value.
    """
    weights = tensors.dense_weights()
    outside = (weights < -128) | (weights > 127)
    if outside.any():
        where = tuple(int(at) for at in np.argwhere(outside)[0])
        raise OperandError(
            f"{tensors.layer.name}: the dense weight at {list(where)} is {weights[where]}, "
            "wanted int8"
        )
    return weights


def check_psums(name: str, psums: np.ndarray, bits: int) -> None:
    """Raise an error if psums do not fit in ``bits`` bits.

    Raises
    ------
    OperandError
        Naming the layer and the psum that is furthest off.
    """
    limit = 1 << (bits - 1)
    if psums.size and (psums.min() < -limit or psums.max() >= limit):
        worst = int(psums.flat[np.abs(psums).argmax()])
        raise OperandError(f"{name}: a psum of {worst} leaves the {bits} bits of psum_bits")


def psum_bits_needed(psums: np.ndarray) -> int:
    """Bits of the widest psum, two's complement.

    Examples
    --------
    >>> psum_bits_needed(np.array([127, -128])), psum_bits_needed(np.array([128]))
    (8, 9)
    """
    low, high = int(psums.min(initial=0)), int(psums.max(initial=0))
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def check_output(tensors: LayerTensors, operand_bytes: int) -> None:
    """Raise an error if outputs are wider than a word of the machine.

    Raises
    ------
    OperandError
        Naming the layer and both widths.
    """
    requantizer = tensors.requantizer
    if requantizer is None:
        return
    width = np.dtype(requantizer.dtype).itemsize
    if width > operand_bytes:
        raise OperandError(
            f"{tensors.layer.name}: outputs are {width} bytes wide, wanted operand_bytes = "
            f"{operand_bytes}"
        )


def psums(tensors: LayerTensors, weights: np.ndarray, bits: int = 32) -> np.ndarray:
    """All psums of a layer, int32 (N, K, P, Q); one matrix product for each tap of the kernel.

    Sums of integers do not depend on their order, so every machine that adds the same products
    computes these.  Products and sums of 8-bit integers stay far below 2^53, so float64 holds
    them exactly.

    Parameters
    ----------
    tensors : LayerTensors
    weights : int32 (K, C/groups, R, S), see ``int8_weights``
    bits : width of a psum on the machine, 2..32

    Raises
    ------
    OperandError
        If a final psum leaves ``bits``; names the layer and the psum.
    """
    layer, images = tensors.layer, tensors.images
    top, bottom, left, right = layer.padding
    pixels = np.pad(
        tensors.activations.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right))
    )
    grouped = weights.reshape(layer.groups, -1, layer.channels_per_group, layer.R, layer.S)
    grouped = np.ascontiguousarray(grouped.transpose(3, 4, 0, 1, 2).astype(np.float64))
    found = np.zeros((images, layer.groups, grouped.shape[3], layer.P * layer.Q))
    for r in range(layer.R):
        for s in range(layer.S):
            taps = pixels[:, :, *layer.tap(r, s)]
            taps = taps.reshape(images, layer.groups, layer.channels_per_group, -1)
            if layer.channels_per_group == 1:
                found += grouped[r, s] * taps
            else:
                found += grouped[r, s] @ taps
    check_psums(layer.name, found, bits)
    return found.astype(np.int32).reshape(images, layer.K, layer.P, layer.Q)


def operands(
    tensors: LayerTensors, kept: Kept, *, operand_bytes: int, psum_bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Dense weights, int32 (K, C/groups, R, S), and psums, int32 (N, K, P, Q); computed once.

    Parameters
    ----------
    tensors : LayerTensors
    kept : what runs of these tensors share, on any machine
    operand_bytes, psum_bits : of the machine, which refuses what is wider

    Raises
    ------
    OperandError
        If dense weights leave 8 bits, outputs are wider than a word, or psums leave ``psum_bits``.
    """
    check_output(tensors, operand_bytes)
    weights = kept.get("int8 weights", (), lambda: int8_weights(tensors))
    with one_thread():  # other threads of BLAS would spin where kernels want the cores
        found = kept.get("psums", (), lambda: psums(tensors, weights))
    check_psums(tensors.layer.name, found, psum_bits)
    return weights, found
