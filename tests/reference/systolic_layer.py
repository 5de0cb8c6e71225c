"""A convolution on the slow systolic array: a product for each group."""

from collections import Counter

import numpy as np

from tests.reference.systolic import Trace, run_gemm
from tests.reference.systolic_preloaded import run_preloaded


def unfold(layer, activations, group):
    """The M x K operand of one group: output pixels in raster order, taps as (c, r, s)."""
    top, _, left, _ = layer.padding
    channels = layer.C // layer.groups
    lines = []
    for image in activations:
        for p in range(layer.P):
            for q in range(layer.Q):
                line = []
                for c in range(group * channels, (group + 1) * channels):
                    for r in range(layer.R):
                        for s in range(layer.S):
                            h = p * layer.strides[0] - top + r * layer.dilations[0]
                            w = q * layer.strides[1] - left + s * layer.dilations[1]
                            inside = 0 <= h < layer.H and 0 <= w < layer.W
                            line.append(int(image[c, h, w]) if inside else 0)
                lines.append(line)
    return np.array(lines, np.int64)


def run_layer(layer, activations, weights, rows, columns, dataflow, fold_overhead="scalesim"):
    """A convolution, group after group; psums (N, K, P, Q), cycles and counts added up."""
    filters = layer.K // layer.groups
    images = activations.shape[0]
    pairs = [
        (
            unfold(layer, activations, group),
            weights[group * filters : (group + 1) * filters].reshape(filters, -1).T,
        )
        for group in range(layer.groups)
    ]
    if fold_overhead == "preloaded":
        chain = run_preloaded(pairs, rows, columns, dataflow)
        cycles, counts, products = chain.cycles, chain.counts, chain.product
    else:
        traces = [run_gemm(a, b, rows, columns, dataflow, fold_overhead) for a, b in pairs]
        cycles = sum(trace.cycles for trace in traces)
        counts = sum((trace.counts for trace in traces), Counter())
        products = [trace.product for trace in traces]
    psums = np.zeros((images, layer.K, layer.P, layer.Q), np.int64)
    for group, product in enumerate(products):
        shape = (images, layer.P, layer.Q, filters)
        chosen = slice(group * filters, (group + 1) * filters)
        psums[:, chosen] = product.reshape(shape).transpose(0, 3, 1, 2)
    return Trace(cycles, psums, counts)
