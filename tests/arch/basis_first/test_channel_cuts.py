"""Are cuts of channels told apart without their jobs, does none come twice, do bounds hold?"""

from hypothesis import given, settings

from arch.basis_first.channel_cuts import channel_cuts
from arch.basis_first.modes import division, k_tiles
from arch.basis_first.prepare import _made
from arch.basis_first.search import Search
from arch.basis_first.shared import Shared
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from arch.machine import ALONE, Kept
from tests.strategies import cases


@settings(max_examples=40, deadline=None)
@given(cases())
def test_every_cut_is_another_and_has_the_passes_of_its_k_tiles(drawn):
    tensors, fields, _ = drawn
    spec = BasisFirstSpec.model_validate(fields | {"loop_order": "auto"})
    seen = []
    for cut, divided in channel_cuts(tensors, spec):
        tiles = k_tiles(tensors, cut)
        assert division(tensors, cut) == divided
        assert divided.passes == sum(len(tile.passes) for tile in tiles)
        assert divided.spans == tuple((tile.start, tile.stop) for tile in tiles)
        seen.append([(tile.start, *(part.tile for part in tile.passes)) for tile in tiles])
    assert all(cut not in seen[:number] for number, cut in enumerate(seen))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_no_cut_takes_fewer_cycles_than_its_bound(drawn):
    tensors, fields, _ = drawn
    spec = BasisFirstSpec.model_validate(fields | {"loop_order": "auto"})
    memory, planes, searches = Kept(), (tensors.layer.C,), []
    for number, (cut, divided) in enumerate(channel_cuts(tensors, spec)):
        try:
            made = _made(tensors, spec, cut, planes, ALONE, memory, f"work {number}")
        except OperandError:
            continue
        shared = Shared(memory, number, cut, planes)
        search = Search(made.problem, tensors, made.found, shared, divided)
        found = search.best()
        if found is not None:
            assert all(other.least(divided) <= found.cycles for other in searches)
        searches.append(search)
