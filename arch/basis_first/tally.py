"""Section 8, events: how often each part of the machine acted in a layer."""

from dataclasses import dataclass

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.mac_row import touched
from arch.basis_first.modes import KTile
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.work import Work
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True)
class Tally:
    """Integers of one layer; see the specification's section 8 for what each counts."""

    pairs: int
    ca_cycles: int
    effectual_ops: int
    multiplies: int
    tree_adds: int
    fifo_uses: int
    psum_writes: int
    psum_reads: int
    coefficient_reads: int
    coefficient_read_bytes: int
    scale_multiplies: int
    vector_writes: int
    vector_bytes: int
    vector_write_bytes: int
    vector_row_reads: int
    vector_read_bytes: int
    glb_reads: int
    output_bytes: int
    requantizes: int


def _first_touches(
    tensors: LayerTensors, tiles: tuple[KTile, ...], found: Work, steps: Plan
) -> int:
    """Psums written without being read first, over all (k-tile, image, tile)."""
    layer = tensors.layer
    area = layer.H * layer.W
    flags: dict[int, np.ndarray] = {}
    total = 0
    counts = np.zeros(layer.P, np.int64)
    for step in steps.steps:
        if not step.last:
            continue
        if step.k_tile not in flags:
            flags = {step.k_tile: _active(tiles, found, step.k_tile)}
        counts[:] = 0
        touched(
            flags[step.k_tile][step.image * area : (step.image + 1) * area],
            np.array([layer.H, layer.W], np.int64),
            layer.stride,
            layer.padding[0],
            layer.padding[2],
            layer.dilation,
            np.array([layer.R, layer.S], np.int64),
            np.array(step.tile.box, np.int64),
            counts,
        )
        total += int(counts.sum())
    return total


def _active(tiles: tuple[KTile, ...], found: Work, k: int) -> np.ndarray:
    """Whether any V of a psum is not zero in any pass: uint8 (pixels, psums)."""
    streams = tiles[k].psum_channels.size
    passes = len(tiles[k].passes)
    active = np.zeros((found.code.shape[1], streams), np.uint8)
    for n, part in enumerate(tiles[k].passes):
        code = found.code[k * passes + n]
        for first in range(0, part.channel.size, streams):
            active |= (code[:, first : first + streams] & 1).astype(np.uint8)
    return active


def tally(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    found: Work,
    steps: Plan,
    times: np.ndarray,
    output: np.ndarray,
) -> Tally:
    """Count a layer's events from its steps."""
    total = times.sum(axis=0)
    passes = len(tiles[0].passes)
    bypass, pointwise = tensors.mode == "bypass", tensors.mode == "pointwise"
    pixels = np.array([step.broadcast_pixels for step in steps.steps], np.int64)
    part = np.array([step.k_tile * passes + step.pass_ for step in steps.steps])
    blocks = np.array([p.blocks for k_tile in tiles for p in k_tile.passes], np.int64)[part]
    rows = int((found.rows[part] * pixels).sum())
    sums = int((found.coefficient_reads[part] * pixels).sum())  # V of slices with a coefficient
    used, products = int(total[field.USED]), int(total[field.PRODUCTS])
    accumulates = not pointwise or passes > 1
    psum_writes = used if pointwise else int(total[field.PSUM_WRITES])
    first = _first_touches(tensors, tiles, found, steps) if accumulates else 0
    psum_writes = psum_writes if accumulates else 0
    tree_adds = psum_writes - first if pointwise else products
    stored_bytes = _stored_bytes(tiles, output)
    return Tally(
        pairs=int(total[field.PAIRS]),
        ca_cycles=int(total[field.CA_SUM]),
        effectual_ops=products if bypass else int(total[field.PAIRS]),
        multiplies=products,
        tree_adds=tree_adds,
        fifo_uses=used,
        psum_writes=psum_writes,
        psum_reads=psum_writes - first,
        coefficient_reads=sums,
        coefficient_read_bytes=int((found.coefficient_read_bytes[part] * pixels).sum()),
        scale_multiplies=tensors.multiplies_per_sum * sums,
        vector_writes=int((blocks * pixels).sum()),
        vector_bytes=int(total[field.VECTOR_BYTES]),
        vector_write_bytes=int((blocks * times[:, field.VECTOR_BYTES]).sum()),
        vector_row_reads=used if bypass else rows,
        vector_read_bytes=used if bypass else rows * spec.ca_lanes,
        glb_reads=int(total[field.GLB_READS]),
        output_bytes=stored_bytes,
        requantizes=output.size,
    )


def _stored_bytes(tiles: tuple[KTile, ...], output: np.ndarray) -> int:
    """Compressed output before burst rounding."""
    images, _, height, width = output.shape
    masks = sum(-(-(k_tile.stop - k_tile.start) // 8) for k_tile in tiles)
    values = int(np.count_nonzero(output)) * output.dtype.itemsize
    return masks * images * height * width + values
