"""Are the bit-sliced CA units the plain ones, pixel by pixel?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.basis_first.ca_unit import PACKING, PIXELS
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.work import work
from arch.bitmask import pack, unpack
from tests.reference.basis_first_golden import WINDOWS
from tests.reference.basis_first_recurrences import window_cycles
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def cycles(
    inputs: np.ndarray, signs: np.ndarray, lanes: int, packing: str, ahead: int = 4, aside: int = 1
) -> np.ndarray:
    """t_CA (pixels, jobs) of bool inputs (pixels, C) and signs (jobs, C)."""
    layer = ConvLayer("ca", C=inputs.shape[1], K=len(signs), H=1, W=len(inputs))
    pixels = np.ascontiguousarray(inputs.T[None, :, None, :]).astype(np.uint8)
    case = LayerTensors(layer, pixels, coefficients=signs[:, :, None].astype(np.int8))
    spec = BasisFirstSpec(ca_lanes=lanes, lookahead=ahead, lookaside=aside, packing=packing)
    return work(case, spec).code[0] >> 1


def plain_window(
    inputs: np.ndarray, signs: np.ndarray, lanes: int, ahead: int, aside: int
) -> list[list[int]]:
    """The reference's window, one pixel and one job at a time."""
    found = []
    for pixel in inputs:
        found.append([])
        for job in signs:
            valid = pixel[np.flatnonzero(job)]
            rows = [valid[at : at + lanes] for at in range(0, valid.size, lanes)]
            words = [sum(1 << lane for lane in np.flatnonzero(row).tolist()) for row in rows]
            found[-1].append(window_cycles(words, lanes, ahead, aside) if words else 0)
    return found


@pytest.mark.parametrize(("rows", "golden"), WINDOWS)
def test_golden_windows(rows, golden) -> None:
    inputs = np.array([[row >> lane & 1 for row in rows for lane in range(16)]], bool)
    signs = np.ones((1, inputs.shape[1]), bool)
    for (ahead, aside), wanted in zip(((4, 1), (1, 0), (2, 2)), golden, strict=True):
        assert cycles(inputs, signs, 16, "window", ahead, aside) == wanted


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 120),
    st.sampled_from([1, 2, 3, 5, 16, 64]),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from([0.02, 0.1, 0.5, 1.0]),
    st.sampled_from([0.02, 0.1, 0.5, 1.0]),
)
def test_window_is_the_reference(seed, channels, lanes, ahead, aside, x, t) -> None:
    rng = np.random.default_rng(seed)
    inputs, signs = rng.random((20, channels)) < x, rng.random((4, channels)) < t
    fast = cycles(inputs, signs, lanes, "window", ahead, aside)
    assert fast.tolist() == plain_window(inputs, signs, lanes, ahead, aside)


@pytest.mark.parametrize("pixels", [1, PIXELS - 1, PIXELS, PIXELS + 1, 9 * PIXELS])
@pytest.mark.parametrize("lanes", [1, 16])
def test_packings_are_ordered(pixels, lanes) -> None:
    rng = np.random.default_rng(pixels)
    inputs, signs = rng.random((pixels, 90)) < 0.5, rng.random((40, 90)) < 0.6
    signs[3] = False
    found = {packing: cycles(inputs, signs, lanes, packing) for packing in PACKING}
    nnz, pairs = signs.sum(axis=1), inputs.astype(int) @ signs.T.astype(int)
    used = nnz > 0
    ideal = np.where(used, np.maximum(1, -(-pairs // lanes)), 0)
    assert np.array_equal(found["ideal"], ideal)
    assert np.array_equal(found["none"], np.broadcast_to(-(-nnz // lanes), ideal.shape))
    assert (found["ideal"] <= found["window"]).all()
    assert (found["window"] <= found["none"]).all()


@pytest.mark.parametrize("elements", [1, 63, 64, 65, 130])
def test_pack_and_unpack(elements) -> None:
    bits = np.random.default_rng(elements).random((3, elements)) < 0.5
    assert np.array_equal(unpack(pack(bits), elements), bits)
