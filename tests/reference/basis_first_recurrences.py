"""One step by the closed equations (specification/basis_first_time.md, BF-20 to BF-29).

Written beside the stepper and sharing none of its machinery: validity rows are integers, and the
times of all pixels, blocks and slices follow from the four equations of BF-27.
"""

from types import SimpleNamespace

from tests.reference.basis_first_machine import ceil_div
from tests.reference.basis_first_stepper import StepTiming
from tests.reference.basis_first_steps import Step
from tests.reference.basis_first_work import Slice


def rotate(bits: int, by: int, lanes: int) -> int:
    """Bit i of the result is bit (i - by) mod lanes."""
    by %= lanes
    return ((bits << by) | (bits >> (lanes - by))) & ((1 << lanes) - 1)


def window_cycles(validity: list[int], lanes: int, lookahead: int, lookaside: int) -> int:
    """Cycles to concentrate and issue some validity rows (bit 0 = lane 0)."""
    rows, head, cycles = list(validity), 0, 0
    while cycles == 0 or any(rows):
        cycles += 1
        window = range(head, min(head + lookahead + 1, len(rows)))
        h = next((i for i in window if rows[i]), None)
        if h is not None:
            holes = ~rows[h] & ((1 << lanes) - 1)
            rows[h] = 0
            for later in range(h + 1, window.stop):
                for shift in [0] + [sign * a for a in range(1, lookaside + 1) for sign in (1, -1)]:
                    # Shift +1: hole i takes lane i - 1, so the row moves up by one lane.
                    filled = holes & rotate(rows[later], shift, lanes)
                    rows[later] &= ~rotate(filled, -shift, lanes)
                    holes &= ~filled
        limit = head + lookahead + 1
        while head < min(limit, len(rows)) and not rows[head]:
            head += 1
    return cycles


def ca_cycles(piece: Slice, image: int, y: int, x: int, machine: SimpleNamespace) -> int:
    """t_CA of one slice and pixel (BF-23; bypass: BF-12)."""
    if piece.tensors.mode == "bypass":
        return int(piece.values[image, y, x] != 0)
    rows = piece.packed_rows(machine.ca_lanes)
    if not rows:
        return 0
    if machine.packing == "none":
        return len(rows)
    if machine.packing == "ideal":
        return max(1, ceil_div(int(piece.pairs[image, y, x]), machine.ca_lanes))
    vector = piece.tensors.activations[image, :, y, x].tolist()
    validity = [sum(1 << i for i, (c, _) in enumerate(row) if vector[c]) for row in rows]
    return window_cycles(validity, machine.ca_lanes, machine.lookahead, machine.lookaside)


def mac_cycles(step: Step, block: list[Slice], y: int, x: int, machine: SimpleNamespace) -> int:
    """t_MAC of one block and pixel (BF-25)."""
    pointwise = step.work.tensors.mode == "pointwise"
    if pointwise or not any(piece.values[step.image, y, x] for piece in block):
        return 1
    taps = len(step.tile.columns_fed(x))
    return len(step.tile.rows_fed(y)) * ceil_div(taps, machine.mac_row_width)


def step_by_recurrences(step: Step, machine: SimpleNamespace) -> StepTiming:
    """Time one step by the equations of BF-27."""
    blocks = step.work.blocks
    window = step.work.window(machine)
    arrive: list[int] = []
    consumed: list[list[int]] = [[] for _ in blocks]
    mac_start: list[list[int]] = [[] for _ in blocks]
    mac_end: list[list[int]] = [[] for _ in blocks]
    ca_end: list[list[list[int]]] = [[[] for _ in block] for block in blocks]
    timing = StepTiming(0, 0, 0, 0, 0, 0)
    for i, (y, x) in enumerate(step.pixels):
        before = _at(arrive, i - 1)
        room = max(_at(times, i - window) for times in consumed)
        vector = int(step.work.vector_bytes[step.image, y, x])
        arrive.append(max(before, room) + ceil_div(vector, machine.broadcast_bytes_per_cycle))
        for b, block in enumerate(blocks):
            for m, piece in enumerate(block):
                t_ca = ca_cycles(piece, step.image, y, x, machine)
                free = _at(mac_start[b], i - machine.intermediate_fifo)
                start = max(_at(ca_end[b][m], i - 1), arrive[i], free)
                ca_end[b][m].append(start + t_ca)
                timing.t_ca_sum += t_ca
            consumed[b].append(max(times[i] for times in ca_end[b]))
            last_end = _at(mac_end[b], i - 1)
            mac_start[b].append(max(last_end, consumed[b][i]))
            t_mac = mac_cycles(step, block, y, x, machine)
            mac_end[b].append(mac_start[b][i] + t_mac)
            timing.mac += t_mac
            timing.ca += mac_start[b][i] - max(last_end, arrive[i])
            waiting = max(0, arrive[i] - last_end)
            if before >= room:
                timing.broadcast += waiting
            else:
                timing.slowest += waiting
    ends = [_at(times, len(arrive) - 1) for times in mac_end]
    timing.compute = max(ends)
    timing.slowest += sum(timing.compute - end for end in ends)
    return timing


def _at(times: list[int], i: int) -> int:
    """Entry i, or 0 before the first."""
    return times[i] if i >= 0 else 0
