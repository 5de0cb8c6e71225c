"""Is the reference of the Basis-First machine what its specification says?"""

from collections import Counter
from dataclasses import fields as fields_of
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from tests.reference.basis_first import DEFAULTS, ReferenceInfeasible, reference_layer
from tests.reference.basis_first_dram import peak_bandwidth
from tests.reference.basis_first_golden import (
    GOLDEN,
    LAYERS,
    WINDOWS,
    GoldenRow,
    conv,
    decomposed,
)
from tests.reference.basis_first_machine import machine_of
from tests.reference.basis_first_recurrences import window_cycles
from tests.reference.basis_first_stepper import Concentration
from tests.reference.masks import hash_words
from tests.strategies import NAMED, cases
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

# The generator's published test vector: salt 1, the first 16 words.
WORDS = (
    "01fce552 9f505634 079f4ece 0f8b8b36 6afdcf1d a715b186 ddc6cb39 3fd9abdb "
    "3e5cce5f 5b71b7ca 20ff88a5 2ea7c666 5913bb8e e943cd7d a3d360f3 91722554"
)


def test_mask_words():
    assert " ".join(f"{word:08x}" for word in hash_words(16, salt=1)) == WORDS


@pytest.mark.parametrize("method", ["stepper", "recurrences"])
@pytest.mark.parametrize(("shape", "x", "t", "sign", "fields", "golden"), LAYERS)
def test_compute_golden(shape, x, t, sign, fields, golden, method):
    C, K, H, M, stride = shape
    tensors = decomposed(conv(C, K, H, stride=stride), M, x, t, sign=sign)
    fields = {**fields, "loop_order": "coefficient_outer"}
    result = reference_layer(tensors, fields, method=method)
    got = (result.compute_cycles, result.pairs, result.t_ca_sum, int(result.psums.sum()))
    assert got == golden


def stepped_cycles(rows, lookahead, lookaside):
    """Cycles of the stepper's window."""
    machine = machine_of({"lookahead": lookahead, "lookaside": lookaside})
    window = Concentration(
        [{i: (1, 1) for i in range(16) if row >> i & 1} for row in rows], machine
    )
    cycles, issued = 0, 0
    while cycles == 0 or not window.empty:
        issued += len(window.cycle())
        cycles += 1
    assert issued == sum(row.bit_count() for row in rows)
    return cycles


@pytest.mark.parametrize(("rows", "golden"), WINDOWS)
def test_window_packing(rows, golden):
    settings = ((4, 1), (1, 0), (2, 2))
    assert tuple(stepped_cycles(rows, *s) for s in settings) == golden
    assert tuple(window_cycles(rows, 16, *s) for s in settings) == golden


@pytest.mark.parametrize("method", ["stepper", "recurrences"])
@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_golden_row(row: GoldenRow, method):
    fields = {"loop_order": row.order, **row.fields}
    r = reference_layer(row.tensors, fields, row.planes, method=method)
    assert (r.order, (r.tile, r.tiles, r.k_tiles, r.passes, r.steps)) == (row.order, row.shape)
    split = (r.compute_cycles, r.drain_cycles, r.pipeline_cycles, r.memory_stall_cycles)
    assert (r.cycles, *split) == row.cycles
    assert tuple(r.dram[t] for t in ("input", "coefficient", "basis", "output")) == row.dram
    assert (r.pairs, r.t_ca_sum, int(r.psums.sum())) == row.sums
    assert tuple(r.causes.values()) == row.causes
    assert r.output_shift == 0
    assert np.abs(r.psums).max() < 256


def convolution(tensors):
    """The integer convolution, tap by tap, int64 (N, K, P, Q)."""
    layer, dense = tensors.layer, tensors.dense_weights().astype(np.int64)
    top, bottom, left, right = layer.padding
    x = np.pad(tensors.activations.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    out = np.zeros((tensors.images, layer.K, layer.P, layer.Q), np.int64)
    per_group, (down, across) = layer.channels_per_group, layer.strides
    for k in range(layer.K):
        first = k // (layer.K // layer.groups) * per_group
        for c in range(per_group):
            for r in range(layer.R):
                for s in range(layer.S):
                    y0, x0 = r * layer.dilations[0], s * layer.dilations[1]
                    rows = slice(y0, y0 + down * (layer.P - 1) + 1, down)
                    columns = slice(x0, x0 + across * (layer.Q - 1) + 1, across)
                    out[:, k] += dense[k, c, r, s] * x[:, first + c, rows, columns]
    return out


def conserved(tensors, fields, r):
    """Nothing leaks: cycles by kind, block-cycles by cause, bytes, psums."""
    parts = (r.compute_cycles, r.drain_cycles, r.pipeline_cycles, r.memory_stall_cycles)
    assert r.cycles == sum(parts)
    blocks = {**DEFAULTS, **fields}["pe_blocks"]
    assert sum(r.causes.values()) == blocks * r.cycles
    assert min((*parts, *r.causes.values(), *r.events.values())) >= 0
    assert sum(s.load_bytes + s.store_bytes for s in r.step_records) == sum(r.dram.values())
    assert r.peak_bandwidth <= {**DEFAULTS, **fields}["dram_bandwidth_bytes_per_s"]
    assert r.peak_bandwidth > 0
    assert sum(r.output_planes) == tensors.layer.K
    e = r.events
    assert e["ca_adds"] == r.pairs
    per_sum = tensors.multiplies_per_sum
    assert e["scale_multiplies"] == per_sum * e["sums"]
    assert e["multiplies"] == 0 or tensors.mode != "pointwise"
    assert 0 <= e["psum_writes"] - e["psum_reads"] <= r.psums.size
    assert e["glb_output_write_bytes"] <= e["glb_output_read_bytes"] == r.dram["output"]


def traits(tensors, fields, r):
    """What a case exercises."""
    layer, bases = tensors.layer, 0
    if tensors.coefficients is not None:
        bases = -(-tensors.coefficients.shape[2] // fields["slices_per_block"])
    seen = {
        "strips": r.tile[1] < layer.Q,
        "row tiles": r.tile[0] < layer.P,
        "channel tiles": 0 < bases < r.passes,
        "several passes": r.passes > 1,
        "FIFO 1": fields["intermediate_fifo"] == 1,
        "row groups": r.steps > tensors.images * r.tiles * r.k_tiles * r.passes,
        "images": tensors.images > 1,
        "k-tiles": r.k_tiles > 1,
        "alpha": tensors.alpha is not None,
        "two-sided": tensors.two_sided is not None,
        r.order: True,
        tensors.mode: True,
    }
    return [trait for trait, present in seen.items() if present]


def test_generated_layers():
    """Stepper equals recurrences, psums the convolution; and every trait is common."""
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(cases(orders=NAMED))
    def check(case):
        tensors, fields, planes = case
        stepped = reference_layer(tensors, fields, planes)
        closed = reference_layer(tensors, fields, planes, method="recurrences")
        for field in fields_of(stepped):
            same = np.array_equal(getattr(stepped, field.name), getattr(closed, field.name))
            assert same, field.name
        np.testing.assert_array_equal(stepped.psums, convolution(tensors))
        conserved(tensors, fields, stepped)
        seen.update(["all", *traits(tensors, fields, stepped)])

    check()
    rare = {trait: count for trait, count in seen.items() if 10 * count < seen["all"]}
    assert not rare, f"of {seen['all']} cases only {rare}"
    assert len(seen) == 16


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(cases(simple=True))
def test_simple_cases_are_simple(case):
    tensors, fields, planes = case
    r = reference_layer(tensors, fields, planes)
    assert (r.order, tensors.images, r.tiles, r.passes) == ("coefficient_outer", 1, 1, 1)
    assert r.steps == r.k_tiles
    conserved(tensors, fields, r)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(cases(simple=True))
def test_packings_are_ordered(case):
    """BF-23: ideal <= window <= none; other fields equal."""
    tensors, fields, planes = case
    sums = [
        reference_layer(tensors, {**fields, "packing": packing}, planes).t_ca_sum
        for packing in ("ideal", "window", "none")
    ]
    assert sums == sorted(sums)


def one_pixel():
    """Two channels, one output channel, one basis of one tap each way: all countable by hand."""
    layer = ConvLayer("one", 2, 1, 1, 1, 3, 3, padding=(1, 1, 1, 1))
    return LayerTensors(
        layer,
        np.array([3, 5], np.uint8).reshape(1, 2, 1, 1),
        basis=np.full((1, 3, 3), 2, np.int8),
        coefficients=np.array([[[1], [-1]]], np.int8),
        origin="synthetic",
    )


def test_one_pixel_by_hand():
    """Arrives at 1, leaves the CA unit at 2 and the MAC row at 3; drain 1, pipeline 8."""
    r = reference_layer(one_pixel())
    assert r.psums.tolist() == [[[[-4]]]]
    assert (r.compute_cycles, r.drain_cycles, r.pipeline_cycles) == (3, 1, 8)
    # Load: coefficients, basis, input, a burst of two cycles each, after 80; store: one burst.
    assert r.dram == {"input": 64, "coefficient": 64, "basis": 64, "output": 64}
    assert r.memory_stall_cycles == (80 + 6) + (80 + 2)
    assert r.causes == {
        "mac": 1,
        "ca": 1,
        "broadcast": 1,
        "slowest": 0,
        "idle": 31 * 3 + 32 * 9,
        "dram": 32 * 168,
    }
    assert r.peak_bandwidth == Fraction(256 * 10**6)
    assert {name: count for name, count in r.events.items() if count} == {
        "coefficient_buffer_writes": 1,
        "coefficient_buffer_reads": 1,
        "coefficient_buffer_read_bytes": 1,
        "vector_buffer_reads": 1,
        "vector_buffer_read_bytes": 16,
        "vector_buffer_writes": 1,
        "vector_buffer_write_bytes": 3,
        "ca_adds": 2,
        "sums": 1,
        "fifo_writes": 1,
        "fifo_reads": 1,
        "multiplies": 1,
        "tree_adds": 1,
        "psum_writes": 1,
        "glb_input_reads": 1,
        "glb_input_read_bytes": 3,
        "glb_input_writes": 1,
        "glb_input_write_bytes": 64,
        "glb_output_writes": 1,
        "glb_output_write_bytes": 1,
        "glb_output_reads": 1,
        "glb_output_read_bytes": 64,
        "requantizes": 1,
    }


def test_peak_is_of_the_busiest_microsecond():
    """A load of 19 cycles at a burst a cycle that straddles the edge at cycle 100."""
    transfers = [(95, 115, 20 * 64)]
    assert peak_bandwidth(transfers, 100_000_000) == 15 * 64 * 10**6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lanes": 3}, "no such field"),
        ({"ca_lanes": 0}, "ca_lanes is 0"),
        ({"intermediate_fifo": 0}, "intermediate_fifo is 0"),
        ({"packing": "best"}, "packing is 'best'"),
        ({"loop_order": "inner"}, "loop_order is 'inner'"),
        ({"vector_buffer_bytes": 71}, "vector_buffer_bytes holds no 64 channels"),
        ({"coefficient_buffer_bytes": 1}, "coefficient_buffer_bytes"),
        ({"intermediate_bits": 8}, "V of 0: -255..255 does not fit 8 bits"),
        ({"psum_bits": 13}, "psums of channel 0: -4590..4590 does not fit 13 bits"),
        ({"input_glb_bytes": 5}, "5 bytes of the input buffer"),
        ({"psum_buffer_bytes": 3}, "3 bytes of the psum buffer"),
        ({"output_glb_bytes": 1, "loop_order": "input_outer"}, "input outer"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ReferenceInfeasible, match=message):
        reference_layer(one_pixel(), fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"vector_buffer_bytes": 72, "intermediate_bits": 9, "psum_bits": 14},
        {"input_glb_bytes": 6},
        {"psum_buffer_bytes": 4},
    ],
)
def test_the_other_side_of_every_capacity(fields):
    assert reference_layer(one_pixel(), fields).psums.tolist() == [[[[-4]]]]
