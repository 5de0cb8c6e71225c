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
from arch.dense import operands
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.outputs import stored_output
from arch.pairs import effectual_pairs
from arch.spec import MachineSpec, own_spec
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


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
    outputs : uint8, int8 or int16 (N, K, P, Q), as stored; None: not worked out, stored as words
    pairs : multiplications whose operands are both non-zero
    """
    layer = tensors.layer
    found = layout(layer, spec)
    made = schedule(weights, found, spec)
    planned = plan(found, made, spec, tensors.images)
    counts: Tally
    if spec.serial:
        counts = bit_serial(tensors.activations, weights, planned, made, spec)
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
    eats_basis: ClassVar[bool] = False

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
        chosen, memory = own_spec(self.name, spec, BitTacticalSpec), kept or Kept()
        layer, pixels = tensors.layer, tensors.activations
        weights, found = operands(
            tensors, memory, operand_bytes=chosen.operand_bytes, psum_bits=chosen.psum_bits
        )
        pairs = memory.get("pairs", (), lambda: effectual_pairs(layer, pixels, weights))
        outputs, shift = memory.get("output", (), lambda: stored_output(tensors, found))
        done = work(tensors, weights, outputs, pairs, chosen).with_shift(shift)
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
        return prices(own_spec(self.name, spec, BitTacticalSpec))

    def resources(self, spec: MachineSpec) -> Resources:
        """Bit-parallel equivalents: words multiplied and added in a cycle at full precision."""
        chosen = own_spec(self.name, spec, BitTacticalSpec)
        return Resources(chosen.multipliers, chosen.multipliers, chosen.sram_bytes, area(chosen))


MACHINE = BitTactical()
