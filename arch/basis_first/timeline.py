"""The equations of a step once more, written down: when each pixel was where.

Rule: specification/basis_first_time.md, BF-30.

``recurrence.step_times`` keeps sums only; this keeps the times themselves, from the same inputs,
and gives the same sums.
"""

from dataclasses import dataclass

import numpy as np

from arch.basis_first.recurrence import (
    BLOCKS,
    FIRST,
    PER_SLICE,
    SLICES,
    SLOTS,
    TILE,
    VECTOR,
    WINDOW,
)
from arch.basis_first.step_inputs import StepInputs
from arch.jit import kernel


@dataclass(frozen=True, slots=True, eq=False)
class StepRecord:
    """Cycles from the step's start; pixels in the order in which they are broadcast.

    pixel : int64 (pixels,), (image, y, x) flattened
    arrive, transfer : int64 (pixels,), the vector is in all buffers; cycles of its broadcast
    held : bool (pixels,), the broadcast had to wait for the slowest block
    ca_start, ca_end : int64 (blocks, slices, pixels), of the CA unit; equal where it has no work
    mac_start, mac_end : int64 (blocks, pixels), of the MAC rows of a block
    """

    pixel: np.ndarray
    arrive: np.ndarray
    transfer: np.ndarray
    held: np.ndarray
    ca_start: np.ndarray
    ca_end: np.ndarray
    mac_start: np.ndarray
    mac_end: np.ndarray

    @property
    def blocks(self) -> int:
        """PE blocks in use."""
        return self.mac_end.shape[0]

    @property
    def compute(self) -> int:
        """Cycles until the last block is done."""
        return int(self.mac_end.max(initial=0))

    @property
    def consumed(self) -> np.ndarray:
        """When each block needs a vector no longer: int64 (blocks, pixels)."""
        ends: np.ndarray = self.ca_end.max(axis=1)
        return ends

    @property
    def waits(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the gap before every pixel's MAC cycles, int64 (blocks, pixels) each.

        It begins when the block is done with the pixel before; it is spent waiting for the
        vector until the second bound, and for the CA units from there to ``mac_start``.
        """
        before = np.zeros_like(self.mac_end)
        before[:, 1:] = self.mac_end[:, :-1]
        return before, np.clip(self.arrive, before, self.mac_start)

    def causes(self) -> dict[str, int]:
        """Block-cycles by cause, of the blocks in use."""
        before, arrived = self.waits
        waiting = (arrived - before).sum(axis=0)
        last = self.mac_end[:, -1] if self.pixel.size else np.zeros(self.blocks, np.int64)
        return {
            "mac": int((self.mac_end - self.mac_start).sum()),
            "ca": int((self.mac_start - arrived).sum()),
            "broadcast": int(waiting[~self.held].sum()),
            "slowest": int(waiting[self.held].sum() + (self.compute - last).sum()),
        }


@kernel
def _walk(
    code: np.ndarray,
    full: np.ndarray,
    transfer: np.ndarray,
    window: int,
    fifo: int,
    arrive: np.ndarray,
    held: np.ndarray,
    ca_start: np.ndarray,
    ca_end: np.ndarray,
    mac_start: np.ndarray,
    mac_end: np.ndarray,
) -> None:
    """The four equations as they stand in specification/basis_first_time.md, BF-27.

    code : unsigned (pixels, slots), 2 * t_CA + (V is not zero), slice by slice
    full : int64 (pixels,), t_MAC where a V is not zero
    transfer, and from ``arrive`` on the result : as in ``StepRecord``
    """
    blocks, slices, pixels = ca_end.shape
    for i in range(pixels):
        before = arrive[i - 1] if i > 0 else np.int64(0)
        room = np.int64(0)
        if i >= window:
            for block in range(blocks):
                for piece in range(slices):
                    room = max(room, ca_end[block, piece, i - window])
        held[i] = before < room
        arrive[i] = max(before, room) + transfer[i]
        for block in range(blocks):
            free = mac_start[block, i - fifo] if i >= fifo else np.int64(0)
            ready = np.int64(0)
            some = False
            for piece in range(slices):
                entry = np.int64(code[i, piece * blocks + block])
                last = ca_end[block, piece, i - 1] if i > 0 else np.int64(0)
                begin = max(last, max(arrive[i], free))
                ca_start[block, piece, i] = begin
                ca_end[block, piece, i] = begin + (entry >> 1)
                ready = max(ready, begin + (entry >> 1))
                some = some or (entry & 1) == 1
            done = mac_end[block, i - 1] if i > 0 else np.int64(0)
            mac_start[block, i] = max(done, ready)
            mac_end[block, i] = mac_start[block, i] + (full[i] if some else 1)


def record(inputs: StepInputs, step: int) -> StepRecord:
    """The times of one step.

    Parameters
    ----------
    inputs : StepInputs of the layer
    step : its number
    """
    part = inputs.part[step]
    about = inputs.parts[part]
    rows = slice(inputs.rows_first[step], inputs.rows_first[step + 1])
    columns = slice(inputs.cols_first[step], inputs.cols_first[step + 1])
    pixel = inputs.bases[step] + np.add.outer(
        inputs.rows[rows] * inputs.width, inputs.cols[columns]
    )
    pixel = pixel.ravel().astype(np.int64)
    full = np.ones(pixel.size, np.int64)
    if inputs.taps_count:
        full = np.outer(inputs.row_taps[rows], inputs.col_cycles[columns]).ravel().astype(np.int64)
    transfer = -(-inputs.vector[about[VECTOR], pixel] // inputs.port)
    # Every PE block for itself, also those that behave alike.
    block = np.repeat(np.arange(inputs.copies.shape[1]), inputs.copies[part])
    blocks, slices = block.size, int(about[SLICES])
    slot = np.arange(slices)[:, None] * about[BLOCKS] + block
    column = about[FIRST] + np.arange(slices)[:, None] * about[PER_SLICE] + block
    there = slot < about[SLOTS]
    code = inputs.code[about[TILE]][pixel][:, np.where(there, column, 0).ravel()]
    code = np.ascontiguousarray(np.where(there.ravel(), code, 0))
    arrive, held = np.zeros(pixel.size, np.int64), np.zeros(pixel.size, np.bool_)
    ca_start, ca_end = (np.zeros((blocks, slices, pixel.size), np.int64) for _ in range(2))
    mac_start, mac_end = (np.zeros((blocks, pixel.size), np.int64) for _ in range(2))
    times = (arrive, held, ca_start, ca_end, mac_start, mac_end)
    _walk(code, full, transfer, int(about[WINDOW]), inputs.fifo, *times)
    return StepRecord(pixel, arrive, transfer, held, ca_start, ca_end, mac_start, mac_end)
