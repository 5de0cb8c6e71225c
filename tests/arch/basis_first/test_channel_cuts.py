"""Are cuts of channels told apart without their jobs, and does none come twice?"""

from hypothesis import given, settings

from arch.basis_first.channel_cuts import channel_cuts
from arch.basis_first.modes import division, k_tiles
from arch.basis_first.spec import BasisFirstSpec
from tests.strategies import cases


@settings(max_examples=40, deadline=None)
@given(cases())
def test_every_cut_is_another_and_has_the_passes_of_its_k_tiles(drawn):
    tensors, fields, _ = drawn
    spec = BasisFirstSpec.model_validate(fields | {"loop_order": "auto"})
    seen = []
    for cut, passes in channel_cuts(tensors, spec):
        tiles, divided = k_tiles(tensors, cut), division(tensors, cut)
        assert passes == divided.passes == sum(len(tile.passes) for tile in tiles)
        assert divided.spans == tuple((tile.start, tile.stop) for tile in tiles)
        seen.append([(tile.start, *(part.tile for part in tile.passes)) for tile in tiles])
    assert all(cut not in seen[:number] for number, cut in enumerate(seen))
