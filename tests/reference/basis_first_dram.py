"""The DRAM server between steps, twice: as a list of events and as equations.

Rules: specification/memory.md, MEM-1 to MEM-7.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

from tests.reference.basis_first_machine import ceil_div


@dataclass
class Schedule:
    """When steps ran; ``transfers`` are (first cycle after the latency, end, bytes)."""

    starts: list[int]
    ends: list[int]
    cycles: int
    transfers: list[tuple[int, int, int]]


def latency_cycles(machine: SimpleNamespace) -> int:
    """Whole cycles before the first byte."""
    return ceil_div(machine.dram_latency_ns * machine.clock_hz, 10**9)


def transfer_cycles(size: int, machine: SimpleNamespace) -> int:
    """Whole cycles from the first byte to the last, for a size in whole bursts."""
    return ceil_div(size * machine.clock_hz, machine.dram_bandwidth_bytes_per_s)


def request_order(steps: int) -> list[tuple[str, int]]:
    """L0, L1, W0, L2, W1, L3, ... W(last)."""
    order = [("L", 0)]
    for n in range(steps):
        if n + 1 < steps:
            order.append(("L", n + 1))
        order.append(("W", n))
    return order


@dataclass
class EventServer:
    """Steps and requests that start as soon as what they wait for has happened."""

    lengths: list[int]
    sizes: dict[tuple[str, int], int]
    machine: SimpleNamespace
    started: dict[int, int] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)
    served: dict[tuple[str, int], int] = field(default_factory=dict)
    transfers: list[tuple[int, int, int]] = field(default_factory=list)
    events: list[int] = field(default_factory=lambda: [0])  # times at which something may happen
    in_service: tuple[tuple[str, int], int] | None = None  # the request and its end
    running: tuple[int, int] | None = None  # the step and its end

    def __post_init__(self) -> None:
        self.queue = deque(r for r in request_order(len(self.lengths)) if self.sizes[r])

    def run(self) -> Schedule:
        """Take events in order of time until every step has ended and every request is served."""
        now = 0
        while self.events:
            now = heapq.heappop(self.events)
            while self._finish(now) or self._serve(now) or self._start(now):
                pass
        steps = range(len(self.lengths))
        assert not self.queue
        starts, ends = [self.started[n] for n in steps], [self.ended[n] for n in steps]
        return Schedule(starts, ends, now, self.transfers)

    def _finish(self, now: int) -> bool:
        if self.running is not None and self.running[1] == now:
            self.ended[self.running[0]] = now
            self.running = None
            return True
        if self.in_service is not None and self.in_service[1] == now:
            self.served[self.in_service[0]] = now
            self.in_service = None
            return True
        return False

    def _serve(self, now: int) -> bool:
        """Hand the oldest request to the server if both are ready."""
        if self.in_service is not None or not self.queue:
            return False
        kind, n = self.queue[0]
        waits_for = n - 2 if kind == "L" else n
        if waits_for >= 0 and waits_for not in self.ended:
            return False
        request = self.queue.popleft()
        first = now + latency_cycles(self.machine)
        done = first + transfer_cycles(self.sizes[request], self.machine)
        self.transfers.append((first, done, self.sizes[request]))
        self.in_service = (request, done)
        heapq.heappush(self.events, done)
        return True

    def _start(self, now: int) -> bool:
        """Start the next step if its half of the buffers is loaded, and emptied before."""
        n = len(self.started)
        if self.running is not None or n == len(self.lengths):
            return False
        for request in (("L", n), ("W", n - 2)):
            if self.sizes.get(request, 0) and request not in self.served:
                return False
        self.started[n] = now
        self.running = (n, now + self.lengths[n])
        heapq.heappush(self.events, now + self.lengths[n])
        return True


def schedule_by_events(
    lengths: list[int], loads: list[int], stores: list[int], machine: SimpleNamespace
) -> Schedule:
    """Time all steps with the server as an event list."""
    sizes = {("L", n): size for n, size in enumerate(loads)}
    sizes |= {("W", n): size for n, size in enumerate(stores)}
    return EventServer(lengths, sizes, machine).run()


def schedule_by_recurrences(
    lengths: list[int], loads: list[int], stores: list[int], machine: SimpleNamespace
) -> Schedule:
    """Time all steps by the equations of specification/memory.md, MEM-4."""
    starts: list[int] = []
    ends: list[int] = []
    done: dict[tuple[str, int], int] = {}
    transfers: list[tuple[int, int, int]] = []
    free = 0

    def serve(kind: str, n: int, size: int, earliest: int) -> None:
        nonlocal free
        done[kind, n] = earliest
        if size:
            first = max(free, earliest) + latency_cycles(machine)
            free = first + transfer_cycles(size, machine)
            done[kind, n] = free
            transfers.append((first, free, size))

    serve("L", 0, loads[0], 0)
    for n, length in enumerate(lengths):
        if n + 1 < len(lengths):
            serve("L", n + 1, loads[n + 1], ends[n - 1] if n >= 1 else 0)
        before = ends[n - 1] if n else 0
        starts.append(max(before, done["L", n], done.get(("W", n - 2), 0)))
        ends.append(starts[n] + length)
        serve("W", n, stores[n], ends[n])
    cycles = max(ends[-1], *(done["W", n] for n in range(len(lengths))))
    return Schedule(starts, ends, cycles, transfers)


def peak_bandwidth(transfers: list[tuple[int, int, int]], clock_hz: int) -> Fraction:
    """The busiest aligned microsecond, bytes per second, exact."""
    window = Fraction(clock_hz, 10**6)  # cycles
    moved: dict[int, Fraction] = {}
    for first, done, size in transfers:
        index = int(first // window)
        while index * window < done:
            overlap = min(Fraction(done), (index + 1) * window) - max(first, index * window)
            moved[index] = moved.get(index, Fraction(0)) + Fraction(size, done - first) * overlap
            index += 1
    return max(moved.values(), default=Fraction(0)) * 10**6
