"""Eyeriss: plan, values, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from arch.dense import operands
from arch.energy import EnergyTable
from arch.eyeriss import kernels as count
from arch.eyeriss.area import area
from arch.eyeriss.charges import Bytes, events, mac_accesses, prices, traffic
from arch.eyeriss.coding import Maps, pairs_before
from arch.eyeriss.plan import Plan, dram_bytes, plan
from arch.eyeriss.spec import PRESETS, EyerissSpec
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.outputs import stored_output
from arch.pairs import filter_counts, tap_counts
from arch.spec import MachineSpec, own_spec
from arch.steps import Steps
from arch.undecomposed import Work, fed, fed_shape, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True)
class Pairs:
    """Multiply-accumulates of all images, by the zeros among their operands.

    ``multiplies`` have an input that is not zero, ``effectual`` a weight as well.
    """

    macs: int
    multiplies: int
    effectual: int


def count_pairs(tensors: LayerTensors, weights: np.ndarray) -> Pairs:
    """Exact counts; zeros of the padding are zeros."""
    layer = tensors.layer
    counts = tap_counts(layer, tensors.activations)
    filters = filter_counts(layer, weights)
    return Pairs(
        layer.macs * tensors.images,
        int(counts.sum()) * (layer.K // layer.groups),
        int((counts * filters).sum()),
    )


def coded_maps(tensors: LayerTensors, found: np.ndarray, spec: EyerissSpec, kept: Kept) -> Maps:
    """The maps that are run-length coded: inputs made by another layer, requantized outputs."""
    if spec.compression == "off":
        return Maps()
    longest = (1 << spec.run_bits) - 1
    inputs = outputs = None
    if tensors.producers:
        inputs = pairs_before(tensors.activations, longest)
    if tensors.requantizer is not None:
        stored, _ = kept.get("output", (), lambda: stored_output(tensors, found))
        outputs = pairs_before(stored, longest)
    return Maps(inputs, outputs)


def dram_steps(lengths: np.ndarray, loads: Bytes, stores: Bytes, overlap: bool) -> Steps:
    """Steps with their runs.

    Without overlap an empty step stands before each: inputs wait until the step before has ended
    and its outputs are gone, while weights are fetched as early as ever.
    """
    steps = Steps(
        lengths,
        {name: part.ravel() for name, part in loads.items()},
        {name: part.ravel() for name, part in stores.items()},
    )
    if overlap:
        return steps

    def spread(part: np.ndarray, offset: int) -> np.ndarray:
        out = np.zeros(2 * part.size, np.int64)
        out[offset::2] = part
        return out

    return Steps(
        spread(steps.lengths, 1),
        {name: spread(part, int(name != "weight")) for name, part in steps.loads.items()},
        {name: spread(part, 1) for name, part in steps.stores.items()},
    )


def _last_drain(planned: Plan, spec: EyerissSpec) -> int:
    """Cycles in which the psums of the very last window leave the array."""
    block = planned.choice.p * planned.choice.t
    filters = int(planned.m[-1] - 1) % block + 1
    return int(-(-filters * planned.e[-1] // spec.psum_bus_words))


def _causes(planned: Plan, pairs: Pairs, drain: int, units: int) -> dict[str, int]:
    """PE-cycles by cause, waits for DRAM left out."""
    used, cycles = planned.total(count.USED), planned.total(count.LENGTH)
    fill, bus = planned.total(count.FILL), planned.total(count.BUS)
    return {
        "mac": pairs.multiplies,
        "gated": pairs.macs - pairs.multiplies,
        "fragmentation": used - fill - bus - pairs.macs,
        "fill": fill,
        "bus": bus,
        "idle_mapping": units * cycles - used,
        "drain": units * drain,
    }


def _extras(planned: Plan, pairs: Pairs, maps: Maps, spec: EyerissSpec) -> dict[str, Any]:
    choice, shape = planned.choice, planned.shape
    spads = mac_accesses(pairs.macs, pairs.macs)
    return {
        "mapping": ",".join(str(size) for size in choice),
        "pe_set_rows": shape.R,
        "pe_set_columns": choice.e,
        "active_pes": shape.R * choice.e * min(choice.r, shape.C) * min(choice.t, shape.K),
        "passes": planned.total(count.PASSES),
        "steps": int(np.prod(planned.grid)) * shape.groups,
        "weights_held": not planned.fresh_weights.all(),
        "input_coding": "raw" if maps.inputs is None else "rlc",
        "output_coding": "raw" if maps.outputs is None else "rlc",
        "spad_accesses_of_macs": sum(spads.values()),
    }


def work(planned: Plan, pairs: Pairs, maps: Maps, spec: EyerissSpec) -> Work:
    """Everything but the DRAM's times: steps, causes, traffic and actions of one layer."""
    groups = planned.shape.groups
    lengths = np.tile(planned.counts[..., count.LENGTH].ravel(), groups)
    drain = _last_drain(planned, spec)
    lengths[-1] += drain
    loads, stores = dram_bytes(planned, maps, spec)
    return Work(
        dram_steps(lengths, loads, stores, spec.dram_overlap == "on"),
        spec.units,
        _causes(planned, pairs, drain, spec.units),
        multiplies=pairs.multiplies,
        effectual_ops=pairs.effectual,
        traffic=traffic(planned, spec),
        events=events(planned, pairs.macs, pairs.multiplies, spec),
        drain_cycles=drain,
        extras=_extras(planned, pairs, maps, spec),
    )


class Eyeriss:
    """A dense row-stationary array; zeros save energy and DRAM bytes, never a cycle."""

    name: ClassVar[str] = "eyeriss"
    summary: ClassVar[str] = "dense row-stationary array, zero inputs gated, maps run-length coded"
    source: ClassVar[str] = (
        "Eyeriss, JSSC 2017 and ISCA 2016 (mapping, limits, buses, coding); fill of a pass ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = EyerissSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = True
    eats_basis: ClassVar[bool] = False

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: planes are streams of their own, and no output stays on chip.

        Raises
        ------
        OperandError
            If no mapping fits, dense weights leave 8 bits, or psums leave ``psum_bits``.
        """
        chosen, memory = own_spec(self.name, spec, EyerissSpec), kept or Kept()
        planned = plan(tensors.layer, chosen, tensors.images)
        weights, found = operands(
            tensors, memory, operand_bytes=chosen.operand_bytes, psum_bits=chosen.checked_bits
        )
        pairs = memory.get("eyeriss pairs", (), lambda: count_pairs(tensors, weights))
        coding = (chosen.compression, chosen.run_bits)
        maps = memory.get(
            "eyeriss maps", coding, lambda: coded_maps(tensors, found, chosen, memory)
        )
        source = fed(tensors, chosen, kept)
        done = work(planned, pairs, maps, chosen)
        return layer_run(self.name, "dense", source, chosen, done, found)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Simulate one layer known by shape only.

        Cycles of the array are those of any tensors.  Nothing is known to be zero: no
        multiplication is gated and the maps in DRAM are uncompressed, as ``extras`` says.

        Examples
        --------
        >>> layer = ConvLayer("conv1", C=3, K=96, H=227, W=227, R=11, S=11, stride=4)
        >>> MACHINE.run_shape(layer, PRESETS["published"]).result.extras["mapping"]
        '96,1,7,16,1,1,2'
        """
        chosen = own_spec(self.name, spec, EyerissSpec)
        source = fed_shape(layer, images)
        pairs = Pairs(source.macs, source.macs, source.macs)
        done = work(plan(layer, chosen, images), pairs, Maps(), chosen)
        return layer_run(self.name, "dense", source, chosen, done, None)

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(own_spec(self.name, spec, EyerissSpec))

    def resources(self, spec: MachineSpec) -> Resources:
        """One multiplier and one adder per PE."""
        chosen = own_spec(self.name, spec, EyerissSpec)
        return Resources(chosen.units, chosen.units, chosen.sram_bytes, area(chosen))


MACHINE = Eyeriss()
