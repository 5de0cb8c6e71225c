"""The bill: every action priced, and every grouping adds up to the total."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch.counters import Counters
from arch.energy import (
    Price,
    by_component,
    by_tensor,
    charges,
    total_attojoules,
)
from arch.errors import InvariantError

EMPTY = {
    "cycles": 0,
    "compute_cycles": 0,
    "drain_cycles": 0,
    "pipeline_cycles": 0,
    "memory_stall_cycles": 0,
    "macs": 0,
    "effectual_ops": 0,
    "multiplies": 0,
    "units": 1,
    "causes": {},
    "traffic": {},
}


def counters(events):
    return Counters(**EMPTY, events=events)


def test_prices_add_with_their_sources():
    total = Price(3, "a") + Price(4, "b")
    assert (total.attojoules, total.source) == (7, "a; b")


def test_an_action_without_a_price_is_a_defect():
    with pytest.raises(InvariantError, match="no price for pe multiply"):
        charges(counters({("pe", "multiply", "psum"): 1}), {})


names = st.sampled_from(("pe", "dram", "glb"))
event_tables = st.dictionaries(
    st.tuples(names, st.sampled_from(("read", "write")), st.sampled_from(("input", "output"))),
    st.integers(0, 10**12),
)


@given(event_tables, st.integers(0, 10**9))
def test_every_grouping_adds_up_to_the_total(events, price):
    table = {
        (component, action): Price(price + len(component), "source")
        for component, action, _ in events
    }
    lines = charges(counters(events), table)
    total = total_attojoules(lines)
    assert total == sum(
        count * (price + len(component)) for (component, _, _), count in events.items()
    )
    assert sum(by_component(lines).values()) == total
    assert sum(by_tensor(lines).values()) == total
