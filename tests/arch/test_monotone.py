"""More of any buffer never costs a cycle: a plan may leave a part of it unused."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch.errors import OperandError, SpecError
from arch.machine import MACHINES, machine
from arch.spec import override
from tests.arch.small_specs import MOST_HALVINGS, fed_layers, sizes, smallest

CASES = [(name, field) for name in MACHINES for field in sizes(name)]


def test_sizes_are_found_by_name() -> None:
    assert sizes("basis_first") == [
        "intermediate_fifo",
        "broadcast_window",
        "vector_buffer_bytes",
        "coefficient_buffer_bytes",
        "psum_buffer_bytes",
        "input_glb_bytes",
        "output_glb_bytes",
    ]
    assert sizes("scnn") == [
        "accumulator_entries",
        "iaram_bytes",
        "oaram_bytes",
        "weight_fifo_entries",
    ]


@pytest.mark.parametrize(("name", "field"), CASES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_more_of_a_buffer_never_costs_cycles(name: str, field: str, data) -> None:
    model = machine(name)
    tensors = data.draw(fed_layers(basis=model.eats_basis))
    spec = model.presets[data.draw(st.sampled_from(sorted(model.presets)))]
    halvings = [data.draw(st.integers(0, MOST_HALVINGS)) for _ in sizes(name)]
    try:
        small, before = smallest(model, tensors, spec, halvings)
    except (OperandError, SpecError):
        assume(False)  # too large a layer for the whole machine
    size = getattr(small, field)
    larger = data.draw(st.sampled_from((2 * size, 4 * size)) | st.integers(size + 1, 3 * size))
    try:
        wide = override(small, {field: larger})
    except SpecError:
        assume(False)  # beyond what the field may be
    assert model.run(tensors, wide).result.counters.cycles <= before.cycles
