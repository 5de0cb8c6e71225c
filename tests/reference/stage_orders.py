"""Both orders of the stages of a decomposed layer, by plain loops over every element."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def legal_taps(layer: ConvLayer, p: int, q: int) -> Iterator[tuple[int, int, int, int]]:
    """(r, s, y, x) of the taps of an output that lie within the input."""
    for r in range(layer.R):
        for s in range(layer.S):
            y = p * layer.strides[0] + r * layer.dilations[0] - layer.padding[0]
            x = q * layer.strides[1] + s * layer.dilations[1] - layer.padding[2]
            if 0 <= y < layer.H and 0 <= x < layer.W:
                yield r, s, y, x


def scaled(tensors: LayerTensors, k: int, m: int, plus: int, minus: int) -> int:
    """The sums over T = +1 and T = -1 put together."""
    if tensors.alpha is not None:
        return int(tensors.alpha[k, m]) * (plus - minus)
    p, n = tensors.two_sided or (1, 1)
    return p * plus - n * minus


def coefficients_first(tensors: LayerTensors, channel_tile: int) -> tuple[np.ndarray, Counter[str]]:
    """(psums, counts): every V at every pixel that feeds an output, then its taps."""
    layer, counts = tensors.layer, Counter[str]()
    psums = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int64)
    fed: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    for p, q in np.ndindex(layer.P, layer.Q):
        for r, s, y, x in legal_taps(layer, p, q):
            fed.setdefault((y, x), []).append((r, s, p, q))
    size = layer.channels_per_group
    for n, k, m in np.ndindex(tensors.images, layer.K, tensors.basis.shape[0]):
        first = k // (layer.K // layer.groups) * size
        for low in range(0, size, channel_tile):
            kept = [
                (first + c, int(tensors.coefficients[k, c, m]))
                for c in range(low, min(low + channel_tile, size))
                if tensors.coefficients[k, c, m]
            ]
            for (y, x), taps in fed.items() if kept else ():
                sums = {1: 0, -1: 0}
                for c, sign in kept:
                    pixel = int(tensors.activations[n, c, y, x])
                    counts["pair_adds"] += pixel != 0
                    sums[sign] += pixel
                counts["scale_multiplies"] += tensors.multiplies_per_sum
                value = scaled(tensors, k, m, sums[1], sums[-1])
                for r, s, p, q in taps if value else ():
                    counts["multiplies"] += 1
                    psums[n, k, p, q] += value * int(tensors.basis[m, r, s])
    return psums, counts


def convolve_first(tensors: LayerTensors) -> tuple[np.ndarray, Counter[str], int]:
    """(psums, counts, values of Z for one image): every Z of every channel and basis, then T."""
    layer, counts = tensors.layer, Counter[str]()
    bases, size = tensors.basis.shape[0], layer.channels_per_group
    planes = np.zeros((tensors.images, layer.C, bases, layer.P, layer.Q), np.int64)
    for n, c, m, p, q in np.ndindex(planes.shape):
        for r, s, y, x in legal_taps(layer, p, q):
            pixel = int(tensors.activations[n, c, y, x])
            counts["multiplies"] += pixel != 0
            planes[n, c, m, p, q] += pixel * int(tensors.basis[m, r, s])
    psums = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int64)
    for n, k, p, q in np.ndindex(psums.shape):
        first, total = k // (layer.K // layer.groups) * size, 0
        for m in range(bases):
            sums = {1: 0, -1: 0}
            for c in np.flatnonzero(tensors.coefficients[k, :, m]).tolist():
                value = int(planes[n, first + c, m, p, q])
                counts["pair_adds"] += value != 0
                sums[int(tensors.coefficients[k, c, m])] += value
            total += scaled(tensors, k, m, sums[1], sums[-1])
            if tensors.alpha is not None:
                counts["scale_multiplies"] += bool(tensors.coefficients[k, :, m].any())
        if tensors.two_sided is not None and tensors.coefficients[k].any():
            counts["scale_multiplies"] += 2  # of the sums over all m
        psums[n, k, p, q] = total
    return psums, counts, planes[0].size
