"""Parts, and the choice among plans: are all useful cuts tried, is the cheapest one found?"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arch.parts import cheapest, one_by_one, part_counts, parts, price_of
from arch.spec import MachineSpec
from arch.steps import Steps
from tests.reference import plans


@given(st.integers(1, 3000))
def test_every_size_of_the_largest_part_has_its_fewest_parts(total):
    assert list(part_counts(total)) == plans.part_counts(total)
    largest = {int(np.diff(parts(total, count)).max()) for count in part_counts(total)}
    assert largest == {-(-total // count) for count in range(1, total + 1)}


@given(st.integers(1, 200), st.data())
def test_parts_are_even(total, data):
    count = data.draw(st.integers(1, total))
    sizes = np.diff(parts(total, count))
    assert sizes.sum() == total
    assert sizes.max() - sizes.min() <= 1


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3), st.booleans()),
        max_size=12,
    )
)
def test_the_cheapest_is_found_whatever_the_bounds_say(plans_):
    """A plan is (bound, slack, bytes, allowed): it takes bound + slack cycles."""
    numbered = [(plan[0], (number, *plan)) for number, plan in enumerate(plans_)]
    found = cheapest(numbered, lambda plan: (plan[1] + plan[2], plan[3]) if plan[4] else None)
    wanted = [
        ((bound + slack, size), number)
        for number, (bound, slack, size, allowed) in enumerate(plans_)
        if allowed
    ]
    if not wanted:
        assert found is None
    else:
        assert (found[0], found[1][0]) == min(wanted)


@st.composite
def some_steps(draw):
    count = draw(st.integers(1, 5))
    size = st.sampled_from((0, 0, 1, 64, 700, 5000))

    def sizes():
        return np.array(draw(st.lists(size, min_size=count, max_size=count)), np.int64)

    return Steps(sizes(), {"input": sizes(), "weight": sizes()}, {"output": sizes()})


def by_hand(steps):
    """As the slow server takes them."""
    loads = zip(steps.loads["input"].tolist(), steps.loads["weight"].tolist(), strict=True)
    stores = ((size,) for size in steps.stores["output"].tolist())
    return list(zip(loads, stores, steps.lengths.tolist(), strict=True))


@given(st.lists(some_steps(), min_size=1, max_size=4), st.sampled_from((0, 100)))
def test_runs_one_by_one_take_what_they_take_alone(runs, latency):
    spec = MachineSpec(dram_latency_ns=latency)
    together = one_by_one(runs)
    alone = [price_of(run, spec) for run in runs]
    assert price_of(together, spec) == tuple(np.sum(alone, axis=0).tolist())
    assert alone == [plans.cost(by_hand(run), spec) for run in runs]


def test_a_single_run_stays_as_it_is():
    run = Steps(np.array([5]), {"input": np.array([64])}, {"output": np.array([0])})
    assert one_by_one([run]).lengths.tolist() == [5]
