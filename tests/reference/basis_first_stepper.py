"""One step of the Basis-First machine, cycle by cycle (specification/basis_first_time.md).

The clock stands on a boundary between cycles.  There, everything that takes no time happens until
nothing changes: a vector arrives, an element enters or leaves a FIFO, a unit starts.  Then one
cycle passes for every busy unit at once.  Waiting cycles are counted while they pass; those spent
before a vector arrives get their name on arrival, when it is known what held the vector back.
"""

from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace

from tests.reference.basis_first_machine import ceil_div
from tests.reference.basis_first_steps import Step
from tests.reference.basis_first_work import Slice


@dataclass
class StepTiming:
    """Cycles of one step; causes are block-cycles of the blocks in use until ``compute``."""

    compute: int
    mac: int
    ca: int
    broadcast: int
    slowest: int
    t_ca_sum: int


class Concentration:
    """The window over the diluted rows: each row maps a lane to its valid operand (X, T)."""

    def __init__(self, rows: list[dict[int, tuple[int, int]]], machine: SimpleNamespace) -> None:
        self.rows = [dict(row) for row in rows]
        self.head = 0
        self.machine = machine

    @property
    def empty(self) -> bool:
        """No valid element is left: the OR over all validity rows."""
        return not any(self.rows)

    def cycle(self) -> list[tuple[int, int]]:
        """Issue the operands of one cycle and move the head."""
        stop = min(self.head + self.machine.lookahead + 1, len(self.rows))
        issued: list[tuple[int, int]] = []
        oldest = next((h for h in range(self.head, stop) if self.rows[h]), None)
        if oldest is not None:
            holes = set(range(self.machine.ca_lanes)) - set(self.rows[oldest])
            issued += self.rows[oldest].values()
            self.rows[oldest].clear()
            for later in range(oldest + 1, stop):
                issued += self._fill(holes, self.rows[later])
        moved = 0
        while moved <= self.machine.lookahead and self.head < len(self.rows):
            if self.rows[self.head]:
                break
            self.head, moved = self.head + 1, moved + 1
        return issued

    def _fill(self, holes: set[int], row: dict[int, tuple[int, int]]) -> list[tuple[int, int]]:
        """Fill holes from a later row: same lane first, then the neighbours, near ones first."""
        taken, lanes = [], self.machine.ca_lanes
        offsets = [0]
        for a in range(1, self.machine.lookaside + 1):
            offsets += [-a, a]
        for offset in offsets:
            for hole in sorted(holes):
                lane = (hole + offset) % lanes
                if lane in row:
                    taken.append(row.pop(lane))
                    holes.remove(hole)
        return taken


class CaUnit:
    """A slice's coefficient-accumulate unit and the FIFO behind it."""

    def __init__(self, piece: Slice, step: Step, machine: SimpleNamespace) -> None:
        self.piece, self.step, self.machine = piece, step, machine
        self.packed = piece.packed_rows(machine.ca_lanes)
        self.fifo: deque[int] = deque()
        self.taken = 0  # pixels begun
        self.done = 0  # pixels finished
        self.cycles = 0  # spent busy
        self.countdown = 0
        self.window: Concentration | None = None
        self.v = 0
        self.accumulators = [0, 0]  # V+ and V-; without two-sided scales hardware needs only one
        self.expected = 0  # V by plain summation

    @property
    def busy(self) -> bool:
        """Within a pixel."""
        return self.taken > self.done

    def begin(self, y: int, x: int) -> None:
        """Take the next pixel; one that needs no cycle is finished at once."""
        self.taken += 1
        image, mode = self.step.image, self.piece.tensors.mode
        activations = self.piece.tensors.activations[image, :, y, x]
        self.expected = int(self.piece.values[image, y, x])
        if mode == "bypass":
            self.v = int(activations[self.piece.channels[0]])
            self.countdown = 1 if self.v else 0
        elif not self.packed:
            self.v, self.countdown = 0, 0
        elif self.machine.packing == "window":
            self.accumulators = [0, 0]
            valid = [
                {i: (int(activations[c]), t) for i, (c, t) in enumerate(row) if activations[c]}
                for row in self.packed
            ]
            self.window = Concentration(valid, self.machine)
        else:
            self.v = self.expected
            pairs = int(self.piece.pairs[image, y, x])
            ideal = max(1, ceil_div(pairs, self.machine.ca_lanes))
            self.countdown = ideal if self.machine.packing == "ideal" else len(self.packed)
        if self.window is None and self.countdown == 0:
            self._finish()

    def spend(self) -> None:
        """One busy cycle."""
        self.cycles += 1
        if self.window is not None:
            issued = self.window.cycle()
            assert len(issued) <= self.machine.ca_lanes
            for operand, sign in issued:
                self.accumulators[sign < 0] += operand
            if self.window.empty:
                self.v = self.piece.scaled(*self.accumulators)
                self.window = None
                self._finish()
        else:
            self.countdown -= 1
            if self.countdown == 0:
                self._finish()

    def _finish(self) -> None:
        assert self.v == self.expected  # every operand was issued once
        self.done += 1
        self.fifo.append(self.v)
        assert len(self.fifo) <= self.machine.intermediate_fifo


class Block:
    """A PE block: its slices and the MAC rows that step together."""

    def __init__(self, slices: list[Slice], step: Step, machine: SimpleNamespace) -> None:
        self.units = [CaUnit(piece, step, machine) for piece in slices]
        self.begun = 0  # pixels the MAC rows have begun
        self.remaining = 0  # MAC cycles left
        self.unnamed = 0  # cycles waited for a vector that has not arrived
        self.waited = {"mac": 0, "ca": 0, "broadcast": 0, "slowest": 0}

    @property
    def consumed(self) -> int:
        """Pixels all slices are done with."""
        return min(unit.done for unit in self.units)

    def spend(self, arrived: int, pixels: int) -> None:
        """Pass one cycle and say what it went to."""
        if self.remaining:
            self.remaining -= 1
            self.waited["mac"] += 1
        elif self.begun == pixels:
            self.waited["slowest"] += 1
        elif self.begun < arrived:
            self.waited["ca"] += 1
        else:
            self.unnamed += 1


class StepClock:
    """The broadcast link, the blocks, and the clock."""

    def __init__(self, step: Step, machine: SimpleNamespace) -> None:
        self.step, self.machine, self.pixels = step, machine, step.pixels
        self.window = step.work.window(machine)
        self.blocks = [Block(slices, step, machine) for slices in step.work.blocks]
        self.time = 0
        self.sent = 0  # vectors whose transmission has begun
        self.arrived = 0
        self.last_arrival = 0
        self.remaining = 0  # cycles of the vector on the link
        self.held_by = "broadcast"  # why the vector on the link was not begun earlier

    def run(self) -> StepTiming:
        """Step until every block has finished its last pixel."""
        while self._settle() or not self._finished():
            self.remaining -= self.sent > self.arrived
            for block in self.blocks:
                # The MAC row's cycle is named by the state at the start of the cycle.
                block.spend(self.arrived, len(self.pixels))
                for unit in block.units:
                    if unit.busy:
                        unit.spend()
            self.time += 1
        waited = {
            cause: sum(block.waited[cause] for block in self.blocks)
            for cause in ("mac", "ca", "broadcast", "slowest")
        }
        busy = sum(unit.cycles for block in self.blocks for unit in block.units)
        return StepTiming(compute=self.time, t_ca_sum=busy, **waited)

    def _finished(self) -> bool:
        return all(b.begun == len(self.pixels) and not b.remaining for b in self.blocks)

    def _settle(self) -> bool:
        """Everything that happens on this boundary; False, so that it reads well in a loop."""
        changed = True
        while changed:
            changed = self._deliver() | self._send()
            for block in self.blocks:
                for unit in block.units:
                    changed |= self._begin_ca(unit)
                changed |= self._begin_mac(block)
        return False

    def _deliver(self) -> bool:
        if self.sent == self.arrived or self.remaining:
            return False
        self.arrived += 1
        self.last_arrival = self.time
        for block in self.blocks:
            block.waited[self.held_by] += block.unnamed
            block.unnamed = 0
        return True

    def _send(self) -> bool:
        """Begin the next vector when the link is free and every block has room for it."""
        if self.sent > self.arrived or self.sent == len(self.pixels):
            return False
        if min(block.consumed for block in self.blocks) + self.window <= self.sent:
            return False
        y, x = self.pixels[self.sent]
        vector = int(self.step.work.vector_bytes[self.step.image, y, x])
        self.remaining = ceil_div(vector, self.machine.broadcast_bytes_per_cycle)
        self.held_by = "broadcast" if self.time == self.last_arrival else "slowest"
        self.sent += 1
        return True

    def _begin_ca(self, unit: CaUnit) -> bool:
        if unit.busy or unit.taken == self.arrived:
            return False
        if len(unit.fifo) == self.machine.intermediate_fifo:
            return False
        unit.begin(*self.pixels[unit.taken])
        return True

    def _begin_mac(self, block: Block) -> bool:
        if block.remaining or not all(unit.fifo for unit in block.units):
            return False
        values = [unit.fifo.popleft() for unit in block.units]
        y, x = self.pixels[block.begun]
        block.remaining = self._mac_cycles(y, x) if any(values) else 1
        block.begun += 1
        return True

    def _mac_cycles(self, y: int, x: int) -> int:
        """Cycles of a non-zero V: every kernel row with a legal tap, one after the other."""
        if self.step.work.tensors.mode == "pointwise":
            return 1
        taps = len(self.step.tile.columns_fed(x))
        return sum(ceil_div(taps, self.machine.mac_row_width) for _ in self.step.tile.rows_fed(y))


def step_by_cycles(step: Step, machine: SimpleNamespace) -> StepTiming:
    """Time one step by stepping it."""
    return StepClock(step, machine).run()
