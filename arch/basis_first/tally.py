"""Events: how often each part of the machine acted in a layer.

Rules: specification/basis_first_counts.md, BF-70 to BF-72.
"""

from dataclasses import dataclass

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.modes import KTile, Pass
from arch.basis_first.ports import COEFFICIENT_PORT_BYTES
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.work import Work
from arch.nonzeros import count_weighted
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True)
class Tally:
    """Integers of one layer; what each counts: specification/basis_first_counts.md."""

    ca_cycles: int
    multiplies: int
    tree_adds: int
    fifo_uses: int
    psum_writes: int
    psum_reads: int
    coefficient_writes: int
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


def _reads(
    tensors: LayerTensors, spec: BasisFirstSpec, part: Pass, found: Work
) -> tuple[int, int, int, int]:
    """At one pixel of a pass: rows, sums, and what these read of coefficients: accesses, bytes."""
    if tensors.mode == "bypass":
        return 0, 0, 0, 0
    lengths = part.of_sums(found.lengths)
    used = lengths[lengths > 0]
    channels = part.tile[1] - part.tile[0]
    rows = int((-(-used // spec.ca_lanes)).sum())
    stored = -(-(channels + used) // 8)
    accesses = -(-stored // COEFFICIENT_PORT_BYTES)
    return rows, used.size, int(accesses.sum()), int(stored.sum())


def _writes(tensors: LayerTensors, part: Pass, found: Work) -> int:
    """Accesses that fill the coefficient buffers for a pass, each slice's for itself."""
    if tensors.mode == "bypass":
        stored = np.full(part.assigned.size, tensors.layer.R * tensors.layer.S)
    else:
        stored = -(-(part.tile[1] - part.tile[0] + part.of_sums(found.lengths)) // 8)
        stored += tensors.alpha is not None
    return int((-(-stored // COEFFICIENT_PORT_BYTES)).sum())


def pairs_by_image(tensors: LayerTensors, found: Work, steps: Plan) -> np.ndarray:
    """Pairs of a non-zero activation and a non-zero coefficient, int64 (images,).

    A pixel in several halos counts as often as it is broadcast.
    """
    layer, images = tensors.layer, tensors.images
    if not found.readers.any():
        return np.zeros(images, np.int64)
    counts = np.empty((images, layer.C), np.int64)
    pixels = tensors.activations.reshape(images, layer.C, -1)
    tiles = {(step.image, step.tile.box): step.tile for step in steps.steps}
    for image in range(images):
        times = np.zeros((layer.H, layer.W), np.int64)
        for (of, _), tile in tiles.items():
            if of == image:
                times[np.ix_(tile.needed_rows, tile.columns.needed)] += 1
        count_weighted(pixels[image : image + 1], times.ravel(), counts[image : image + 1])
    total: np.ndarray = counts @ found.readers
    return total


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
    passes_of = [p for k_tile in tiles for p in k_tile.passes]
    blocks = np.array([one.blocks for one in passes_of], np.int64)[part]
    each = np.array([_reads(tensors, spec, one, found) for one in passes_of])
    filling = np.array([_writes(tensors, one, found) for one in passes_of])
    rows, sums, reads, read_bytes = ((each[part] * pixels[:, None]).sum(axis=0)).tolist()
    used, products = int(total[field.USED]), int(total[field.PRODUCTS])
    accumulates = not pointwise or passes > 1
    psum_writes = used if pointwise else int(total[field.PSUM_WRITES])
    first = found.touched if accumulates else 0  # written without being read
    psum_writes = psum_writes if accumulates else 0
    tree_adds = psum_writes - first if pointwise else products
    stored_bytes = _stored_bytes(tiles, output)
    return Tally(
        ca_cycles=int(total[field.CA_SUM]),
        multiplies=products,
        tree_adds=tree_adds,
        fifo_uses=used,
        psum_writes=psum_writes,
        psum_reads=psum_writes - first,
        coefficient_writes=int(filling[part[steps.bytes.coefficient > 0]].sum()),
        coefficient_reads=reads,
        coefficient_read_bytes=read_bytes,
        scale_multiplies=tensors.multiplies_per_sum * sums,
        vector_writes=int((blocks * times[:, field.VECTOR_WRITES]).sum()),
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
