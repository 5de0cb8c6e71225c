"""A batch never costs more than its images alone, in cycles and in DRAM bytes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.machine import MACHINES, machine
from tests.arch.small_specs import fed_layers

CASES = [(name, preset) for name in MACHINES for preset in machine(name).presets]


@pytest.mark.parametrize(("name", "preset"), CASES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_batch_never_costs_more_than_its_images_alone(name: str, preset: str, data) -> None:
    model = machine(name)
    spec = model.presets[preset]
    tensors = data.draw(fed_layers(basis=model.eats_basis, images=st.integers(2, 3)))
    alone = [
        replace(tensors, activations=np.ascontiguousarray(tensors.activations[n : n + 1]))
        for n in range(tensors.images)
    ]
    try:
        singles = [model.run(one, spec).result.counters for one in alone]
    except OperandError:
        assume(False)
    batch = model.run(tensors, spec).result.counters
    assert batch.cycles <= sum(one.cycles for one in singles)
    assert batch.dram_bytes <= sum(one.dram_bytes for one in singles)
