"""Integer events of a layer, by which energy is charged.

Rules: specification/basis_first_counts.md, BF-70 to BF-72.
"""

from collections import Counter
from types import SimpleNamespace

import numpy as np

from tests.reference.basis_first_machine import ceil_div
from tests.reference.basis_first_steps import Plan, Step
from tests.reference.basis_first_work import KTile, Slice, slice_per_channel
from workloads.tensors import LayerTensors

EVENTS = (
    "coefficient_buffer_writes",
    "coefficient_buffer_reads",
    "coefficient_buffer_read_bytes",
    "vector_buffer_reads",
    "vector_buffer_read_bytes",
    "vector_buffer_writes",
    "vector_buffer_write_bytes",
    "ca_adds",
    "sums",
    "scale_multiplies",
    "fifo_writes",
    "fifo_reads",
    "multiplies",
    "tree_adds",
    "psum_writes",
    "psum_reads",
    "glb_input_reads",
    "glb_input_read_bytes",
    "glb_input_writes",
    "glb_input_write_bytes",
    "glb_output_writes",
    "glb_output_write_bytes",
    "glb_output_reads",
    "glb_output_read_bytes",
    "requantizes",
)
# Bytes of the ports.  One access serves one run: what is left of its last port is lost.
WIDEST = 64
COEFFICIENT_PORT = 8


def events_of(
    tensors: LayerTensors, k_tiles: list[KTile], plan: Plan, machine: SimpleNamespace
) -> dict[str, int]:
    """Count every event of every step, walking pixels, blocks and slices."""
    layer = tensors.layer
    glb_port = min(WIDEST, machine.broadcast_bytes_per_cycle)
    total: Counter[str] = Counter(dict.fromkeys(EVENTS, 0))
    psums = _PsumBuffer(tensors, single_pass=len(k_tiles[0].passes) == 1)
    for step in plan.steps:
        _fill(step, total)
        for y, x in step.pixels:
            _broadcast(step, y, x, machine, total)
            for block in step.work.blocks:
                for piece in block:
                    _ca(piece, step.image, y, x, machine, total)
                psums.accumulate(step, block, y, x, total)
        total["glb_input_writes"] += ceil_div(step.input_bytes, glb_port)
        total["glb_input_write_bytes"] += step.input_bytes
        total["glb_output_write_bytes"] += step.compressed_output_bytes
        total["glb_output_reads"] += ceil_div(step.output_bytes, glb_port)
        total["glb_output_read_bytes"] += step.output_bytes
    total["glb_output_writes"] = ceil_div(total["glb_output_write_bytes"], glb_port)  # packed
    total["fifo_reads"] = total["fifo_writes"]
    total["requantizes"] = tensors.images * layer.K * layer.P * layer.Q
    return dict(total)


def _fill(step: Step, total: Counter[str]) -> None:
    """Coefficients enter the buffers of their slices, where the step loads any."""
    if not step.coefficient_bytes:
        return
    for block in step.work.blocks:
        for piece in block:
            stored = piece.kernel.size
            if piece.tensors.mode != "bypass":
                stored = ceil_div(len(piece.channels) + piece.nonzeros, 8)
                stored += piece.tensors.alpha is not None
            total["coefficient_buffer_writes"] += ceil_div(stored, COEFFICIENT_PORT)


def _broadcast(step: Step, y: int, x: int, machine: SimpleNamespace, total: Counter[str]) -> None:
    vector, blocks = int(step.work.vector_bytes[step.image, y, x]), len(step.work.blocks)
    total["glb_input_reads"] += ceil_div(vector, min(WIDEST, machine.broadcast_bytes_per_cycle))
    total["glb_input_read_bytes"] += vector
    total["vector_buffer_writes"] += blocks * ceil_div(vector, min(WIDEST, machine.ca_lanes))
    total["vector_buffer_write_bytes"] += blocks * vector


def _ca(
    piece: Slice, image: int, y: int, x: int, machine: SimpleNamespace, total: Counter[str]
) -> None:
    """One slice's coefficient buffer, vector buffer, adders and FIFO at one pixel."""
    if piece.values[image, y, x]:
        total["fifo_writes"] += 1
    if piece.tensors.mode == "bypass":
        total["vector_buffer_reads"] += int(piece.values[image, y, x] != 0)
        total["vector_buffer_read_bytes"] += int(piece.values[image, y, x] != 0)
    elif piece.nonzeros:
        total["sums"] += 1
        stored = ceil_div(len(piece.channels) + piece.nonzeros, 8)
        total["coefficient_buffer_reads"] += ceil_div(stored, COEFFICIENT_PORT)
        total["coefficient_buffer_read_bytes"] += stored
        rows = ceil_div(piece.nonzeros, machine.ca_lanes)
        total["vector_buffer_reads"] += rows * ceil_div(machine.ca_lanes, WIDEST)
        total["vector_buffer_read_bytes"] += rows * machine.ca_lanes
        total["ca_adds"] += int(piece.pairs[image, y, x])
        total["scale_multiplies"] += len(piece.scales)


class _PsumBuffer:
    """Products, and which psums have been touched; every psum is of one (k-tile, tile)."""

    def __init__(self, tensors: LayerTensors, *, single_pass: bool) -> None:
        layer = tensors.layer
        self.tensors, self.single_pass = tensors, single_pass
        self.touched = np.zeros((tensors.images, layer.K, layer.P, layer.Q), bool)

    def accumulate(
        self, step: Step, block: list[Slice], y: int, x: int, total: Counter[str]
    ) -> None:
        """One block and pixel: multiplies, adds, psum reads and writes."""
        used = [piece for piece in block if piece.values[step.image, y, x]]
        taps = [(p, q) for p in step.tile.rows_fed(y) for q in step.tile.columns_fed(x)]
        if self.tensors.mode == "pointwise":
            if not self.single_pass:
                reads = sum(self._write(step.image, piece.k, taps, total) for piece in used)
                total["tree_adds"] += reads
            return
        total["multiplies"] += len(taps) * len(used)
        total["tree_adds"] += len(taps) * len(used)
        if not used:
            return
        writers = used if slice_per_channel(self.tensors) else used[:1]
        for piece in writers:
            self._write(step.image, piece.k, taps, total)

    def _write(self, image: int, k: int, taps: list[tuple[int, int]], total: Counter[str]) -> int:
        """Write one psum per tap; the reads before, none where it is the first touch."""
        reads = 0
        for p, q in taps:
            reads += bool(self.touched[image, k, p, q])
            self.touched[image, k, p, q] = True
        total["psum_writes"] += len(taps)
        total["psum_reads"] += reads
        return reads
