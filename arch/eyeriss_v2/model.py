"""Eyeriss v2: plan, iacts, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping as Table
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from arch.dense import operands, psum_bits_needed
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.eyeriss_v2.area import area
from arch.eyeriss_v2.charges import events, prices, traffic
from arch.eyeriss_v2.iacts import iacts, skips_iacts
from arch.eyeriss_v2.plan import Plan, plan
from arch.eyeriss_v2.spec import PRESETS, EyerissV2Spec
from arch.eyeriss_v2.stored import input_bytes, output_bytes, weight_bytes
from arch.eyeriss_v2.tally import Tally, causes, sent_words, tally, times
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.outputs import stored_output
from arch.pairs import effectual_pairs, tap_counts
from arch.spec import MachineSpec, own_spec
from arch.steps import Steps
from arch.together import together
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _extras(planned: Plan, counts: Tally, spec: EyerissV2Spec) -> dict[str, Any]:
    mapping = planned.mapping
    chosen = ("M0", "C0", "S0", "D", "g1", "m1", "e1", "f1", "tile_rows")
    return {name.lower(): getattr(mapping, name) for name in chosen} | {
        "input_held": mapping.held,
        "iacts_skipped": skips_iacts(mapping.layer, spec),
        "passes": int(np.prod(mapping.shape)),
        "most_pes": int(mapping.used_pes().max()),
        "slots": counts.slots,
        "images_apart": False,
    }


def work(
    tensors: LayerTensors,
    planned: Plan,
    weights: np.ndarray,
    output: np.ndarray,
    spec: EyerissV2Spec,
    kept: Kept,
) -> Work:
    """Everything but the DRAM's times.

    Parameters
    ----------
    tensors : LayerTensors
    planned : Plan
    weights : int32 (K, C/groups, R, S)
    output : integers (N, K, P, Q), the values that are stored
    spec : EyerissV2Spec
    kept : what other runs of these tensors have worked out
    """
    layer, pixels = tensors.layer, tensors.activations
    mapping = planned.mapping
    counted = iacts(mapping, pixels, spec)
    found = times(planned, counted, spec)
    taps = kept.get("taps", (), lambda: tap_counts(layer, pixels))
    effectual = kept.get("pairs", (), lambda: effectual_pairs(layer, pixels, weights))
    counts = tally(planned, counted, taps, effectual, spec)
    loads = input_bytes(mapping, counted, spec)
    sent, turns = sent_words(mapping, counted), mapping.turns[2]
    return Work(
        Steps(
            found.lengths.ravel(),
            {
                "input": loads.ravel(),
                "weight": weight_bytes(mapping, planned.columns, spec).ravel(),
            },
            {"output": output_bytes(mapping, output, spec).ravel()},
        ),
        spec.lanes,
        causes(mapping, found, counts, spec),
        multiplies=counts.pairs,
        traffic=traffic(loads, sent, counts, turns, spec),
        events=events(loads, sent, counts, turns, spec),
        pipeline_cycles=int((found.lengths - found.longest).sum()),
        extras=_extras(planned, counts, spec),
    )


def _images(
    tensors: LayerTensors, weights: np.ndarray, output: np.ndarray, spec: EyerissV2Spec
) -> Work:
    """The images one after the other, by the plan for one."""
    planned = plan(tensors.layer, 1, weights, spec)
    parts = []
    for n in range(tensors.images):
        pixels = tensors.activations[n : n + 1].copy()
        image = replace(tensors, activations=pixels, shortcut=None)
        parts.append(work(image, planned, weights, output[n : n + 1], spec, Kept()))
    extras = {**parts[0].extras, "images_apart": True}
    for name in ("passes", "slots"):
        extras[name] = sum(part.extras[name] for part in parts)
    return together(parts, extras)


def best_work(
    tensors: LayerTensors, weights: np.ndarray, output: np.ndarray, spec: EyerissV2Spec, kept: Kept
) -> Work:
    """The batch by one plan, or its images one after the other where that is no worse.

    So a batch never needs more cycles or DRAM bytes than its images alone.
    """
    planned = plan(tensors.layer, tensors.images, weights, spec)
    whole = work(tensors, planned, weights, output, spec, kept)
    if tensors.images == 1:
        return whole
    apart = _images(tensors, weights, output, spec)
    cycles, moved = (
        [one.steps.finish(spec) for one in (whole, apart)],
        [sum(one.steps.dram(spec).values()) for one in (whole, apart)],
    )
    return whole if cycles[0] <= cycles[1] and moved[0] <= moved[1] else apart


class EyerissV2:
    """Sparse row-stationary PEs on a hierarchical mesh."""

    name: ClassVar[str] = "eyeriss_v2"
    summary: ClassVar[str] = "row stationary plus, zeros skipped in compressed sparse columns"
    source: ClassVar[str] = (
        "Chen et al., Eyeriss v2, JETCAS 2019 (PE, formats, sizes); mapper and synchronisation ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = EyerissV2Spec
    presets: ClassVar[Table[str, MachineSpec]] = PRESETS
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
            If dense weights leave 8 bits, psums leave ``psum_bits``, outputs leave 8 bits, or no
            mapping fits.
        """
        chosen, memory = own_spec(self.name, spec, EyerissV2Spec), kept or Kept()
        weights, found = operands(
            tensors, memory, operand_bytes=chosen.operand_bytes, psum_bits=chosen.checked_bits
        )
        output, shift = memory.get("output", (), lambda: stored_output(tensors, found))
        done = best_work(tensors, weights, output, chosen, memory)
        told = {**done.extras, "psum_bits_needed": psum_bits_needed(found)}
        counted = replace(done, extras=told).with_shift(shift)
        mode = "sparse" if chosen.processing == "csc" else "dense"
        return layer_run(self.name, mode, fed(tensors, chosen, memory), chosen, counted, found)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Refused: what is skipped depends on the values.

        Raises
        ------
        OperandError
            Always.
        """
        raise OperandError(
            f"{layer.name}: eyeriss_v2 needs tensors, not only shapes; "
            "what it skips depends on values"
        )

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(own_spec(self.name, spec, EyerissV2Spec))

    def resources(self, spec: MachineSpec) -> Resources:
        """One multiplier and one adder per lane; scratchpads count as SRAM."""
        chosen = own_spec(self.name, spec, EyerissV2Spec)
        return Resources(chosen.lanes, chosen.lanes, chosen.sram_bytes, area(chosen))


MACHINE = EyerissV2()
