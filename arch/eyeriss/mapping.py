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

The mapper takes the best of all mappings that keep the limits: fewest cycles with all waits for
DRAM, then fewest DRAM bytes, then least data movement at the published relative costs; with
``objective = "energy"`` least movement, then cycles, then bytes.  Assumption: it knows how long
the coded maps are.

Sources: JSSC 2017, section IV and table III.  The limits that a mapping keeps are ``LIMITS``.

Rules: specification/eyeriss.md, EYE-1 to EYE-5.
"""

from collections.abc import Mapping as Map
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from arch.errors import OperandError
from arch.eyeriss.coding import Maps
from arch.eyeriss.kernels import Array, Choice, Shape, fits, taps
from arch.eyeriss.search import MOST, Best, search
from arch.eyeriss.spec import AUTO, LETTERS, EyerissSpec
from arch.eyeriss.timing import PASS_KINDS, Stored
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
        stride=layer.strides[0],
        dilation=layer.dilations[0],
        top=layer.padding[0],
        columns=int(taps(layer.Q, layer.S, layer.strides[1], layer.dilations[1])),
        window=layer.reach[1],
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
        latency=spec.dram_latency_cycles,
        burst=spec.dram_burst_bytes,
        per_word=spec.pairs_per_word,
        overlap=int(spec.dram_overlap == "on"),
        energy_first=int(spec.objective == "energy"),
    )


class Found(NamedTuple):
    """The mapper's choice, with the cycles and DRAM bytes of the layer."""

    choice: Choice
    cycles: int
    dram_bytes: int


RAW = Maps()
NO_PAIRS = np.zeros((0, 0, 0), np.int64)


def _stored(maps: Maps) -> Stored:
    inputs, outputs = (
        NO_PAIRS if pairs is None else pairs for pairs in (maps.inputs, maps.outputs)
    )
    coded = int(maps.inputs is not None), int(maps.outputs is not None)
    return Stored(np.ascontiguousarray(inputs), np.ascontiguousarray(outputs), *coded)


def searched(
    shape: Shape,
    array: Array,
    maps: Maps = RAW,
    known: tuple[Choice, ...] = (),
    below: tuple[int, int] | None = None,
) -> Found | None:
    """The best mapping, or None where there is none.

    Parameters
    ----------
    known : mappings that fit and are probably good, tried first
    below : cycles and DRAM bytes; only a mapping that needs fewer cycles and no more bytes, or as
        many cycles and fewer bytes, is wanted
    """
    table, other = np.zeros((2, *PASS_KINDS), np.int64)
    top = Best(np.zeros(len(LETTERS), np.int64), np.full(3, MOST), np.full(1, MOST), table, other)
    if below is not None:
        top.costs[:2], top.costs[2], top.cap[0] = below, -1, below[1]
    tried = np.array(known, np.int64).reshape(-1, len(LETTERS))
    search(shape, array, _stored(maps), tried, top)
    if top.found[0] == 0:
        return None
    cycles, moved = top.costs[1:] if array.energy_first else top.costs[:2]
    return Found(Choice(*top.found.tolist()), int(cycles), int(moved))


@cache
def _searched_raw(shape: Shape, array: Array) -> Found | None:
    return searched(shape, array)


def best(
    layer: ConvLayer,
    spec: EyerissSpec,
    images: int = 1,
    maps: Maps = RAW,
    known: tuple[Choice, ...] = (),
) -> Found:
    """The mapper's own mapping of one group; ``known`` as for ``searched``.

    Raises
    ------
    OperandError
        If the layer does not fit the array or its buffers.
    """
    _check_window(layer, spec)
    shape, array = shape_of(layer, images), array_of(spec)
    found = _searched_raw(shape, array) if maps.raw else searched(shape, array, maps, known)
    if found is None:
        raise OperandError(
            f"{layer.name}: no mapping fits: an output row of {layer.Q} psums and its operands "
            f"exceed spads or GLB (glb_bytes = {spec.glb_bytes})"
        )
    return found


def _check_window(layer: ConvLayer, spec: EyerissSpec) -> None:
    if spec.rows < layer.R:
        raise OperandError(
            f"{layer.name}: the kernel has R = {layer.R} rows, "
            f"the array's rows = {spec.rows} hold no PE set"
        )
    reach = layer.reach[1]
    if reach > spec.ifmap_spad_words:
        raise OperandError(
            f"{layer.name}: an input window is {reach} words wide, "
            f"ifmap_spad_words = {spec.ifmap_spad_words}"
        )


def mapping(layer: ConvLayer, spec: EyerissSpec, images: int = 1, maps: Maps = RAW) -> Choice:
    """The mapping of one group: the one that ``spec`` names, or the mapper's own.

    A named one is cut down to the layer's output rows and images.

    Parameters
    ----------
    layer, spec, images : the layer on its machine, and the batch
    maps : the coded maps, from which the mapper knows their bytes; uncompressed by default

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
    if spec.mapping == AUTO:
        return best(layer, spec, images, maps).choice
    _check_window(layer, spec)
    named = Choice(*(int(part) for part in spec.mapping.split(",")))
    named = named._replace(n=min(named.n, images), e=min(named.e, layer.P))
    broken = int(fits(shape_of(layer, images), array_of(spec), named))
    if broken:
        raise OperandError(f"{layer.name}: mapping = {spec.mapping!r}: {LIMITS[broken]}")
    return named


def alone(layer: ConvLayer, spec: EyerissSpec, images: int, maps: Maps) -> list[Found]:
    """The mapper's own mapping of each image by itself."""
    found = [best(layer, spec, 1, maps.image(0))]
    for n in range(1, images):
        one = found[0]
        if not maps.raw:
            one = best(layer, spec, 1, maps.image(n), (found[-1].choice,))
        found.append(one)
    return found


def mappings(
    layer: ConvLayer, spec: EyerissSpec, images: int = 1, maps: Maps = RAW
) -> list[Choice]:
    """One mapping for all images, or one for each.

    A batch is never worse off than its images alone: a mapping for all of them is taken where it
    needs fewer cycles and no more DRAM bytes than the images one after the other, each with its
    own best mapping.  With ``objective = "energy"`` there always is one.

    Raises
    ------
    OperandError
        As ``mapping``.
    """
    if images == 1 or spec.mapping != AUTO or spec.objective == "energy":
        return [mapping(layer, spec, images, maps)]
    each = alone(layer, spec, images, maps)
    below = sum(one.cycles for one in each), sum(one.dram_bytes for one in each)
    known = tuple(dict.fromkeys(one.choice for one in each))
    shape, array = shape_of(layer, images), array_of(spec)
    shared = searched(shape, array, maps, known, below)
    return [one.choice for one in each] if shared is None else [shared.choice]
