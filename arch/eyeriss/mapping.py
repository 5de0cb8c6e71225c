"""Mapping: how a layer lies on the array, in the papers' letters, and who chooses it.

===== ==========================================================================================
m     filters whose psums the GLB holds
n     images worked on together
e     output rows worked on together (the columns of a PE set)
p, q  filters and channels that a PE takes turns with
r, t  PE sets that share an output (different channels) or an input (different filters)
===== ==========================================================================================

A PE set is R x e PEs.  Wider than the array it is folded: its segments are stacked.  Sets that
add up their psums (r) are stacked too, because psums travel between vertical neighbours only
(Assumption); all others may stand side by side.

Sources: JSSC 2017, section IV and table III.  The limits that a mapping keeps are ``LIMITS``.
"""

from collections.abc import Mapping as Map
from functools import cache
from types import MappingProxyType

import numpy as np

from arch.errors import OperandError
from arch.eyeriss.kernels import Array, Choice, Shape, fits, search, taps
from arch.eyeriss.spec import AUTO, LETTERS, EyerissSpec
from workloads.layer import ConvLayer

# what ``fits`` reports
LIMITS: Map[int, str] = MappingProxyType(
    {
        1: "q input windows exceed ifmap_spad_words",
        2: "p x q filter rows exceed filter_spad_words",
        3: "p psums exceed psum_spad_words",
        4: "r stacked PE sets exceed the rows of the array",
        5: "r x t PE sets exceed the array",
        6: "m is no multiple of p x t",
        7: "the weights of one pass exceed filter_glb_bytes",
        8: "inputs and psums exceed the banks of the GLB",
    }
)


def shape_of(layer: ConvLayer, images: int) -> Shape:
    """One group of ``layer`` as the kernels see it.

    Examples
    --------
    >>> shape_of(ConvLayer("conv1", C=3, K=96, H=227, W=227, R=11, S=11, stride=4), 4).columns
    227
    """
    return Shape(
        C=layer.channels_per_group,
        K=layer.K // layer.groups,
        H=layer.H,
        W=layer.W,
        P=layer.P,
        Q=layer.Q,
        R=layer.R,
        S=layer.S,
        stride=layer.stride,
        dilation=layer.dilation,
        top=layer.padding[0],
        columns=int(taps(layer.Q, layer.S, layer.stride, layer.dilation)),
        images=images,
        groups=layer.groups,
    )


def array_of(spec: EyerissSpec) -> Array:
    """The machine as the kernels see it."""
    common = int(np.gcd(spec.clock_hz, spec.dram_bandwidth_bytes_per_s))
    return Array(
        rows=spec.rows,
        columns=spec.columns,
        ifmap_spad=spec.ifmap_spad_words,
        filter_spad=spec.filter_spad_words,
        psum_spad=spec.psum_spad_words,
        banks=spec.banks,
        bank_bytes=spec.bank_bytes,
        filter_glb_bytes=spec.filter_glb_bytes,
        port_bytes=spec.port_bytes,
        word=spec.operand_bytes,
        psum=spec.psum_bytes,
        filter_bus=spec.filter_bus_words,
        ifmap_bus=spec.ifmap_bus_words,
        psum_bus=spec.psum_bus_words,
        copies=spec.copies,
        cycles_num=spec.clock_hz // common,
        cycles_den=spec.dram_bandwidth_bytes_per_s // common,
        overlap=int(spec.dram_overlap == "on"),
        energy_first=int(spec.objective == "energy"),
    )


@cache
def _searched(shape: Shape, array: Array) -> tuple[int, ...]:
    found = np.zeros(len(LETTERS), np.int64)
    search(shape, array, found)
    return tuple(found.tolist())


def mapping(layer: ConvLayer, spec: EyerissSpec, images: int = 1) -> Choice:
    """The mapping of one group: the one that ``spec`` names, or the mapper's own.

    A named one is cut down to the layer's output rows and images.

    Raises
    ------
    OperandError
        If the layer does not fit the array or its buffers, or the named mapping breaks a limit.

    Examples
    --------
    >>> layer = ConvLayer("conv5", C=384, K=256, H=13, W=13, R=3, S=3, padding=(1,) * 4, groups=2)
    >>> spec = EyerissSpec(rows=12, columns=14, psum_bits=16, mapping="64,1,13,16,3,2,2")
    >>> mapping(layer, spec, 4).e
    13
    """
    shape, array = shape_of(layer, images), array_of(spec)
    if spec.rows < layer.R:
        raise OperandError(
            f"{layer.name}: the kernel has R = {layer.R} rows, "
            f"the array's rows = {spec.rows} hold no PE set"
        )
    reach = layer.dilation * (layer.S - 1) + 1
    if reach > spec.ifmap_spad_words:
        raise OperandError(
            f"{layer.name}: an input window is {reach} words wide, "
            f"ifmap_spad_words = {spec.ifmap_spad_words}"
        )
    if spec.mapping != AUTO:
        named = Choice(*(int(part) for part in spec.mapping.split(",")))
        named = named._replace(n=min(named.n, images), e=min(named.e, layer.P))
        broken = int(fits(shape, array, named))
        if broken:
            raise OperandError(f"{layer.name}: mapping = {spec.mapping!r}: {LIMITS[broken]}")
        return named
    found = _searched(shape, array)
    if found[0] == 0:
        raise OperandError(
            f"{layer.name}: no mapping fits: an output row of {layer.Q} psums and its operands "
            f"exceed spads or GLB (glb_bytes = {spec.glb_bytes})"
        )
    return Choice(*found)
