"""lane_skip: a vector unit that skips zero activations, as an example of a machine of one's own.

Each of ``lanes`` lanes holds one output channel.  One activation that is not zero is broadcast per
cycle, and every lane multiplies it by its own weight and adds to its own psum.  Rows of output are
worked out one after the other; the filters of the lanes stay in their buffer until the plane is
done.  Which activations are zero is known ahead and costs nothing (Assumption).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from arch.buffers import Buffers, banked
from arch.charges import Key
from arch.components import Components, cells, made_of
from arch.cuts import cut, cut_sizes
from arch.dense import operands
from arch.errors import OperandError
from arch.lines import lines_under
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.spec import Count, Halves, MachineSpec, PsumBits
from arch.steps import Steps
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

KIB = 1024
BANK_BYTES = 64 * KIB  # Assumption
MOST_PORT_BYTES = 64  # the widest that the tables of SRAMs price


class LaneSkipSpec(MachineSpec):
    """The numbers of the machine; clock, node, energy tables and DRAM come with MachineSpec."""

    lanes: Count = Field(64, description="multipliers, one output channel each")
    input_bytes: Halves = Field(512 * KIB, description="Assumption: input buffer, two halves, B")
    weight_bytes: Halves = Field(1024 * KIB, description="Assumption: weight buffer, two halves, B")
    output_bytes: Halves = Field(32 * KIB, description="Assumption: output buffer, two halves, B")
    psum_bits: PsumBits = Field(32, description="width of a psum, bits")

    @property
    def sram_bytes(self) -> int:
        """All three buffers."""
        return self.input_bytes + self.weight_bytes + self.output_bytes


def buffers(spec: LaneSkipSpec) -> Buffers:
    """The three buffers, made of banks; ports as wide as the lanes, up to 64 B."""
    port = min(spec.lanes, MOST_PORT_BYTES)
    return {
        "input_buffer": banked(spec.input_bytes, BANK_BYTES, 1),
        "weight_buffer": banked(spec.weight_bytes, BANK_BYTES, port),
        "output_buffer": banked(spec.output_bytes, BANK_BYTES, port),
    }


# 1. How long the work takes.


def window_counts(layer: ConvLayer, activations: np.ndarray) -> np.ndarray:
    """Non-zeros under the window of every output of one group; int64 (N, groups, P, Q)."""
    top, bottom, left, right = layer.padding
    grouped = activations.reshape(len(activations), layer.groups, -1, layer.H, layer.W)
    filled = np.count_nonzero(grouped, axis=2)
    filled = np.pad(filled, ((0, 0), (0, 0), (top, bottom), (left, right)))
    found = np.zeros((len(activations), layer.groups, layer.P, layer.Q), np.int64)
    for r in range(layer.R):
        for s in range(layer.S):
            found += filled[:, :, *layer.tap(r, s)]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Steps in order (image, group, channel tile, output row); int64 arrays of one size.

    ``lanes`` are in use, ``pairs`` activations are broadcast, and ``empty`` outputs have no
    activation at all: they take a cycle for their zero psum.
    """

    lanes: np.ndarray
    pairs: np.ndarray
    empty: np.ndarray
    loads: Mapping[str, np.ndarray]
    stores: Mapping[str, np.ndarray]

    @property
    def lengths(self) -> np.ndarray:
        """Cycles of each step."""
        return self.pairs + self.empty


def word_bytes(tensors: LayerTensors) -> int:
    """Bytes of an output: 1, or 2 for the logits of a compressed model."""
    requantizer = tensors.requantizer
    return 1 if requantizer is None else np.dtype(requantizer.dtype).itemsize


def plan(tensors: LayerTensors, spec: LaneSkipSpec) -> Plan:
    """Cut a layer into steps.

    Raises
    ------
    OperandError
        If the least that a step needs exceeds half a buffer; names buffer, need and room.
    """
    layer, word = tensors.layer, word_bytes(tensors)
    counts = window_counts(layer, tensors.activations)
    tiles = cut_sizes(layer.K // layer.groups, spec.lanes)
    shape = (tensors.images, layer.groups, tiles.size, layer.P)
    lanes = np.broadcast_to(tiles[:, None], shape)
    lines = lines_under(layer, cut(layer.P * layer.Q, layer.Q))
    depth = layer.channels_per_group
    _check_room(layer, "input", int(lines.sizes().max()) * depth, spec.input_bytes // 2)
    filters = tiles * depth * layer.R * layer.S
    _check_room(layer, "weight", int(filters.max()), spec.weight_bytes // 2)
    _check_room(layer, "output", int(tiles.max()) * layer.Q * word, spec.output_bytes // 2)

    inputs = np.broadcast_to(lines.fresh() * depth, shape).copy()
    if layer.H * layer.W * depth <= spec.input_bytes // 2:
        inputs[:, :, 1:] = 0  # the whole plane stays for the other tiles
    weights = np.zeros(shape, np.int64)
    weights[..., 0] = filters
    by_row = (counts.sum(axis=3), np.count_nonzero(counts == 0, axis=3))
    pairs, empty = (np.broadcast_to(part[:, :, None], shape).ravel() for part in by_row)
    return Plan(
        lanes.ravel(),
        pairs,
        empty,
        {"input": inputs.ravel(), "weight": weights.ravel()},
        {"output": lanes.ravel() * layer.Q * word},
    )


def _check_room(layer: ConvLayer, buffer: str, need: int, room: int) -> None:
    if need > room:
        raise OperandError(
            f"{layer.name}: a step needs {need} B of the {buffer} buffer, half of "
            f"{buffer}_bytes holds {room} B"
        )


# 2. What was done, so that it can be priced and explained.


def causes(planned: Plan, spec: LaneSkipSpec) -> dict[str, int]:
    """Lane-cycles by cause; they add up to lanes x cycles."""
    return {
        "mac": int((planned.lanes * planned.pairs).sum()),
        "empty_window": int((planned.lanes * planned.empty).sum()),
        "no_filter": int(((spec.lanes - planned.lanes) * planned.lengths).sum()),
    }


def traffic(planned: Plan) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); the level ``glb`` is the three buffers."""
    outputs = int(planned.stores["output"].sum())
    return {
        ("glb", "input", "write"): int(planned.loads["input"].sum()),
        ("glb", "input", "read"): int(planned.pairs.sum()),
        ("glb", "weight", "write"): int(planned.loads["weight"].sum()),
        ("glb", "weight", "read"): int((planned.lanes * planned.pairs).sum()),
        ("glb", "output", "write"): outputs,
        ("glb", "output", "read"): outputs,
    }


def events(planned: Plan, spec: LaneSkipSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor); ``components`` has a price for each."""
    held, macs = buffers(spec), int((planned.lanes * planned.pairs).sum())

    def accesses(buffer: str, sizes: np.ndarray) -> int:
        return int((-(-sizes // held[buffer].port_bytes)).sum())

    outputs = accesses("output_buffer", planned.stores["output"])
    per_pair = -(-planned.lanes // held["weight_buffer"].port_bytes)
    return {
        ("input_buffer", "write", "input"): accesses("input_buffer", planned.loads["input"]),
        ("input_buffer", "read", "input"): int(planned.pairs.sum()),
        ("weight_buffer", "write", "weight"): accesses("weight_buffer", planned.loads["weight"]),
        ("weight_buffer", "read", "weight"): int((per_pair * planned.pairs).sum()),
        ("output_buffer", "write", "output"): outputs,
        ("output_buffer", "read", "output"): outputs,
        ("lane", "multiply", "psum"): macs,
        ("lane", "add", "psum"): macs,
        ("psum_register", "access", "psum"): 2 * macs,
    }


def components(spec: LaneSkipSpec) -> Components:
    """Buffers, lanes with their psum registers, one requantizer (Assumption)."""
    cell = cells(spec)
    psum = cell.register(spec.psum_bits)
    return (
        *cell.memories(buffers(spec)),
        cell.macs("lane", spec.lanes, 8, spec.psum_bits),
        made_of("psum_register", spec.lanes, psum, access=psum),
        cell.requantizer(1),
    )


# 3. The machine, as the simulator sees it.


class LaneSkip(Model[LaneSkipSpec]):
    """A vector unit that skips zero activations."""

    name: ClassVar[str] = "lane_skip"
    summary: ClassVar[str] = "vector unit, one output channel per lane, skips zero activations"
    source: ClassVar[str] = "the worked example of the documentation; every number ours"
    spec_type: ClassVar[type[MachineSpec]] = LaneSkipSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = {
        "default": LaneSkipSpec(),
        "wide": LaneSkipSpec(lanes=256, weight_bytes=4096 * KIB),
    }

    def components(self, spec: LaneSkipSpec) -> Components:
        """What it is made of."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: LaneSkipSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers."""
        _, psums = operands(tensors, kept, operand_bytes=2, psum_bits=spec.psum_bits)
        planned = plan(tensors, spec)
        done = causes(planned, spec)
        work = Work(
            Steps(planned.lengths, planned.loads, planned.stores),
            spec.lanes,
            done,
            multiplies=done["mac"],
            traffic=traffic(planned),
            events=events(planned, spec),
            extras={"steps": planned.lengths.size},
        )
        return layer_run(self.name, "sparse", fed(tensors, spec, kept), spec, work, psums)


MACHINE = LaneSkip()
