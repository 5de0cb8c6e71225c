"""The DRAM server: order of requests, both sides of each wait, exact integers."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.memory import (
    Request,
    StepTraffic,
    burst_bytes,
    peak_bandwidth,
    schedule,
    transfer_cycles,
)
from arch.spec import MachineSpec

# 64 B per cycle at 800 MHz, no latency: one burst takes one cycle.
BURST_PER_CYCLE = MachineSpec(dram_latency_ns=0, dram_bandwidth_bytes_per_s=51_200_000_000)


def steps(*rows):
    return [StepTraffic(*row) for row in rows]


@pytest.mark.parametrize(("size", "rounded"), [(0, 0), (1, 64), (63, 64), (64, 64), (65, 128)])
def test_runs_are_whole_bursts(size, rounded):
    assert burst_bytes(size, MachineSpec()) == rounded


@pytest.mark.parametrize(("size", "cycles"), [(0, 0), (1, 1), (32, 1), (33, 2), (64, 2)])
def test_transfers_round_up_to_whole_cycles(size, cycles):
    """25.6 GB/s at 800 MHz are 32 B per cycle."""
    assert transfer_cycles(size, MachineSpec()) == cycles


@pytest.mark.parametrize(
    ("latency_ns", "clock_hz", "cycles"),
    [(0, 800_000_000, 0), (100, 800_000_000, 80), (1, 1_500_000_000, 2), (10, 100_000_000, 1)],
)
def test_latency_rounds_up_to_whole_cycles(latency_ns, clock_hz, cycles):
    spec = MachineSpec(dram_latency_ns=latency_ns, clock_hz=clock_hz)
    assert spec.dram_latency_cycles == cycles


def test_nothing_to_do_takes_no_time():
    timeline = schedule([], BURST_PER_CYCLE)
    assert (timeline.cycles, timeline.stall_cycles, timeline.requests) == (0, 0, ())


def test_steps_without_traffic_never_wait():
    timeline = schedule(steps((0, 0, 5), (0, 0, 0), (0, 0, 7)), MachineSpec())
    assert timeline.starts == (0, 5, 5)
    assert (timeline.cycles, timeline.stall_cycles) == (12, 0)


def test_one_step_loads_computes_stores():
    timeline = schedule(steps((640, 128, 5)), MachineSpec())
    assert timeline.starts == (80 + 20,)
    assert timeline.ends == (105,)
    assert timeline.requests == (Request(80, 100, 640), Request(185, 189, 128))
    assert (timeline.cycles, timeline.stall_cycles) == (189, 100 + 84)


def test_requests_are_served_in_order():
    """L0, L1, W0, L2, W1, L3, W2, W3, told apart by their sizes."""
    rows = [(64 * (n + 1), 6400 * (n + 1), 3) for n in range(4)]
    sizes = [request.size for request in schedule(steps(*rows), BURST_PER_CYCLE).requests]
    assert sizes == [64, 128, 6400, 192, 12800, 256, 19200, 25600]


def test_empty_requests_do_not_occupy_the_server():
    timeline = schedule(steps((64, 0, 10), (0, 0, 10), (64, 0, 10)), BURST_PER_CYCLE)
    assert [request.size for request in timeline.requests] == [64, 64]
    assert timeline.starts == (1, 11, 21)


@pytest.mark.parametrize(("length", "stall"), [(11, 0), (10, 0), (9, 1)])
def test_the_second_load_hides_behind_the_first_step(length, stall):
    """L1 takes 10 cycles: hidden by a first step of 10, one cycle short at 9."""
    timeline = schedule(steps((64, 0, length), (640, 0, 4)), BURST_PER_CYCLE)
    assert timeline.stall_cycles == 1 + stall
    assert timeline.starts[1] == 1 + length + stall


@pytest.mark.parametrize(("length", "stall"), [(11, 0), (10, 0), (9, 1)])
def test_a_load_waits_for_the_buffer_of_the_step_before_the_last(length, stall):
    """L2 (10 cycles) may start when step 0 has ended, and runs beside step 1."""
    timeline = schedule(steps((64, 0, 50), (64, 0, length), (640, 0, 1)), BURST_PER_CYCLE)
    assert timeline.requests[2].first == timeline.ends[0]
    assert timeline.starts[2] == timeline.ends[1] + stall


@pytest.mark.parametrize(("lengths", "stall"), [((6, 6), 0), ((6, 4), 0), ((5, 4), 1)])
def test_a_step_waits_for_the_store_of_the_step_before_the_last(lengths, stall):
    """W0 (10 cycles) starts when step 0 ends; step 2 needs its half of the output buffer."""
    first, second = lengths
    rows = steps((0, 640, 1), (0, 0, first + second), (0, 0, 1))
    timeline = schedule(rows, BURST_PER_CYCLE)
    assert timeline.starts[2] == timeline.ends[1] + stall


def test_the_last_store_is_waited_for():
    timeline = schedule(steps((0, 0, 5), (0, 640, 5)), BURST_PER_CYCLE)
    assert timeline.cycles == 20
    assert timeline.stall_cycles == 10


rows = st.lists(
    st.tuples(
        st.integers(0, 9).map(lambda n: 64 * n),
        st.integers(0, 9).map(lambda n: 64 * n),
        st.integers(0, 40),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(rows, st.integers(0, 50), st.integers(1, 100))
def test_no_schedule_breaks_a_rule(rows, latency_ns, gigabytes):
    spec = MachineSpec(
        dram_latency_ns=latency_ns, dram_bandwidth_bytes_per_s=gigabytes * 1_000_000_000
    )
    timeline = schedule(steps(*rows), spec)
    assert timeline.cycles == sum(row[2] for row in rows) + timeline.stall_cycles
    for before, after in pairwise(timeline.requests):
        assert after.first >= before.done + spec.dram_latency_cycles
    for request in timeline.requests:
        assert request.done - request.first == transfer_cycles(request.size, spec)
    for end, start in zip(timeline.ends, timeline.starts[1:], strict=False):
        assert start >= end
    moved = sum(request.size for request in timeline.requests)
    assert moved == sum(load + store for load, store, _ in rows)
    assert peak_bandwidth(timeline.requests, spec.clock_hz) <= spec.dram_bandwidth_bytes_per_s


@settings(deadline=None)
@given(rows, st.integers(1, 50))
def test_more_bandwidth_never_takes_longer(rows, gigabytes):
    def cycles(rate):
        spec = MachineSpec(dram_bandwidth_bytes_per_s=rate * 1_000_000_000)
        return schedule(steps(*rows), spec).cycles

    assert cycles(2 * gigabytes) <= cycles(gigabytes)


def test_peak_is_the_busiest_aligned_microsecond():
    """800 cycles are 1 us: 900 B over cycles 700..1000 put 300 B in the first, 600 in the next."""
    requests = [Request(700, 1000, 900)]
    assert peak_bandwidth(requests, 800_000_000) == 600 * 1_000_000
    assert peak_bandwidth([*requests, Request(1000, 1100, 50)], 800_000_000) == 650 * 1_000_000
    assert peak_bandwidth([], 800_000_000) == 0


def test_windows_need_not_be_whole_cycles():
    """At 1.5 MHz a window is one cycle and a half."""
    assert peak_bandwidth([Request(0, 3, 6)], 1_500_000) == Fraction(3) * 1_000_000
