"""Which slice works on what: k-tiles, passes, and the slots of their slices.

Rules: specification/basis_first.md, BF-10 to BF-16.
"""

from dataclasses import dataclass

import numpy as np

from arch.basis_first.spec import BasisFirstSpec
from arch.errors import SpecError
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

WORD = 64  # channel tiles are whole mask words


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One pass of a k-tile: what each slice (row) of each block (column) works on.

    channel : int64 (slices, blocks), output channel, -1 where the slice has no work
    basis : int64 (slices, blocks), basis kernel (decomposed), else 0
    source : int64 (slices, blocks), the input channel (bypass), or the first one of the group
    vector : int64, input channels of the broadcast vector
    tile : (start, stop), the channel tile within a group
    number : which channel tile that is; 0 in bypass, where t_CA depends on no tile
    """

    channel: np.ndarray
    basis: np.ndarray
    source: np.ndarray
    vector: np.ndarray
    tile: tuple[int, int]
    number: int

    @property
    def slices(self) -> int:
        """PE slices in use in the busiest block."""
        return self.channel.shape[0]

    @property
    def blocks(self) -> int:
        """PE blocks in use."""
        return self.channel.shape[1]

    @property
    def assigned(self) -> np.ndarray:
        """Slots with work, flattened slice by slice: int64 indices."""
        return np.flatnonzero(self.channel.ravel() >= 0)

    def of_sums(self, table: np.ndarray) -> np.ndarray:
        """The entries of this pass in a ``table`` (channel tiles, K, M) of all sums."""
        channel, basis = self.channel.ravel()[self.assigned], self.basis.ravel()[self.assigned]
        chosen: np.ndarray = table[self.number, channel, basis]
        return chosen

    def of_coefficients(self, coefficients: np.ndarray) -> np.ndarray:
        """This pass's coefficients (sums, channels of the tile, 1), from (K, C/groups, M).

        Sums stand by output channel, then by basis kernel, however blocks share them.
        """
        channel, basis = self.channel.ravel()[self.assigned], self.basis.ravel()[self.assigned]
        order = np.lexsort((basis, channel))
        channel, basis = channel[order], basis[order]
        low, high = self.tile
        rows: np.ndarray = coefficients[channel, low:high, basis][:, :, None]
        return rows

    @property
    def vector_capacity(self) -> int:
        """Bytes of a vector without a zero, its mask included."""
        return self.vector.size + -(-self.vector.size // 8)


@dataclass(frozen=True, slots=True, eq=False)
class KTile:
    """Output channels start..stop that are computed together, pass after pass.

    ``own_channel``: every slice has its own output channel (pointwise, depthwise).
    """

    start: int
    stop: int
    own_channel: bool
    passes: tuple[Pass, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a mode cuts channels: width of a k-tile, channels and bases per pass."""

    own_channel: bool  # each slice has its own output channel (pointwise, depthwise)
    k_tile: int
    channel_tile: int
    basis: int


def channel_tile(layer: ConvLayer, spec: BasisFirstSpec) -> int:
    """C_t: what fits half a coefficient buffer and the vector buffer.

    Rule: specification/basis_first.md, BF-8.

    Raises
    ------
    SpecError
        If the vector buffer leaves no room for one mask word of channels.
    """
    fitting = spec.vector_buffer_bytes * 8 // 9 // WORD * WORD
    half = spec.coefficient_buffer_bytes // 2
    if fitting < 1 or half < 1:
        field = "vector_buffer_bytes" if fitting < 1 else "coefficient_buffer_bytes"
        least = WORD + WORD // 8 if fitting < 1 else 2
        raise SpecError(
            f"{layer.name}: {field} = {getattr(spec, field)} holds no channel tile, "
            f"wanted at least {least}"
        )
    return min(layer.channels_per_group, 4 * half, fitting)


def shape_of(tensors: LayerTensors, spec: BasisFirstSpec) -> Shape:
    """How the layer's mode cuts it."""
    layer, wide = tensors.layer, spec.pe_blocks * spec.slices_per_block
    if tensors.mode == "decomposed":
        assert tensors.basis is not None
        return Shape(False, spec.pe_blocks, channel_tile(layer, spec), tensors.basis.shape[0])
    if tensors.mode == "pointwise":
        return Shape(True, wide, channel_tile(layer, spec), 1)
    if layer.is_depthwise:
        return Shape(True, wide, 1, 1)
    return Shape(False, spec.pe_blocks, spec.slices_per_block, 1)


def _vector(layer: ConvLayer, start: int, stop: int, tile: tuple[int, int]) -> np.ndarray:
    """Input channels of the groups that output channels start..stop-1 belong to."""
    per_group, size = layer.K // layer.groups, layer.channels_per_group
    groups = np.arange(start // per_group, (stop - 1) // per_group + 1)
    return (groups[:, None] * size + np.arange(*tile)[None, :]).ravel()


def _pass(
    tensors: LayerTensors,
    shape: Shape,
    spec: BasisFirstSpec,
    span: tuple[int, int],
    tile: tuple[int, int],
    number: int,
    bases: tuple[int, int],
) -> Pass:
    layer, (start, stop) = tensors.layer, span
    blocks = min(spec.pe_blocks, stop - start)
    inner = np.arange(*(tile if tensors.mode == "bypass" else bases))
    if shape.own_channel:
        slices = -(-(stop - start) // blocks)
        channel = start + np.arange(slices * blocks).reshape(slices, blocks)
    else:
        slices = inner.size
        channel = np.tile(np.arange(start, stop), (slices, 1))
    group = np.minimum(channel, stop - 1) // (layer.K // layer.groups)
    source = group * layer.channels_per_group
    basis = np.zeros_like(channel)
    if not shape.own_channel and tensors.mode == "bypass":
        source = source + inner[:, None]
    elif not shape.own_channel:
        basis = basis + inner[:, None]
    channel = np.where(channel < stop, channel, -1)
    return Pass(channel, basis, source, _vector(layer, start, stop, tile), tile, number)


def _spans(layer: ConvLayer, shape: Shape, spec: BasisFirstSpec) -> list[tuple[int, int]]:
    """Output channels of each k-tile; cut at group boundaries where the vector is too wide."""
    widest = min(shape.channel_tile, layer.channels_per_group)
    groups_that_fit = 0
    while True:
        channels = (groups_that_fit + 1) * widest
        if channels + -(-channels // 8) > spec.vector_buffer_bytes:
            break
        groups_that_fit += 1
        if groups_that_fit == layer.groups:
            break
    if groups_that_fit == 0:
        raise SpecError(
            f"{layer.name}: a vector of {widest} channels needs {widest + -(-widest // 8)} B, "
            f"vector_buffer_bytes is {spec.vector_buffer_bytes}"
        )
    per_group = layer.K // layer.groups
    spans = []
    for start in range(0, layer.K, shape.k_tile):
        stop = min(start + shape.k_tile, layer.K)
        while start < stop:
            last_group = start // per_group + groups_that_fit
            cut = min(stop, last_group * per_group)
            spans.append((start, cut))
            start = cut
    return spans


@dataclass(frozen=True, slots=True)
class Division:
    """How a layer's channels are cut, before any job is dealt.

    spans : output channels of each k-tile
    channels, tile : input channels of a group, and of a pass, the last of which may have fewer
    basis, step : basis kernels of a block, and of a pass
    """

    spans: tuple[tuple[int, int], ...]
    channels: int
    tile: int
    basis: int
    step: int

    @property
    def tiles(self) -> tuple[tuple[int, int], ...]:
        """Input channels of each pass over a k-tile, once for every one of ``bases``."""
        return _pieces(self.channels, self.tile)

    @property
    def bases(self) -> tuple[tuple[int, int], ...]:
        """Basis kernels of a pass."""
        return _pieces(self.basis, self.step)

    @property
    def passes(self) -> int:
        """Passes of all k-tiles."""
        return len(self.spans) * -(-self.channels // self.tile) * -(-self.basis // self.step)

    def refines(self, other: "Division") -> bool:
        """Whether each pass is a part of one pass of another division of the same layer."""
        nested = other.tile in (self.tile, other.channels) or other.tile % self.tile == 0
        return nested and self.spans == other.spans and self.step == other.step


def division(tensors: LayerTensors, spec: BasisFirstSpec) -> Division:
    """How a layer's channels are cut.

    Raises
    ------
    SpecError
        If a buffer cannot hold the smallest vector; names layer, buffer and bytes.
    """
    layer, shape = tensors.layer, shape_of(tensors, spec)
    step = spec.slices_per_block if tensors.mode == "decomposed" else 1
    channels, basis = layer.channels_per_group, shape.basis
    tile, step = min(shape.channel_tile, channels), min(step, basis)
    return Division(tuple(_spans(layer, shape, spec)), channels, tile, basis, step)


def _pieces(size: int, step: int) -> tuple[tuple[int, int], ...]:
    return tuple((at, min(at + step, size)) for at in range(0, size, step))


def k_tiles(tensors: LayerTensors, spec: BasisFirstSpec) -> tuple[KTile, ...]:
    """All k-tiles of a layer with the jobs of every pass.

    Raises
    ------
    SpecError
        If a buffer cannot hold the smallest vector; names layer, buffer and bytes.
    """
    shape, cut = shape_of(tensors, spec), division(tensors, spec)
    coefficients = tensors.mode != "bypass"
    return tuple(
        KTile(
            *span,
            shape.own_channel,
            tuple(
                _pass(tensors, shape, spec, span, tile, number if coefficients else 0, group)
                for number, tile in enumerate(cut.tiles)
                for group in cut.bases
            ),
        )
        for span in cut.spans
    )
