"""The DRAM: one server, requests in order, exact integer times.

Rules: specification/memory.md, MEM-1 to MEM-8.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import TypeVar

import numpy as np

from arch.errors import OperandError
from arch.jit import kernel
from arch.spec import MachineSpec

CLOSE = 1e-9  # far more than the relative error of a float sum of one microsecond's requests
MOST_CYCLES = 2**62  # of one layer; sums of two such numbers still fit 64 bits
Size = TypeVar("Size", int, np.ndarray)


def burst_bytes(size: Size, spec: MachineSpec) -> Size:
    """``size`` bytes rounded up to whole bursts; each of an array of sizes.

    Examples
    --------
    >>> burst_bytes(65, MachineSpec()), burst_bytes(np.array([0, 64]), MachineSpec()).tolist()
    (128, [0, 64])
    """
    return -(-size // spec.dram_burst_bytes) * spec.dram_burst_bytes


def transfer_cycles(sizes: np.ndarray, spec: MachineSpec) -> np.ndarray:
    """Cycles of each request of so many bytes (whole bursts), after the latency.

    Parameters
    ----------
    sizes : int64, any shape, bytes

    Returns
    -------
    int64 of the same shape, cycles, rounded up

    Raises
    ------
    OperandError
        If the requests together need 2**62 cycles or more.

    Examples
    --------
    >>> transfer_cycles(np.array([0, 1, 3200]), MachineSpec()).tolist()
    [0, 1, 100]
    """
    common = gcd(spec.clock_hz, spec.dram_bandwidth_bytes_per_s)
    clock, rate = spec.clock_hz // common, spec.dram_bandwidth_bytes_per_s // common
    if float(sizes.sum()) * clock / rate >= MOST_CYCLES:
        raise OperandError(
            f"DRAM requests of {int(sizes.sum())} bytes take 2**62 cycles or more, wanted a "
            f"dram_bandwidth_bytes_per_s above {spec.dram_bandwidth_bytes_per_s}"
        )
    if int(sizes.max(initial=0)) * clock >= 2**63:  # Python's integers know no bound
        exact = [-(-size * clock // rate) for size in sizes.ravel().tolist()]
        return np.array(exact, np.int64).reshape(sizes.shape)
    cycles: np.ndarray = -(-sizes * clock // rate)
    return cycles


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What the steps of a layer request from the DRAM, in order, and how long each computes.

    ``loads`` and ``stores`` are bytes in whole bursts, ``lengths`` cycles; int64 (steps,) each.
    """

    loads: np.ndarray
    stores: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return self.lengths.size


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Served requests in the order of the server; int64 (requests,) each.

    Data flows from ``first`` to ``done`` (cycles, after the latency); ``size`` in bytes; ``step``
    is the step that asked, ``store`` 1 for its store and 0 for its load.
    """

    first: np.ndarray
    done: np.ndarray
    size: np.ndarray
    step: np.ndarray
    store: np.ndarray

    def __len__(self) -> int:
        return self.first.size


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """When each step ran and when each request was served.

    ``starts`` and ``ends`` are int64 (steps,), cycles.  ``cycles`` is the layer's total: the end
    of the last step or of the last store.  ``stall_cycles`` = waits before steps plus the final
    tail.
    """

    starts: np.ndarray
    ends: np.ndarray
    requests: Requests
    cycles: int
    stall_cycles: int


@kernel
def serve(
    loads: np.ndarray,
    stores: np.ndarray,
    lengths: np.ndarray,
    latency: int,
    starts: np.ndarray,
    ends: np.ndarray,
    served: np.ndarray,
) -> tuple[int, int]:
    """Time all steps and requests; returns the layer's cycles and the number of requests.

    Parameters
    ----------
    loads, stores : int64 (steps,), cycles of transfer, 0 where nothing is asked
    lengths : int64 (steps,), cycles
    latency : cycles before the data of a request flows
    starts, ends : int64 (steps,), written
    served : int64 (4, 2 steps), written, a column a request: first, done, step, store
    """
    steps, server, count = lengths.size, 0, 0
    now, cycles = 0, 0
    loaded, loaded_next = 0, 0  # when what this step and the next one read is there
    stored, stored_before = 0, 0  # when what the two steps before wrote has left
    for n in range(-2, steps):  # L0, L1, then a store and the load two steps ahead at each step
        if n >= 0:
            starts[n] = max(now, loaded, stored_before)
            now = starts[n] + lengths[n]
            ends[n] = now
            stored_before, stored = stored, now
            if stores[n]:
                first = max(server, now) + latency
                server = first + stores[n]
                stored = server
                served[0, count], served[1, count] = first, server
                served[2, count], served[3, count] = n, 1
                count += 1
            cycles = max(cycles, stored)
        loaded, loaded_next = loaded_next, now
        if n + 2 < steps and loads[n + 2]:
            first = max(server, now) + latency
            server = first + loads[n + 2]
            loaded_next = server
            served[0, count], served[1, count] = first, server
            served[2, count], served[3, count] = n + 2, 0
            count += 1
    return cycles, count


def schedule(steps: Traffic, spec: MachineSpec) -> Timeline:
    """Serve L0, L1, W0, L2, W1, L3 … and start each step when its data and buffers are there.

    L(n) may start when step n-2 has ended (double buffers), W(n) when n has ended;
    start(n) = max(end(n-1), done L(n), done W(n-2)).  The same server feeds every machine:
    specification/memory.md, MEM-1 to MEM-4.

    Raises
    ------
    OperandError
        If the layer takes 2**62 cycles or more.

    Examples
    --------
    >>> spec = MachineSpec(dram_latency_ns=0, dram_bandwidth_bytes_per_s=51_200_000_000)
    >>> twice = Traffic(np.array([640, 640]), np.array([64, 64]), np.array([5, 5]))
    >>> schedule(twice, spec).cycles
    26
    """
    loads, stores = (transfer_cycles(sizes, spec) for sizes in (steps.loads, steps.stores))
    latency, count = spec.dram_latency_cycles, len(steps)
    parts = (loads, stores, steps.lengths)
    if sum(float(part.sum(dtype=float)) for part in parts) + 2.0 * count * latency >= MOST_CYCLES:
        raise OperandError(f"{count} steps take 2**62 cycles or more")
    starts, ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
    served = np.zeros((4, 2 * count), np.int64)
    cycles, found = serve(loads, stores, steps.lengths, latency, starts, ends, served)
    first, done, step, store = served[:, :found]
    size = np.where(store, steps.stores[step], steps.loads[step])
    requests = Requests(first, done, size, step, store)
    return Timeline(starts, ends, requests, int(cycles), int(cycles - steps.lengths.sum()))


def finish(steps: Traffic, spec: MachineSpec) -> int:
    """Only the cycles of :func:`schedule`, for comparing plans.

    Examples
    --------
    >>> finish(Traffic(np.array([640]), np.array([0]), np.array([5])), MachineSpec())
    105
    """
    return schedule(steps, spec).cycles


def peak_bandwidth(requests: Requests, clock_hz: int) -> Fraction:
    """Bytes per second of the busiest aligned microsecond, exactly.

    Each request's bytes are spread evenly over its cycles after the latency.  Requests follow each
    other, so a window inside one request sees no other, and only those at its ends are shared.

    Examples
    --------
    >>> one = Requests(*(np.array([n]) for n in (0, 400, 800, 0, 0)))
    >>> peak_bandwidth(one, 800_000_000) == 800_000_000
    True
    """
    if not len(requests):
        return Fraction(0)
    # Times in units of 1 / window.denominator cycles, so that windows are whole.
    window = Fraction(clock_hz, 1_000_000)
    unit, width = window.denominator, window.numerator
    safe = (int(requests.done[-1]) + width) * unit < 2**63
    exact = np.int64 if safe else object
    first, done = (at.astype(exact) * unit for at in (requests.first, requests.done))
    head, tail = first // width, (done - 1) // width
    # Of each request: its part in its first window, in its last one, and in one between.
    several, many = np.flatnonzero(tail > head), np.flatnonzero(tail > head + 1)
    which = np.concatenate([np.arange(len(requests)), several, many])
    at = np.concatenate([head, tail[several], head[many] + 1]).astype(np.int64)
    parts = (
        np.minimum(done, (head + 1) * width) - first,
        done[several] - tail[several] * width,
        np.full(many.size, width),
    )
    overlap = np.concatenate(parts).astype(np.int64)
    cycles = (requests.done - requests.first)[which]
    busiest = _busiest(at, np.stack([requests.size[which], overlap, cycles], axis=1))
    return busiest / unit * 1_000_000


def _busiest(at: np.ndarray, parts: np.ndarray) -> Fraction:
    """The largest sum of size * overlap / cycles over the rows ``parts`` of one window ``at``."""
    order = np.argsort(at, kind="stable")
    at, parts = at[order], parts[order]
    begins = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
    rows = np.diff(begins, append=at.size)
    size, overlap, cycles = parts.T.astype(float)
    sums = np.add.reduceat(size * overlap / cycles, begins)
    # Exact sums only for windows that a float cannot tell from the busiest.  Windows inside long
    # requests are alike, and a busy DRAM has many of them.
    near = np.flatnonzero(sums >= (1 - CLOSE) * sums.max())
    best = Fraction(0)
    for count in np.unique(rows[near]):
        same = begins[near[rows[near] == count]]
        windows = np.unique(parts[same[:, None] + np.arange(count)], axis=0)
        for window in windows.tolist():
            total = sum((Fraction(size * part, over) for size, part, over in window), Fraction(0))
            best = max(best, total)
    return best
