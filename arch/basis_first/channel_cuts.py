"""How ``auto`` may cut channels: the channel tiles and k-tiles of smaller buffers, too.

Vector and coefficient buffer limit the channels of a pass (BF-8).  Where a buffer holds fewer
than ``broadcast_window`` of the widest vectors, blocks wait for each other, and narrower vectors in
more passes may be faster; where sums over all channels leave the bits of an intermediate, only
narrower vectors can be computed.  There ``auto`` may use less of either buffer: 2, 3, 4, 6, 8, 12 …
bytes, the least that holds a channel tile, or just what the whole layer needs.  So what a smaller
buffer allows, a larger one allows as well.  Elsewhere the widest tile has nothing to wait for, and
more passes only add steps and MAC cycles.

Rule: specification/basis_first_memory.md, BF-58.
"""

from collections.abc import Iterable, Iterator

from arch.basis_first.modes import WORD, Division, KTile, division
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import SpecError
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def ladder(most: int, least: int, enough: int) -> list[int]:
    """Sizes up to ``most``, descending: 2, 3, 4, 6, 8, 12 …, ``least``, and what is ``enough``.

    Examples
    --------
    >>> ladder(100, 2, 36)
    [36, 32, 24, 16, 12, 8, 6, 4, 3, 2]
    """
    powers = {each << n for n in range(most.bit_length()) for each in (1, 3)}
    sizes = {size for size in powers | {least, enough} if least <= size <= most}
    return sorted((size for size in sizes if size <= enough), reverse=True)


def enough(layer: ConvLayer) -> tuple[int, int]:
    """Bytes of a vector and of a coefficient buffer that never cut a layer's channels."""
    words = -(-layer.channels_per_group // WORD) * WORD
    return max(words + words // 8, layer.C + -(-layer.C // 8)), 2 * -(
        -layer.channels_per_group // 4
    )


def blocks_wait(tiles: Iterable[KTile], spec: BasisFirstSpec) -> bool:
    """Whether a vector buffer holds fewer than ``broadcast_window`` of the widest vectors."""
    widest = max(part.vector_capacity for tile in tiles for part in tile.passes)
    return widest * spec.broadcast_window > spec.vector_buffer_bytes


def channel_cuts(
    tensors: LayerTensors, spec: BasisFirstSpec
) -> Iterator[tuple[BasisFirstSpec, Division]]:
    """The spec itself, then with every pair of buffers that cuts the channels in another way.

    Raises
    ------
    SpecError
        If not even the spec's own buffers hold a channel tile.
    """
    whole = division(tensors, spec)
    yield spec, whole
    seen = {whole}
    vector, coefficient = enough(tensors.layer)
    for vectors in ladder(spec.vector_buffer_bytes, WORD + WORD // 8, vector):
        for held in ladder(spec.coefficient_buffer_bytes, 2, max(2, coefficient)):
            sizes = {"vector_buffer_bytes": vectors, "coefficient_buffer_bytes": held}
            less = spec.model_copy(update=sizes)
            try:
                found = division(tensors, less)
            except SpecError:
                continue
            if found not in seen:
                seen.add(found)
                yield less, found
