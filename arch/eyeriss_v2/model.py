"""Eyeriss v2: plan, iacts, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping as Table
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from arch.components import Components
from arch.dense import operands, psum_bits_needed
from arch.eyeriss_v2.charges import events, traffic
from arch.eyeriss_v2.components import components
from arch.eyeriss_v2.iacts import iacts, skips_iacts
from arch.eyeriss_v2.plan import Plan, Planner, plan
from arch.eyeriss_v2.spec import PRESETS, EyerissV2Spec
from arch.eyeriss_v2.stored import coded_bytes, input_bytes, output_bytes, weight_bytes
from arch.eyeriss_v2.tally import Tally, causes, sent_words, tally, times
from arch.eyeriss_v2.worked import Worked
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.outputs import stored_output
from arch.pairs import effectual_pairs, tap_counts
from arch.parts import one_by_one
from arch.spec import MachineSpec
from arch.steps import Steps
from arch.together import together
from arch.undecomposed import Work, fed, layer_run
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
        stored=coded_bytes(mapping, planned.columns, counted, spec),
    )


def _image(tensors: LayerTensors, n: int) -> LayerTensors:
    pixels = tensors.activations[n : n + 1].copy()
    return replace(tensors, activations=pixels, shortcut=None)


def best_work(
    tensors: LayerTensors, weights: np.ndarray, output: np.ndarray, spec: EyerissV2Spec, kept: Kept
) -> Work:
    """Each image by its own best plan, or the batch by one plan where that costs less.

    One plan for all may move no more bytes than the images need at the very least, each by
    itself.  So a batch never needs more cycles or DRAM bytes than its images alone.
    """
    layer, count = tensors.layer, tensors.images
    if count == 1:
        taps = kept.get("taps", (), lambda: tap_counts(layer, tensors.activations))
        planned = plan(Worked(tensors, weights, output, spec), taps)
        return work(tensors, planned, weights, output, spec, kept)
    plans, least = [], 0
    met = np.zeros((layer.C, layer.R, layer.S), np.int64)
    images = [_image(tensors, n) for n in range(count)]
    for n, image in enumerate(images):
        taps = tap_counts(layer, image.activations)
        planner = Planner(Worked(image, weights, output[n : n + 1], spec), taps)
        plans.append(planner.choice())
        least, met = least + planner.least_bytes(), met + taps
    cost = sum(one.cost[0] for one in plans), sum(one.cost[1] for one in plans)
    together = Planner(Worked(tensors, weights, output, spec), met).best(cost, least)
    if together is not None:
        kept.get("taps", (), lambda: met)
        return work(tensors, together, weights, output, spec, kept)
    parts = [
        work(image, one, weights, output[n : n + 1], spec, Kept())
        for n, (image, one) in enumerate(zip(images, plans, strict=True))
    ]
    return apart(parts)


def apart(parts: list[Work]) -> Work:
    """The images one after the other, each begun when all of the one before has left."""
    extras = {**parts[0].extras, "images_apart": True}
    for name in ("passes", "slots"):
        extras[name] = sum(part.extras[name] for part in parts)
    done = together(parts, extras)
    return replace(done, steps=one_by_one([part.steps for part in parts]))


class EyerissV2(Model[EyerissV2Spec]):
    """Sparse row-stationary PEs on a hierarchical mesh."""

    name: ClassVar[str] = "eyeriss_v2"
    summary: ClassVar[str] = "row stationary plus, zeros skipped in compressed sparse columns"
    source: ClassVar[str] = (
        "Chen et al., Eyeriss v2, JETCAS 2019 (PE, formats, sizes); mapper and synchronisation ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = EyerissV2Spec
    presets: ClassVar[Table[str, MachineSpec]] = PRESETS

    def components(self, spec: EyerissV2Spec) -> Components:
        """See :func:`arch.eyeriss_v2.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: EyerissV2Spec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, outputs leave 8 bits, or no
            mapping fits.
        """
        weights, found = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.checked_bits
        )
        output, shift = kept.get("output", (), lambda: stored_output(tensors, found))
        done = best_work(tensors, weights, output, spec, kept)
        told = {**done.extras, "psum_bits_needed": psum_bits_needed(found)}
        counted = replace(done, extras=told).with_shift(shift)
        mode = "sparse" if spec.processing == "csc" else "dense"
        return layer_run(self.name, mode, fed(tensors, spec, kept), spec, counted, found)


MACHINE = EyerissV2()
