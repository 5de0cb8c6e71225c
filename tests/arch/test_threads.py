"""Is every turn taken once, whatever the number of threads, and where a process was forked?"""

import os
import threading
import time

import numpy as np
import pytest

from arch.jit import parallel_kernel, turns
from arch.threads import Share, most_threads, share_out, thread_count, using_threads


@parallel_kernel
def count_turns(share: Share, taken: np.ndarray, by: np.ndarray) -> None:
    """Turns taken, and by which thread."""
    for turn in turns(share, taken.size):
        taken[turn] += 1
        by[turn] = share[0]


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 1000])
def test_every_turn_is_taken_once_and_in_equal_parts(threads, count):
    taken, by = np.zeros(count, np.int64), np.zeros(count, np.int64)
    with using_threads(threads):
        count_turns(taken, by)
    assert (taken == 1).all()
    sizes = np.bincount(by, minlength=threads)
    assert sizes.max() - sizes.min() <= 1


def test_shares_run_side_by_side():
    """Each waits for the others, so that one after the other would never end."""
    all_there = threading.Barrier(min(2, most_threads()))

    def wait(share):
        all_there.wait(timeout=20)

    with using_threads(min(2, most_threads())):
        share_out(wait)


def test_all_shares_have_ended_when_one_fails():
    ended = []

    def fail(share):
        if share[0] == 0:
            raise OSError("of the first")
        time.sleep(0.05)
        ended.append(share)

    with using_threads(3), pytest.raises(OSError, match="of the first"):
        share_out(fail)
    assert sorted(ended) == [(1, 3), (2, 3)]


def test_the_number_of_threads_is_put_back():
    with using_threads(3):
        with using_threads(1):
            assert thread_count() == 1
        assert thread_count() == 3
    assert thread_count() == most_threads()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    taken, by = np.zeros(100, np.int64), np.zeros(100, np.int64)
    with using_threads(2):
        count_turns(taken, by)  # starts threads, which the child does not have
        child = os.fork()
        if child == 0:
            count_turns(taken, by)
            os._exit(0 if (taken == 2).all() else 1)
        deadline = time.monotonic() + 60
        while (found := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert found == (child, 0)
