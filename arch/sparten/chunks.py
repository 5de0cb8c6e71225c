"""Chunks: the vectors of a layer as masks, cut into pieces of ``chunk`` positions.

A filter and the input window under it are one vector of C/groups x R x S positions, zeros of the
padding included.  ``channels_first`` is SparTen's order: the channels of one tap stand side by
side and each tap is cut on its own, so a chunk never crosses a tap.  ``taps`` is BitSim's: the
vector is flattened as (C, R, S), C slowest, and cut through.

Rule: specification/sparten.md, SPA-1.
"""

import numpy as np

from arch.cuts import cut_sizes
from arch.sparten.spec import SpartenSpec
from workloads.layer import ConvLayer


def lengths(layer: ConvLayer, spec: SpartenSpec) -> np.ndarray:
    """Positions of each chunk of a filter, int64 (chunks,).

    Examples
    --------
    >>> layer = ConvLayer("a", C=200, K=1, H=1, W=2, S=2)
    >>> lengths(layer, SpartenSpec()).tolist()
    [128, 72, 128, 72]
    >>> lengths(layer, SpartenSpec(chunk_order="taps")).tolist()
    [128, 128, 128, 16]
    """
    if spec.chunk_order == "taps":
        return cut_sizes(layer.channels_per_group * layer.R * layer.S, spec.chunk)
    return np.tile(cut_sizes(layer.channels_per_group, spec.chunk), layer.R * layer.S)


def masks(bits: np.ndarray, chunk: int) -> np.ndarray:
    """Masks of vectors, each cut into chunks from its beginning.

    Parameters
    ----------
    bits : bool, shape (..., length)
    chunk : positions of a chunk

    Returns
    -------
    uint64, shape (..., chunks, words of a chunk), bit 0 first

    Examples
    --------
    >>> masks(np.array([True, False, True, True, True]), 3).tolist()
    [[5], [3]]
    """
    *outer, length = bits.shape
    chunks, longest = -(-length // chunk), min(chunk, length)
    words = -(-longest // 64)
    padded = np.zeros((*outer, chunks, words * 64), bool)
    whole = length // longest
    padded[..., :whole, :longest] = bits[..., : whole * longest].reshape(*outer, whole, longest)
    if whole < chunks:
        padded[..., whole, : length - whole * longest] = bits[..., whole * longest :]
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def filter_masks(weights: np.ndarray, spec: SpartenSpec) -> np.ndarray:
    """Masks of filters: uint64 (filters, chunks, words).

    ``weights`` are integers (filters, C/groups, R, S); all positions count where no zero of a
    weight is skipped.
    """
    bits = weights != 0 if spec.skips_weights else np.ones(weights.shape, bool)
    if spec.chunk_order == "taps":
        return masks(bits.reshape(weights.shape[0], -1), spec.chunk)
    taps = np.ascontiguousarray(bits.transpose(0, 2, 3, 1))
    cut_up = masks(taps, spec.chunk)
    return cut_up.reshape(weights.shape[0], -1, cut_up.shape[-1])


def window_masks(layer: ConvLayer, activations: np.ndarray, spec: SpartenSpec) -> np.ndarray:
    """Masks of the input windows of one group: uint64 (N x P x Q, chunks, words).

    ``activations`` are integers (N, C/groups, H, W).  Where no zero of an activation is skipped,
    the padding counts as well.
    """
    top, bottom, left, right = layer.padding
    images = activations.shape[0]
    if spec.skips_activations:
        bits = np.pad(activations != 0, ((0, 0), (0, 0), (top, bottom), (left, right)))
    else:
        height, width = layer.H + top + bottom, layer.W + left + right
        bits = np.ones((images, activations.shape[1], height, width), bool)
    if spec.chunk_order == "taps":
        windows = _taken(layer, bits.transpose(0, 2, 3, 1)[..., None])  # (M, RS, C, 1)
        flat = np.ascontiguousarray(windows[..., 0].transpose(0, 2, 1))
        return masks(flat.reshape(flat.shape[0], -1), spec.chunk)
    pixels = masks(np.ascontiguousarray(bits.transpose(0, 2, 3, 1)), spec.chunk)
    windows = _taken(layer, pixels)
    return windows.reshape(windows.shape[0], -1, windows.shape[-1])


def _taken(layer: ConvLayer, pixels: np.ndarray) -> np.ndarray:
    """What each window sees: (N, rows, columns, a, b) -> (N x P x Q, R x S, a, b)."""
    images, a, b = pixels.shape[0], *pixels.shape[3:]
    windows = np.empty((images, layer.P, layer.Q, layer.R * layer.S, a, b), pixels.dtype)
    for r in range(layer.R):
        for s in range(layer.S):
            windows[:, :, :, r * layer.S + s] = pixels[:, *layer.tap(r, s)]
    return windows.reshape(-1, *windows.shape[3:])
