"""The DRAM server: order of requests, both sides of each wait, exact integers."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.memory import (
    Requests,
    Traffic,
    burst_bytes,
    finish,
    peak_bandwidth,
    schedule,
    transfer_cycles,
)
from arch.spec import MachineSpec
from tests.reference import basis_first_dram as slow

# 64 B per cycle at 800 MHz, no latency: one burst takes one cycle.
BURST_PER_CYCLE = MachineSpec(dram_latency_ns=0, dram_bandwidth_bytes_per_s=51_200_000_000)


def steps(*rows):
    return Traffic(*np.array(rows, np.int64).reshape(-1, 3).T.copy())


def requests(*rows):
    """Requests that only have times and sizes."""
    first, done, size = np.array(rows, np.int64).reshape(-1, 3).T
    return Requests(first, done, size, 0 * size, 0 * size)


def served(timeline):
    asked = timeline.requests
    return list(zip(asked.first.tolist(), asked.done.tolist(), asked.size.tolist(), strict=True))


@pytest.mark.parametrize(("size", "rounded"), [(0, 0), (1, 64), (63, 64), (64, 64), (65, 128)])
def test_runs_are_whole_bursts(size, rounded):
    assert burst_bytes(size, MachineSpec()) == rounded


@pytest.mark.parametrize(("size", "cycles"), [(0, 0), (1, 1), (32, 1), (33, 2), (64, 2)])
def test_transfers_round_up_to_whole_cycles(size, cycles):
    """25.6 GB/s at 800 MHz are 32 B per cycle."""
    assert transfer_cycles(np.array([size, 0]), MachineSpec()).tolist() == [cycles, 0]


@pytest.mark.parametrize(
    ("latency_ns", "clock_hz", "cycles"),
    [(0, 800_000_000, 0), (100, 800_000_000, 80), (1, 1_500_000_000, 2), (10, 100_000_000, 1)],
)
def test_latency_rounds_up_to_whole_cycles(latency_ns, clock_hz, cycles):
    spec = MachineSpec(dram_latency_ns=latency_ns, clock_hz=clock_hz)
    assert spec.dram_latency_cycles == cycles


def test_nothing_to_do_takes_no_time():
    timeline = schedule(steps(), BURST_PER_CYCLE)
    assert (timeline.cycles, timeline.stall_cycles, served(timeline)) == (0, 0, [])


def test_steps_without_traffic_never_wait():
    timeline = schedule(steps((0, 0, 5), (0, 0, 0), (0, 0, 7)), MachineSpec())
    assert timeline.starts.tolist() == [0, 5, 5]
    assert (timeline.cycles, timeline.stall_cycles) == (12, 0)


def test_one_step_loads_computes_stores():
    timeline = schedule(steps((640, 128, 5)), MachineSpec())
    assert timeline.starts.tolist() == [80 + 20]
    assert timeline.ends.tolist() == [105]
    assert served(timeline) == [(80, 100, 640), (185, 189, 128)]
    assert (timeline.cycles, timeline.stall_cycles) == (189, 100 + 84)


def test_requests_are_served_in_order():
    """L0, L1, W0, L2, W1, L3, W2, W3, told apart by their sizes."""
    rows = [(64 * (n + 1), 6400 * (n + 1), 3) for n in range(4)]
    asked = schedule(steps(*rows), BURST_PER_CYCLE).requests
    assert asked.size.tolist() == [64, 128, 6400, 192, 12800, 256, 19200, 25600]


def test_empty_requests_do_not_occupy_the_server():
    timeline = schedule(steps((64, 0, 10), (0, 0, 10), (64, 0, 10)), BURST_PER_CYCLE)
    assert timeline.requests.size.tolist() == [64, 64]
    assert timeline.starts.tolist() == [1, 11, 21]


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
    assert timeline.requests.first[2] == timeline.ends[0]
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


def beyond(**fields):
    """A machine with numbers that ``MachineSpec`` itself does not take."""
    return MachineSpec().model_copy(update=fields)


clocks = st.sampled_from([1, 7, 999_999, 1_000_000, 1_500_000, 200_000_000, 800_000_000])


@settings(deadline=None)
@given(rows.filter(bool), st.integers(0, 50), st.integers(1, 10**11), clocks)
def test_every_time_is_that_of_the_list_of_events(rows, latency_ns, rate, clock):
    spec = beyond(clock_hz=clock, dram_latency_ns=latency_ns, dram_bandwidth_bytes_per_s=rate)
    timeline = schedule(steps(*rows), spec)
    loads, stores, lengths = map(list, zip(*rows, strict=True))
    wanted = slow.schedule_by_events(lengths, loads, stores, spec)
    assert (timeline.starts.tolist(), timeline.ends.tolist()) == (wanted.starts, wanted.ends)
    assert served(timeline) == wanted.transfers
    assert timeline.cycles == wanted.cycles == finish(steps(*rows), spec)
    assert timeline.cycles == sum(lengths) + timeline.stall_cycles
    asked = timeline.requests
    sizes = np.where(asked.store, np.array(stores)[asked.step], np.array(loads)[asked.step])
    assert asked.size.tolist() == sizes.tolist()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 5000), st.integers(1, 9)), max_size=9),
    st.sampled_from([1_000_000, 1_500_000, 333_333_333, 800_000_000]),
)
def test_the_peak_is_that_of_every_window_summed(gaps, clock):
    rows, now = [], 0
    for wait, cycles, bursts in gaps:
        rows.append((now + wait, now + wait + cycles, 64 * bursts))
        now += wait + cycles
    assert peak_bandwidth(requests(*rows), clock) == slow.peak_bandwidth(rows, clock)


@settings(deadline=None)
@given(rows, st.integers(1, 50))
def test_more_bandwidth_never_takes_longer(rows, gigabytes):
    def cycles(rate):
        spec = MachineSpec(dram_bandwidth_bytes_per_s=rate * 1_000_000_000)
        return schedule(steps(*rows), spec).cycles

    assert cycles(2 * gigabytes) <= cycles(gigabytes)


def test_peak_is_the_busiest_aligned_microsecond():
    """800 cycles are 1 us: 900 B over cycles 700..1000 put 300 B in the first, 600 in the next."""
    assert peak_bandwidth(requests((700, 1000, 900)), 800_000_000) == 600 * 1_000_000
    two = requests((700, 1000, 900), (1000, 1100, 50))
    assert peak_bandwidth(two, 800_000_000) == 650 * 1_000_000
    assert peak_bandwidth(requests(), 800_000_000) == 0


def test_windows_need_not_be_whole_cycles():
    """At 1.5 MHz a window is one cycle and a half."""
    assert peak_bandwidth(requests((0, 3, 6)), 1_500_000) == Fraction(3) * 1_000_000


def test_a_slow_dram_is_timed_without_a_window_each():
    """10 B/s: 2**40 bytes take more microseconds than there is memory."""
    spec = beyond(dram_bandwidth_bytes_per_s=10)
    timeline = schedule(steps((2**30, 0, 1)), spec)
    assert timeline.cycles == 80 + 2**30 * 80_000_000 + 1
    assert peak_bandwidth(timeline.requests, spec.clock_hz) == 10


def test_times_beyond_64_bits_are_refused():
    spec = beyond(dram_bandwidth_bytes_per_s=1)
    with pytest.raises(OperandError, match=r"2\*\*62 cycles.*dram_bandwidth_bytes_per_s above 1"):
        schedule(steps((2**40, 0, 1)), spec)
    with pytest.raises(OperandError, match=r"2 steps take 2\*\*62 cycles"):
        schedule(steps((0, 0, 2**61), (0, 0, 2**61)), MachineSpec())


def test_sizes_whose_products_leave_64_bits_stay_exact():
    spec = MachineSpec(clock_hz=999_999_937, dram_bandwidth_bytes_per_s=99_999_999_977)
    size = 2**42 + 64
    wanted = -(-size * spec.clock_hz // spec.dram_bandwidth_bytes_per_s)
    assert transfer_cycles(np.array([size]), spec).tolist() == [wanted]
