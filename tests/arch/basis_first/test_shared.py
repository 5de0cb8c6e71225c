"""Points of a sweep that share what they have in common count what each counts alone."""

from hypothesis import HealthCheck, given, settings

from arch.basis_first.model import simulate
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError, SpecError
from arch.machine import Kept, Neighbours
from tests.strategies import cases

WALK = (
    {"intermediate_fifo": 1},
    {"dram_bandwidth_bytes_per_s": 10**9},
    {"dram_burst_bytes": 32},
    {"dram_latency_ns": 700},
    {"clock_hz": 10**8},
    {"mac_row_width": 1},
    {"broadcast_window": 1},
    {"broadcast_bytes_per_cycle": 2},
    {"vector_buffer_bytes": 18},
    {"coefficient_buffer_bytes": 8},
    {"pe_blocks": 3},
    {"slices_per_block": 1},
    {"ca_lanes": 3},
    {"lookahead": 0},
    {"packing": "ideal"},
    {"psum_buffer_bytes": 64},
    {"input_glb_bytes": 512},
    {"output_glb_bytes": 256},
    {"pipeline_cycles": 0},
    {"layer_fusion": "on"},
)


def counted(tensors, spec, around, kept):
    """All counts of a run, or the words of the refusal."""
    try:
        run = simulate(tensors, spec, around, kept)
    except (OperandError, SpecError) as refusal:
        return str(refusal)
    return run.result.counters, run.result.extras, run.input_on_chip, run.output_stays


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(orders=("auto",)))
def test_a_sweep_counts_what_each_point_counts_alone(drawn):
    """Every field changes once, on its own and back, beside neighbours of every kind."""
    tensors, fields, planes = drawn
    kept, alone = Kept(), Neighbours(planes)
    fused = Neighbours(planes, input_on_chip=True, handed_on=True, stored=False, swapped=True)
    for change in WALK:
        for changed in (change, {}):
            point = BasisFirstSpec.model_validate(fields | changed)
            for around in (alone, fused):
                wanted = counted(tensors, point, around, Kept())
                assert counted(tensors, point, around, kept) == wanted
