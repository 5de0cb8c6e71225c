"""Bit-Tactical: schedule, back end, DRAM and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.bit_tactical.charges import events, on_chip, traffic
from arch.bit_tactical.choose import Planner, plans
from arch.bit_tactical.components import components
from arch.bit_tactical.layout import layout
from arch.bit_tactical.plan import Plan
from arch.bit_tactical.schedule import Schedule, schedule
from arch.bit_tactical.spec import PRESETS, BitTacticalSpec
from arch.bit_tactical.tally import causes, costs
from arch.components import Components
from arch.dense import operands
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.outputs import stored_output
from arch.parts import one_by_one
from arch.spec import MachineSpec
from arch.undecomposed import Work, fed, layer_run
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


class BitTactical(Model[BitTacticalSpec]):
    """Zero weights skipped by a schedule made beforehand, activations taken bit by bit."""

    name: ClassVar[str] = "bit_tactical"
    summary: ClassVar[str] = "weight-skipping schedule, bit-serial activations (TCLp, TCLe)"
    source: ClassVar[str] = (
        "Bit-Tactical, ASPLOS 2019, arXiv 1803.03688, abstract; schedule and cycles after DNNsim; "
        "spread over tiles, memories and DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = BitTacticalSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS

    def components(self, spec: BitTacticalSpec) -> Components:
        """See :func:`arch.bit_tactical.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: BitTacticalSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, or a kept is too small.
        """
        weights, found = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.psum_bits
        )
        outputs, shift = kept.get("output", (), lambda: stored_output(tensors, found))
        done = work(tensors, weights, outputs, spec).with_shift(shift)
        return layer_run(self.name, "sparse", fed(tensors, spec, kept), spec, done, found)


MACHINE = BitTactical()
