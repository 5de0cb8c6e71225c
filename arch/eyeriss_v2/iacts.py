"""How many iacts each PE meets, is sent, and finds stored: counted row by row, exactly.

Assumption: layers with one channel per group skip no iact.  Their segments hold one channel, so
compressed columns save nothing (the paper says so of depthwise layers), and the ground truth of
Sparseloop's depthwise layers counts all positions, padding included; zero weights are skipped.

Rules: specification/eyeriss_v2.md, EV2-2 and EV2-4.
"""

from dataclasses import dataclass

import numpy as np

from arch.blas import one_thread
from arch.eyeriss_v2.mapping import Mapping
from arch.eyeriss_v2.spec import EyerissV2Spec
from workloads.layer import ConvLayer


def skips_iacts(layer: ConvLayer, spec: EyerissV2Spec) -> bool:
    """Whether zero iacts take no time.

    Examples
    --------
    >>> depthwise = ConvLayer("dw", C=4, K=4, H=5, W=5, R=3, S=3, groups=4)
    >>> skips_iacts(depthwise, EyerissV2Spec())
    False
    """
    return spec.processing == "csc" and layer.channels_per_group > 1


@dataclass(frozen=True, slots=True, eq=False)
class Iacts:
    """Counts of one mapped layer, int32.

    ``taps`` (f1, N, C, padded rows, S): iacts that tap s of a kernel row over this input row
    meets in one piece of the output row; ``stored`` (N, C, H): iacts of the row in memory;
    ``sent`` (N, C, H): those in columns that some tap reads; ``received`` (N, C, H): the same
    once for each piece of the output row and of the kernel row that reads the column.
    """

    taps: np.ndarray
    stored: np.ndarray
    sent: np.ndarray
    received: np.ndarray


def _reads(mapping: Mapping) -> np.ndarray:
    """Which column of the input each tap reads in each piece: float32 0 or 1, (W, f1, S)."""
    layer, bounds = mapping.layer, mapping.row_pieces
    found = np.zeros((layer.W, mapping.f1, layer.S), np.float32)
    q = np.arange(layer.Q)
    piece = np.searchsorted(bounds, q, side="right") - 1
    for s in range(layer.S):
        column = q * layer.strides[1] + s * layer.dilations[1] - layer.padding[2]
        inside = (column >= 0) & (column < layer.W)
        found[column[inside], piece[inside], s] = 1
    return found


def iacts(mapping: Mapping, activations: np.ndarray, spec: EyerissV2Spec) -> Iacts:
    """Count the iacts of a mapped layer.

    A product with a matrix of zeros and ones; sums up to 2^24 are exact in float32.

    Parameters
    ----------
    mapping : Mapping
    activations : integers, shape (N, C, H, W)
    spec : EyerissV2Spec
    """
    layer, images = mapping.layer, mapping.images
    skipping = skips_iacts(layer, spec)
    reads = _reads(mapping)
    by_piece = np.maximum.reduceat(reads, np.arange(0, layer.S, mapping.S0), axis=2)
    received = by_piece.sum(axis=(1, 2))
    table = np.column_stack(
        [reads.reshape(layer.W, -1), np.ones(layer.W), received > 0, received]
    ).astype(np.float32)
    there = activations != 0 if skipping else np.ones_like(activations, bool)
    with one_thread():  # BLAS's own threads would take the cores from the kernels that follow
        counts = (there.reshape(-1, layer.W).astype(np.float32) @ table).astype(np.int32)
    counts = counts.reshape(images, layer.C, layer.H, -1)
    shape = (mapping.f1, images, layer.C, layer.H + sum(layer.padding[:2]), layer.S)
    taps = np.zeros(shape, np.int32)
    if skipping:
        rows = slice(layer.padding[0], layer.padding[0] + layer.H)
        inside = counts[..., :-3].reshape(images, layer.C, layer.H, mapping.f1, layer.S)
        taps[:, :, :, rows] = inside.transpose(3, 0, 1, 2, 4)
    else:
        taps[:] = np.diff(mapping.row_pieces)[:, None, None, None, None]
    stored, sent, received = (np.ascontiguousarray(counts[..., at]) for at in (-3, -2, -1))
    return Iacts(taps, stored, sent, received)
