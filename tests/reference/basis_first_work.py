"""What is to be done: k-tiles, passes, blocks and slices (specification/basis_first.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from tests.reference.basis_first_machine import (
    ReferenceInfeasible,
    ceil_div,
    mask_bytes,
    vector_tile_channels,
)
from workloads import formats
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


@dataclass(eq=False)
class Slice:
    """One PE slice during one pass: which V it makes, and the kernel that meets V."""

    tensors: LayerTensors
    k: int  # output channel
    channels: list[int]  # input channels in reach: the channel tile of k's group
    factors: list[int]  # T of these channels; bypass: 1 for its only channel
    kernel: np.ndarray  # (R, S)
    scales: tuple[int, ...] = ()  # (alpha,) or (p, n), each multiplied with a sum once a pixel

    @cached_property
    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """V+ and V-, the sums of X over T = +1 and over T = -1, int64 (N, H, W) each."""
        x = self.tensors.activations[:, self.channels].astype(np.int64)
        signs = np.array(self.factors)
        return x[:, signs > 0].sum(axis=1), x[:, signs < 0].sum(axis=1)

    @cached_property
    def values(self) -> np.ndarray:
        """V at every pixel, scaled where a scale is not folded away, int64 (N, H, W)."""
        return self.scaled(*self.sums)

    def scaled(self, positive, negative):
        """V of V+ and V-: plain, alpha V, or p V+ - n V- (BF-3)."""
        if len(self.scales) == 2:
            p, n = self.scales
            return p * positive - n * negative
        return (self.scales[0] if self.scales else 1) * (positive - negative)

    @cached_property
    def pairs(self) -> np.ndarray:
        """Operands both non-zero, at every pixel, int64 (N, H, W)."""
        x = (self.tensors.activations[:, self.channels] != 0).astype(np.int64)
        return np.einsum("c,nchw->nhw", (np.array(self.factors) != 0).astype(np.int64), x)

    @cached_property
    def nonzeros(self) -> int:
        """Coefficients that are not zero."""
        return sum(factor != 0 for factor in self.factors)

    @cached_property
    def kept(self) -> list[tuple[int, int]]:
        """(channel, T) of the non-zero coefficients, in channel order."""
        pairs = zip(self.channels, self.factors, strict=True)
        return [(channel, factor) for channel, factor in pairs if factor != 0]

    def packed_rows(self, lanes: int) -> list[list[tuple[int, int]]]:
        """The non-zero coefficients as rows, ``lanes`` wide; the last may be shorter."""
        return [self.kept[i : i + lanes] for i in range(0, len(self.kept), lanes)]


@dataclass(eq=False)
class Pass:
    """One pass of one k-tile: ``blocks[b]`` lists the assigned slices of block b."""

    tensors: LayerTensors
    k_tile: int
    number: int
    last: bool
    vector_channels: list[int]
    blocks: list[list[Slice]]
    coefficient_bytes: int

    @cached_property
    def vector_bytes(self) -> np.ndarray:
        """Compressed bytes of the broadcast vector at every pixel, int64 (N, H, W)."""
        x = self.tensors.activations[:, self.vector_channels]
        return mask_bytes(len(self.vector_channels)) + (x != 0).sum(axis=1, dtype=np.int64)

    def window(self, machine: SimpleNamespace) -> int:
        """The effective broadcast window: pixels a fast block may run ahead."""
        v = len(self.vector_channels) + mask_bytes(len(self.vector_channels))
        return max(1, min(machine.broadcast_window, machine.vector_buffer_bytes // v))


@dataclass(eq=False)
class KTile:
    """Output channels computed together, and the passes that complete them."""

    channels: list[int]
    passes: list[Pass]

    @property
    def slices_in_use(self) -> int:
        """Slices of the fullest block."""
        return max(len(block) for block in self.passes[0].blocks)


def k_tiles_of(tensors: LayerTensors, machine: SimpleNamespace) -> list[KTile]:
    """All k-tiles of a layer with their passes, in order."""
    channels_of = _cut_for_vector_buffer(tensors, machine)
    tiles = []
    for index, channels in enumerate(channels_of):
        plans = list(_pass_plans(tensors, machine))
        passes = [
            _pass(tensors, machine, index, channels, number, number == len(plans) - 1, *plan)
            for number, plan in enumerate(plans)
        ]
        tiles.append(KTile(channels, passes))
    return tiles


def slice_per_channel(tensors: LayerTensors) -> bool:
    """Pointwise and depthwise: every slice has its own output channel."""
    depthwise = tensors.mode == "bypass" and tensors.layer.is_depthwise
    return tensors.mode == "pointwise" or depthwise


def group_of(layer: ConvLayer, k: int) -> int:
    """The group of output channel k."""
    return k // (layer.K // layer.groups)


def channel_tile(layer: ConvLayer, machine: SimpleNamespace) -> int:
    """C_t: specification/basis_first.md, BF-8."""
    if machine.coefficient_buffer_bytes < 2:
        raise ReferenceInfeasible("coefficient_buffer_bytes: half of it holds no channel")
    return min(
        layer.channels_per_group,
        4 * (machine.coefficient_buffer_bytes // 2),
        vector_tile_channels(machine),
    )


def _pass_plans(
    tensors: LayerTensors, machine: SimpleNamespace
) -> Iterator[tuple[range, range | None]]:
    """(channels within the group, bases) of every pass, in order; bypass has no bases."""
    per_group, slices = tensors.layer.channels_per_group, machine.slices_per_block
    if tensors.mode == "bypass":
        for start in range(0, per_group, slices):
            yield range(start, min(start + slices, per_group)), None
        return
    assert tensors.coefficients is not None
    step, bases = channel_tile(tensors.layer, machine), tensors.coefficients.shape[2]
    for start in range(0, per_group, step):
        channels = range(start, min(start + step, per_group))
        for first in range(0, bases, slices):
            yield channels, range(first, min(first + slices, bases))


def _cut_for_vector_buffer(tensors: LayerTensors, machine: SimpleNamespace) -> list[list[int]]:
    """Output channels of every k-tile, none with a vector beyond the vector buffer."""
    layer = tensors.layer
    size = machine.pe_blocks * (machine.slices_per_block if slice_per_channel(tensors) else 1)
    widest = max(len(channels) for channels, _ in _pass_plans(tensors, machine))
    groups_at_once = layer.groups
    while _vector_size(groups_at_once * widest) > machine.vector_buffer_bytes:
        groups_at_once -= 1
        if groups_at_once == 0:
            raise ReferenceInfeasible(
                f"{layer.name}: a vector of {_vector_size(widest)} bytes exceeds the vector buffer"
            )
    tiles = []
    for start in range(0, layer.K, size):
        channels = list(range(start, min(start + size, layer.K)))
        groups = sorted({group_of(layer, k) for k in channels})
        for first in range(0, len(groups), groups_at_once):
            chosen = groups[first : first + groups_at_once]
            tiles.append([k for k in channels if group_of(layer, k) in chosen])
    return tiles


def _vector_size(channels: int) -> int:
    return channels + mask_bytes(channels)


def _pass(
    tensors: LayerTensors,
    machine: SimpleNamespace,
    k_tile: int,
    channels: list[int],
    number: int,
    last: bool,
    within_group: range,
    bases: range | None,
) -> Pass:
    layer = tensors.layer
    groups = sorted({group_of(layer, k) for k in channels})
    vector = [g * layer.channels_per_group + c for g in groups for c in within_group]
    if slice_per_channel(tensors):
        nb = min(machine.pe_blocks, len(channels))
        blocks: list[list[Slice]] = [[] for _ in range(nb)]
        for i, k in enumerate(channels):
            assert len(blocks[i % nb]) == i // nb < machine.slices_per_block
            blocks[i % nb] += _slices(tensors, k, within_group, bases)
    else:
        blocks = [_slices(tensors, k, within_group, bases) for k in channels]
    slices = [piece for block in blocks for piece in block]
    if tensors.mode == "bypass":
        stored = len(slices) * layer.R * layer.S
    else:
        stored = ceil_div(sum(len(s.channels) + s.nonzeros for s in slices), 8)
        if tensors.coding != "bitmap":
            pairs = [(k, m) for k in channels for m in bases or range(1)]
            rows = [tensors.coefficients[k, list(within_group), m] for k, m in pairs]
            run = np.array(rows, np.int8)[:, :, None]
            stored = formats.get(tensors.coding).encode(run).size
        if tensors.alpha is not None:
            stored += len(slices)  # one byte each
    return Pass(tensors, k_tile, number, last, vector, blocks, stored)


def _slices(tensors: LayerTensors, k: int, within_group: range, bases: range | None) -> list[Slice]:
    """The slices that work on output channel k in one pass."""
    first = group_of(tensors.layer, k) * tensors.layer.channels_per_group
    if bases is None:
        weights = tensors.weights
        assert weights is not None
        return [Slice(tensors, k, [first + c], [1], weights[k, c]) for c in within_group]
    kernels = np.ones((1, 1, 1), np.int8) if tensors.basis is None else tensors.basis
    signs = tensors.coefficients
    assert signs is not None
    reach = [first + c for c in within_group]
    return [
        Slice(
            tensors, k, reach, signs[k, list(within_group), m].tolist(), kernels[m],
            _scales(tensors, k, m),
        )
        for m in bases
    ]  # fmt: skip


def _scales(tensors: LayerTensors, k: int, m: int) -> tuple[int, ...]:
    """(alpha,), (p, n), or nothing where the scales cost nothing."""
    if tensors.alpha is not None:
        return (int(tensors.alpha[k, m]),)
    return tensors.two_sided or ()


def check_bounds(tensors: LayerTensors, tiles: list[KTile], machine: SimpleNamespace) -> None:
    """Raise if some V or psum could leave its width, for any activations (BF-4)."""
    info = np.iinfo(tensors.activations.dtype)
    low, high = int(info.min), int(info.max)
    for tile in tiles:
        for one_pass in tile.passes:
            for piece in (piece for block in one_pass.blocks for piece in block):
                weights = [piece.scaled(max(t, 0), max(-t, 0)) for t in piece.factors]
                _check(weights, low, high, machine.intermediate_bits, f"V of {piece.k}")
    dense = tensors.dense_weights()
    for k in range(tensors.layer.K):
        _check(dense[k].ravel().tolist(), low, high, machine.psum_bits, f"psums of channel {k}")


def _check(weights: list[int], low: int, high: int, bits: int, what: str) -> None:
    positive = sum(w for w in weights if w > 0)
    negative = sum(-w for w in weights if w < 0)
    upper = positive * high + negative * -low
    lower = -(negative * high + positive * -low)
    if upper > 2 ** (bits - 1) - 1 or lower < -(2 ** (bits - 1)):
        raise ReferenceInfeasible(f"{what}: {lower}..{upper} does not fit {bits} bits")


def psums_of(tensors: LayerTensors, tiles: list[KTile]) -> np.ndarray:
    """Every pass's V against its kernel, accumulated: int64 (N, K, P, Q)."""
    layer = tensors.layer
    psums = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int64)
    for tile in tiles:
        for piece in (s for one in tile.passes for block in one.blocks for s in block):
            for r in range(layer.R):
                for s in range(layer.S):
                    (down, across), (skip, over) = layer.strides, layer.dilations
                    ys = np.arange(layer.P) * down + r * skip - layer.padding[0]
                    xs = np.arange(layer.Q) * across + s * over - layer.padding[2]
                    p, q = (ys >= 0) & (ys < layer.H), (xs >= 0) & (xs < layer.W)
                    tap = piece.values[:, ys[p]][:, :, xs[q]] * int(piece.kernel[r, s])
                    psums[:, piece.k, np.flatnonzero(p)[:, None], np.flatnonzero(q)] += tap
    return psums
