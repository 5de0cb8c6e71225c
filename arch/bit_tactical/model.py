"""Bit-Tactical: schedule, back end, DRAM and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.bit_tactical.area import area
from arch.bit_tactical.charges import events, on_chip, prices, traffic
from arch.bit_tactical.choose import Planner, plans
from arch.bit_tactical.layout import layout
from arch.bit_tactical.plan import Plan
from arch.bit_tactical.schedule import Schedule, schedule
from arch.bit_tactical.spec import PRESETS, BitTacticalSpec
from arch.bit_tactical.tally import causes, costs
from arch.dense import operands
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.outputs import stored_output
from arch.parts import one_by_one
from arch.spec import MachineSpec, own_spec
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _extras(chosen: tuple[Plan, ...], made: Schedule, spec: BitTacticalSpec) -> dict[str, Any]:
    found = chosen[0].layout
    return {
        "back_end": spec.back_end,
        "filter_sets": found.sizes.size,
        "dense_steps": found.steps * found.sizes.size,
        "steps_left": int(made.counts.sum()),
        "slots_taken": int(made.slots.sum()),
        "passes": chosen[0].passes.size,
        "window_blocks": sum(one.windows.size for one in chosen),
        "weight_pieces": max(one.pieces for one in chosen),
        "input_stays": all(one.input_stays for one in chosen),
        "images_together": len(chosen) == 1,
    }


def work(
    tensors: LayerTensors,
    weights: np.ndarray,
    outputs: np.ndarray | None,
    spec: BitTacticalSpec,
) -> Work:
    """Everything but the DRAM's times.

    Parameters
    ----------
    weights : int32 (K, C/groups, R, S)
    outputs : uint8, int8 or int16 (N, K, P, Q), as stored; None: not worked out, stored as words
    """
    layer, pixels = tensors.layer, tensors.activations
    found = layout(layer, spec)
    made = schedule(weights, found, spec)
    needed = costs(pixels, weights, found, made, spec) if spec.serial else None
    planner = Planner(found, made, needed, spec, pixels, outputs)
    chosen = plans(planner, tensors.images)
    runs = [planner.run(one) for one in chosen]
    chips = [
        on_chip(one, made, spec, steps.weight_rows)
        for one, (_, steps) in zip(chosen, runs, strict=True)
    ]
    chip = sum(chips[1:], start=chips[0])
    filled = sum(steps.input_filled for _, steps in runs)
    sums = sum(int((found.sizes * counts.needed).sum()) for counts, _ in runs)
    worked = sum(counts.worked for counts, _ in runs)
    if needed is not None and needed.terms is not None:
        worked = needed.terms
    multiplies = int(made.slots.sum()) * tensors.images * layer.P * layer.Q
    return Work(
        one_by_one([steps.steps for _, steps in runs]),
        spec.units,
        causes(list(zip(chosen, (counts for counts, _ in runs), strict=True)), worked, spec),
        multiplies=multiplies,
        traffic=traffic(chip, filled, spec),
        events=events(chip, filled, sums, worked, multiplies, spec),
        extras=_extras(chosen, made, spec),
        stored=planner.sizes.whole,
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
        weights, found = operands(
            tensors, memory, operand_bytes=chosen.operand_bytes, psum_bits=chosen.psum_bits
        )
        outputs, shift = memory.get("output", (), lambda: stored_output(tensors, found))
        done = work(tensors, weights, outputs, chosen).with_shift(shift)
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
