"""Bit-Tactical: schedule, back end, DRAM and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.bit_tactical.area import area
from arch.bit_tactical.charges import events, on_chip, prices, traffic
from arch.bit_tactical.dram import moved
from arch.bit_tactical.layout import layout
from arch.bit_tactical.plan import Plan, plan
from arch.bit_tactical.schedule import Schedule, schedule
from arch.bit_tactical.spec import PRESETS, BitTacticalSpec
from arch.bit_tactical.tally import Tally, bit_parallel, bit_serial, causes
from arch.dense import check_output, check_psums, int8_weights, psums
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.pairs import effectual_pairs
from arch.spec import MachineSpec
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _spec(spec: MachineSpec) -> BitTacticalSpec:
    if not isinstance(spec, BitTacticalSpec):
        raise TypeError(f"bit_tactical: spec is a {type(spec).__name__}, wanted a BitTacticalSpec")
    return spec


def _slots(layer: ConvLayer, weights: np.ndarray, spec: BitTacticalSpec) -> np.ndarray:
    """Weights of each channel and tap that take a slot, int64 (C, R, S)."""
    grouped = weights.reshape(layer.groups, -1, *layer.weight_shape[1:])
    if not spec.scheduled:
        return np.full((layer.C, layer.R, layer.S), grouped.shape[1], np.int64)
    return np.count_nonzero(grouped, axis=1).reshape(layer.C, layer.R, layer.S)


def _extras(planned: Plan, made: Schedule, spec: BitTacticalSpec) -> dict[str, Any]:
    found = planned.layout
    return {
        "back_end": spec.back_end,
        "filter_sets": found.sizes.size,
        "dense_steps": found.steps * found.sizes.size,
        "steps_left": int(made.counts.sum()),
        "slots_taken": int(made.slots.sum()),
        "passes": planned.passes.size,
        "window_blocks": planned.windows.size,
        "weight_pieces": planned.pieces,
        "input_stays": planned.input_stays,
    }


def work(
    tensors: LayerTensors,
    weights: np.ndarray,
    outputs: np.ndarray | None,
    pairs: int,
    spec: BitTacticalSpec,
) -> Work:
    """Everything but the DRAM's times.

    Parameters
    ----------
    weights : int32 (K, C/groups, R, S)
    outputs : the layer's outputs (N, K, P, Q), or None where nobody says what they are
    pairs : multiplications whose operands are both non-zero
    """
    layer = tensors.layer
    found = layout(layer, spec)
    made = schedule(weights, found, spec)
    planned = plan(found, made, spec, tensors.images)
    counts: Tally
    if spec.serial:
        slots = _slots(layer, weights, spec)
        counts = bit_serial(tensors.activations, planned, made, slots, spec)
    else:
        counts = bit_parallel(planned, made)
    steps = moved(planned, made, counts, spec, tensors.activations, outputs)
    chip = on_chip(planned, made, spec, steps.weight_rows)
    multiplies = int(made.slots.sum()) * int(planned.windows.sum())
    return Work(
        steps.steps,
        spec.units,
        causes(counts, planned, spec),
        multiplies=multiplies,
        effectual_ops=pairs,
        traffic=traffic(chip, steps, spec),
        events=events(chip, steps, counts, planned, multiplies, spec),
        extras=_extras(planned, made, spec),
    )


class BitTactical:
    """Zero weights skipped by a schedule made beforehand, activations taken bit by bit."""

    name: ClassVar[str] = "bit_tactical"
    summary: ClassVar[str] = "weight-skipping schedule, bit-serial activations (TCLp, TCLe)"
    source: ClassVar[str] = (
        "Bit-Tactical, ASPLOS 2019, arXiv 1803.03688, abstract; schedule and cycles after DNNsim; "
        "spread over tiles, memories and DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = BitTacticalSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = False

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, or a memory is too small.
        """
        chosen, memory = _spec(spec), kept or Kept()
        layer, pixels = tensors.layer, tensors.activations
        check_output(tensors, chosen.operand_bytes)
        weights = memory.get("int8 weights", (), lambda: int8_weights(tensors))
        found = memory.get("psums", (), lambda: psums(tensors, weights))
        check_psums(layer.name, found, chosen.psum_bits)
        pairs = memory.get("pairs", (), lambda: effectual_pairs(layer, pixels, weights))
        requantizer = tensors.requantizer
        outputs = None if requantizer is None else requantizer.apply(found)
        done = work(tensors, weights, outputs, pairs, chosen)
        return layer_run(self.name, "sparse", fed(tensors, chosen, kept), chosen, done, found)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Refuse: cycles depend on the values.

        Raises
        ------
        OperandError
            Always.

        Examples
        --------
        >>> MACHINE.run_shape(ConvLayer("fc", C=4, K=4, H=1, W=1), PRESETS["iso"])
        Traceback (most recent call last):
        arch.errors.OperandError: fc: bit_tactical needs tensors, its cycles depend on their values
        """
        raise OperandError(
            f"{layer.name}: bit_tactical needs tensors, its cycles depend on their values"
        )

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(_spec(spec))

    def resources(self, spec: MachineSpec) -> Resources:
        """Bit-parallel equivalents: words multiplied and added in a cycle at full precision."""
        chosen = _spec(spec)
        return Resources(chosen.multipliers, chosen.multipliers, chosen.sram_bytes, area(chosen))


MACHINE = BitTactical()
