"""DRAM seen from a machine: one server, requests in order, exact integer times."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from arch.spec import MachineSpec

CLOSE = 1e-9  # far more than the relative error of a float sum of one microsecond's requests


def burst_bytes(size: int, spec: MachineSpec) -> int:
    """``size`` bytes rounded up to whole bursts.

    Examples
    --------
    >>> burst_bytes(65, MachineSpec())
    128
    """
    return -(-size // spec.dram_burst_bytes) * spec.dram_burst_bytes


def transfer_cycles(size: int, spec: MachineSpec) -> int:
    """Cycles that ``size`` bytes (whole bursts) need after the latency.

    Examples
    --------
    >>> transfer_cycles(3200, MachineSpec())
    100
    """
    return -(-size * spec.clock_hz // spec.dram_bandwidth_bytes_per_s)


@dataclass(frozen=True, slots=True)
class StepTraffic:
    """What one step asks of the DRAM, and how long it computes."""

    load_bytes: int
    store_bytes: int
    length: int


@dataclass(frozen=True, slots=True)
class Request:
    """One served request: data flows from ``first`` to ``done`` (cycles, after the latency)."""

    first: int
    done: int
    size: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each step ran and each request was served.

    ``cycles`` is the layer's total: the end of the last step or of the last store.
    ``stall_cycles`` = waits before steps plus the final tail.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    requests: tuple[Request, ...]
    cycles: int
    stall_cycles: int


def schedule(steps: Sequence[StepTraffic], spec: MachineSpec) -> Timeline:
    """Serve L0, L1, W0, L2, W1, L3 … and start each step when its data and buffers are there.

    L(n) may start when step n-2 has ended (double buffers), W(n) when n has ended;
    start(n) = max(end(n-1), done L(n), done W(n-2)).  Source: Basis-First specification,
    section 7; the same server feeds every machine.

    Examples
    --------
    >>> spec = MachineSpec(dram_latency_ns=0, dram_bandwidth_bytes_per_s=51_200_000_000)
    >>> schedule([StepTraffic(640, 64, 5), StepTraffic(640, 64, 5)], spec).cycles
    26
    """
    count = len(steps)
    starts, ends = [0] * count, [0] * count
    loaded, stored = [0] * count, [0] * count
    requests: list[Request] = []
    server = 0

    def serve(size: int, earliest: int) -> int:
        nonlocal server
        if size == 0:
            return earliest
        first = max(server, earliest) + spec.dram_latency_cycles
        server = first + transfer_cycles(size, spec)
        requests.append(Request(first, server, size))
        return server

    def load(n: int) -> None:
        if n < count:
            loaded[n] = serve(steps[n].load_bytes, ends[n - 2] if n >= 2 else 0)

    load(0)
    for n in range(count):
        starts[n] = max(
            ends[n - 1] if n else 0,
            loaded[n],
            stored[n - 2] if n >= 2 else 0,
        )
        ends[n] = starts[n] + steps[n].length
        if n == 0:
            load(1)
        stored[n] = serve(steps[n].store_bytes, ends[n])
        load(n + 2)
    last_end = ends[-1] if count else 0
    cycles = max([last_end, *stored])
    waits = sum(starts[n] - (ends[n - 1] if n else 0) for n in range(count))
    return Timeline(tuple(starts), tuple(ends), tuple(requests), cycles, waits + cycles - last_end)


def peak_bandwidth(requests: Sequence[Request], clock_hz: int) -> Fraction:
    """Bytes per second of the busiest aligned microsecond.

    Each request's bytes are spread evenly over its cycles after the latency.

    Examples
    --------
    >>> peak_bandwidth([Request(0, 400, 800)], 800_000_000) == 800_000_000
    True
    """
    # Times in units of 1 / (window.denominator) cycles, so that windows are whole.
    window = Fraction(clock_hz, 1_000_000)
    unit, width = window.denominator, window.numerator
    shares: dict[int, list[tuple[int, int]]] = {}  # by window: bytes as numerator, denominator
    for request in requests:
        first, done = request.first * unit, request.done * unit
        for at in range(first // width, -(-done // width)):
            overlap = min(done, (at + 1) * width) - max(first, at * width)
            shares.setdefault(at, []).append((request.size * overlap, done - first))
    if not shares:
        return Fraction(0)
    # Exact sums only for windows that a float cannot tell from the busiest.
    about = {at: sum(size / time for size, time in some) for at, some in shares.items()}
    # Windows inside long requests are alike, and a busy DRAM has many of them.
    near = (1 - CLOSE) * max(about.values())
    alike = {tuple(shares[at]) for at, size in about.items() if size >= near}
    busiest = max(sum((Fraction(*share) for share in some), Fraction(0)) for some in alike)
    return busiest * 1_000_000
