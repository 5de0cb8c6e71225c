"""Does counting both orders of the stages agree with plain loops, and with the machine?"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from arch.basis_first.model import simulate
from arch.basis_first.modes import channel_tile
from arch.basis_first.orders import OrderCost, stage_orders
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import OperandError
from tests.reference.stage_orders import coefficients_first, convolve_first
from tests.strategies import tensors
from workloads.convolve import convolve
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

LAYER = ConvLayer("conv", C=20, K=7, H=6, W=5, R=3, S=3, padding=(1, 1, 1, 1))


def decomposed(layer: ConvLayer = LAYER, M: int = 6) -> LayerTensors:
    rng = np.random.default_rng(5)
    return LayerTensors(
        layer,
        rng.integers(0, 256, (1, layer.C, layer.H, layer.W), np.uint8),
        basis=rng.integers(-127, 128, (M, layer.R, layer.S), np.int8),
        coefficients=rng.integers(-1, 2, (layer.K, layer.channels_per_group, M), np.int8),
    )


def counted(cost: OrderCost) -> Counter[str]:
    names = ("multiplies", "scale_multiplies", "pair_adds")
    return Counter({name: getattr(cost, name) for name in names})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tensors("decomposed", most_bases=4))
def test_both_orders_equal_plain_loops(case) -> None:
    """The same function by both; every count; tiles of 8 channels cut the wider layers."""
    spec = BasisFirstSpec(intermediate_bits=32, coefficient_buffer_bytes=4)
    ours, theirs = stage_orders(case, spec)
    psums, counts = coefficients_first(case, channel_tile(case.layer, spec))
    assert np.array_equal(psums, convolve(case))
    assert counted(ours) == +counts + Counter(dict.fromkeys(counted(ours), 0))
    psums, counts, words = convolve_first(case)
    assert np.array_equal(psums, convolve(case))
    assert counted(theirs) == counts
    assert theirs.intermediate_words == words


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("scales", [{}, {"two_sided": (3, 2)}])
def test_ours_is_what_the_machine_counts(stride, scales) -> None:
    layer = ConvLayer("conv", C=70, K=40, H=9, W=8, R=3, S=3, stride=stride, padding=(1, 0, 1, 0))
    plain = decomposed(layer, M=5)
    case = LayerTensors(
        layer,
        plain.activations,
        basis=plain.basis,
        coefficients=plain.coefficients,
        **scales,
    )
    run = simulate(case, BasisFirstSpec())
    counters, ours = run.result.counters, stage_orders(case, BasisFirstSpec())[0]
    assert run.result.extras["tiles"] == 1
    assert ours.multiplies == counters.multiplies
    assert ours.pair_adds == run.result.counters.stage1_pairs
    assert ours.adds == sum(n for (_, action, _), n in counters.events.items() if action == "add")
    key = ("scale_multiplier", "multiply", "intermediate")
    assert ours.scale_multiplies == counters.events[key]


def test_line_buffer_by_hand() -> None:
    """7 blocks x 6 slices x 4 entries of 20 bits; 3 rows of 5 psums of 32 bits in each block."""
    ours, theirs = stage_orders(decomposed(), BasisFirstSpec())
    assert ours.intermediate_words == 7 * 6 * 4 + 7 * 3 * 5
    assert ours.intermediate_bytes == 7 * 6 * 4 * 20 // 8 + 7 * 3 * 5 * 4
    assert theirs.intermediate_words == 20 * 6 * 6 * 5
    assert theirs.intermediate_bytes == 20 * 6 * 6 * 5 * 20 // 8


def test_several_passes_hold_all_rows() -> None:
    spec = BasisFirstSpec(slices_per_block=4, pe_blocks=2, intermediate_fifo=1)
    assert stage_orders(decomposed(), spec)[0].intermediate_words == 2 * 4 + 2 * 6 * 5


@pytest.mark.parametrize(("value", "bits"), [(-1, 9), (1, 9), (-3, 11), (127, 16), (-128, 16)])
def test_z_is_as_wide_as_it_may_get(value, bits) -> None:
    """uint8 times one tap: -255 fits 9 bits, 3 x -255 = -765 needs 11, 127 x 255 needs 16."""
    layer = ConvLayer("row", C=1, K=1, H=1, W=2, R=1, S=2, padding=(0, 0, 0, 0))
    case = LayerTensors(
        layer,
        np.ones((1, 1, 1, 2), np.uint8),
        basis=np.array([[[value, 0]]], np.int8),
        coefficients=np.ones((1, 1, 1), np.int8),
    )
    narrow = BasisFirstSpec(intermediate_bits=9)
    assert stage_orders(case, narrow)[1].intermediate_bits == bits


def test_other_layers_have_no_order() -> None:
    layer = ConvLayer("fc", C=3, K=2, H=1, W=1)
    pixels = np.ones((1, 3, 1, 1), np.uint8)
    point = LayerTensors(layer, pixels, coefficients=np.ones((2, 3, 1), np.int8))
    plain = LayerTensors(layer, pixels, np.ones((2, 3, 1, 1), np.int8))
    with pytest.raises(OperandError, match="fc: a pointwise layer has no two stages"):
        stage_orders(point, BasisFirstSpec())
    with pytest.raises(OperandError, match="fc: a bypass layer has no two stages"):
        stage_orders(plain, BasisFirstSpec())
    with pytest.raises(OperandError, match="conv: intermediate of output channel 0 reaches"):
        stage_orders(decomposed(), BasisFirstSpec(intermediate_bits=10))
