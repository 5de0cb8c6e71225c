"""Bits that tensors take in the GLB and in DRAM, and the DRAM bytes of every pass.

Compressed sparse columns: each non-zero with a count of the zeros before it, and an address for
each segment of iacts or column of weights.  Weights are stored as they lie in the spads, in
words of macs_per_pe.  In ``dense`` processing a value is its 8 bits and nothing else.

Assumption: whole input rows are moved, and rows two tiles share are moved twice; outputs are
stored in segments of the size that this layer reads, as the next layer is not known.

Rule: specification/eyeriss_v2.md, EV2-10.
"""

import numpy as np

from arch.cuts import cut
from arch.eyeriss_v2.columns import Columns
from arch.eyeriss_v2.iacts import Iacts
from arch.eyeriss_v2.mapping import Mapping, by_item, pieces
from arch.eyeriss_v2.passes import loading, words_of_pes
from arch.eyeriss_v2.spec import ADDRESS_BITS, EyerissV2Spec
from workloads.layer import ConvLayer


def segments(mapping: Mapping, width: int) -> int:
    """Segments in a row of one piece of channels."""
    return pieces(width, mapping.segment_columns)


def _address_bits(spec: EyerissV2Spec, kind: str) -> int:
    return ADDRESS_BITS[kind] if spec.processing == "csc" else 0


def _to_bytes(bits: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = -(-bits // 8)
    return rounded


def row_bits(mapping: Mapping, stored: np.ndarray, spec: EyerissV2Spec) -> np.ndarray:
    """Bits of each input row and piece of channels, int64 (N x H, G, C pieces).

    Parameters
    ----------
    mapping : Mapping
    stored : integers (N, C, H), iacts stored of every row
    spec : EyerissV2Spec
    """
    layer = mapping.layer
    rows = stored.transpose(0, 2, 1).reshape(-1, layer.groups, layer.channels_per_group)
    at = np.arange(0, layer.channels_per_group, mapping.C0)
    words = np.add.reduceat(rows, at, axis=2, dtype=np.int64)
    address = segments(mapping, layer.W) * _address_bits(spec, "iact")
    found: np.ndarray = words * spec.word_bits + address
    return found


def most_input_bits(mapping: Mapping, rows: int, channels: int, spec: EyerissV2Spec) -> int:
    """Bits of so many input rows and channels of one group if no iact is zero."""
    layer = mapping.layer
    address = segments(mapping, layer.W) * _address_bits(spec, "iact")
    return rows * (channels * layer.W * spec.word_bits + pieces(channels, mapping.C0) * address)


def weight_bits(mapping: Mapping, columns: Columns, spec: EyerissV2Spec) -> np.ndarray:
    """Bits of the weights of each PE, int64 (G, M pieces, items)."""
    if spec.processing == "dense":
        return by_item(mapping, columns.entries) * spec.word_bits
    addresses = by_item(mapping, np.ones_like(columns.words)) * ADDRESS_BITS["weight"]
    words = words_of_pes(mapping, columns) * (spec.macs_per_pe * spec.word_bits)
    return words + addresses


def weight_of_bits(mapping: Mapping, bits: np.ndarray) -> np.ndarray:
    """Bytes of weights in each pass of a tile, int64 of ``turns``, of ``weight_bits``."""
    for axis, size in enumerate((mapping.g1, mapping.m1, mapping.D)):
        bits = np.add.reduceat(bits, np.arange(0, bits.shape[axis], size), axis=axis)
    return _to_bytes(bits)


def weight_bytes(mapping: Mapping, columns: Columns, spec: EyerissV2Spec) -> np.ndarray:
    """Bytes of weights loaded by each pass, int64 of ``mapping.shape``."""
    return weight_of_bits(mapping, weight_bits(mapping, columns, spec)) * loading(mapping)


def input_of_pieces(mapping: Mapping, bits: np.ndarray) -> np.ndarray:
    """Bytes of input loaded by each pass, int64 of ``mapping.shape``.

    Parameters
    ----------
    mapping : Mapping
    bits : int64 (tiles, G, C pieces), bits of all rows under a tile
    """
    bits = np.add.reduceat(bits, np.arange(0, mapping.layer.groups, mapping.g1), axis=1)
    before = np.zeros((*bits.shape[:2], bits.shape[2] + 1), np.int64)
    np.cumsum(bits, axis=2, out=before[:, :, 1:])
    first, last = mapping.channel_pieces
    if mapping.held:  # a piece comes with its first item and stays
        first = -(-np.arange(mapping.turns[2]) * mapping.D // mapping.kernel_pieces)
    taken = _to_bytes(before[:, :, last] - before[:, :, np.minimum(first, last)])
    found = np.zeros(mapping.shape, np.int64)
    found[:, :, : 1 if mapping.held else None] = taken[:, :, None]
    return found


def coded_bytes(
    mapping: Mapping, columns: Columns, counted: Iacts, spec: EyerissV2Spec
) -> dict[str, int]:
    """Bytes of input and weights in DRAM, each once."""
    inputs = row_bits(mapping, counted.stored, spec)
    return {
        "input": int(_to_bytes(inputs.sum())),
        "weight": int(_to_bytes(weight_bits(mapping, columns, spec).sum())),
    }


def input_bytes(mapping: Mapping, counted: Iacts, spec: EyerissV2Spec) -> np.ndarray:
    """Bytes of input loaded by each pass, int64 of ``mapping.shape``."""
    rows = row_bits(mapping, counted.stored, spec)
    tiles = range(mapping.shape[0])
    return input_of_pieces(
        mapping, np.stack([rows[mapping.input_rows(tile)].sum(axis=0) for tile in tiles])
    )


def output_words(layer: ConvLayer, output: np.ndarray, spec: EyerissV2Spec) -> np.ndarray:
    """Values stored of every output row, int64 (N x P, G, K/G).

    Parameters
    ----------
    layer : ConvLayer
    output : integers, shape (N, K, P, Q)
    spec : EyerissV2Spec
    """
    if spec.processing == "dense":
        words = np.full(output.shape[:3], layer.Q, np.int64)
    else:
        words = np.count_nonzero(output, axis=3)
    rows = words.transpose(0, 2, 1).reshape(-1, layer.groups, layer.K // layer.groups)
    return np.ascontiguousarray(rows)


def output_of_words(mapping: Mapping, words: np.ndarray, spec: EyerissV2Spec) -> np.ndarray:
    """Bytes of output stored by each pass, int64 of ``mapping.shape``; only the last items do.

    Parameters
    ----------
    mapping : Mapping
    words : int64 (N x P, G, K/G), see ``output_words``
    spec : EyerissV2Spec
    """
    layer = mapping.layer
    channels = cut(mapping.filters, mapping.m1 * mapping.M0)
    rows = np.add.reduceat(words, mapping.tiles[:-1], axis=0)
    bits = np.add.reduceat(rows, channels[:-1], axis=2) * spec.word_bits
    address = segments(mapping, layer.Q) * _address_bits(spec, "iact")
    lines = np.diff(mapping.tiles)[:, None, None]
    bits += lines * (-(-np.diff(channels) // mapping.C0) * address)
    bits = np.add.reduceat(bits, np.arange(0, layer.groups, mapping.g1), axis=1)
    found = np.zeros(mapping.shape, np.int64)
    found[..., -1] = _to_bytes(bits)
    return found


def output_bytes(mapping: Mapping, output: np.ndarray, spec: EyerissV2Spec) -> np.ndarray:
    """Bytes of output stored by each pass, of the values (N, K, P, Q) that are stored."""
    return output_of_words(mapping, output_words(mapping.layer, output, spec), spec)
