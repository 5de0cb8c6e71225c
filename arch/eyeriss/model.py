"""Eyeriss: plan, values, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from arch.components import Components
from arch.dense import operands, psum_bits_needed
from arch.eyeriss import kernels as count
from arch.eyeriss.charges import Bytes, events, mac_accesses, traffic
from arch.eyeriss.coding import Maps, pairs_before
from arch.eyeriss.components import components
from arch.eyeriss.mapping import array_of, mappings
from arch.eyeriss.plan import Plan, dram_bytes, plan
from arch.eyeriss.spec import PRESETS, EyerissSpec
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.outputs import stored_output
from arch.pairs import tap_counts
from arch.spec import MachineSpec
from arch.steps import Steps
from arch.together import together
from arch.undecomposed import Work, fed, fed_shape, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True)
class Pairs:
    """Multiply-accumulates of all images, by the zeros among their operands.

    ``multiplies`` have an input that is not zero.
    """

    macs: int
    multiplies: int


def count_pairs(tensors: LayerTensors) -> Pairs:
    """Exact counts; zeros of the padding are zeros."""
    layer = tensors.layer
    counts = tap_counts(layer, tensors.activations)
    return Pairs(
        layer.macs * tensors.images,
        int(counts.sum()) * (layer.K // layer.groups),
    )


def from_outside(tensors: LayerTensors) -> bool:
    """Whether the input is the network's own, the image, which the chip stores uncompressed.

    Captured layers and those of a known network say who made their input.  A synthetic image has
    no zeros; other synthetic inputs without a producer stand for a plane that was flattened or
    for a layer of a bare topology.  A user's own array may come from anywhere, and counts as a
    map like any other.
    """
    if tensors.producers or tensors.origin == "file":
        return False
    return tensors.origin == "captured" or bool(tensors.activations.all())


def coded_maps(tensors: LayerTensors, output: np.ndarray, spec: EyerissSpec) -> Maps:
    """The maps that are run-length coded."""
    if spec.compression == "off":
        return Maps()
    longest = (1 << spec.run_bits) - 1
    inputs = None
    if spec.compression == "all" or not from_outside(tensors):
        inputs = pairs_before(tensors.activations, longest)
    return Maps(inputs, pairs_before(output, longest))


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
        "images_apart": False,
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
        traffic=traffic(planned, spec),
        events=events(planned, pairs.macs, pairs.multiplies, spec),
        drain_cycles=drain,
        extras=_extras(planned, pairs, maps, spec),
        stored=maps.input_bytes(spec.pairs_per_word),
    )


def _told(parts: Sequence[Work]) -> dict[str, Any]:
    """The extras of images that were worked on one after the other."""
    extras = dict(parts[0].extras)
    for name in ("passes", "steps", "spad_accesses_of_macs"):
        extras[name] = sum(part.extras[name] for part in parts)
    chosen = dict.fromkeys(str(part.extras["mapping"]) for part in parts)
    return extras | {"mapping": " then ".join(chosen), "images_apart": True}


def _image(tensors: LayerTensors, n: int) -> LayerTensors:
    return replace(tensors, activations=tensors.activations[n : n + 1].copy(), shortcut=None)


class Eyeriss(Model[EyerissSpec]):
    """A dense row-stationary array; zeros save energy and DRAM bytes, never a cycle."""

    name: ClassVar[str] = "eyeriss"
    summary: ClassVar[str] = "dense row-stationary array, zero inputs gated, maps run-length coded"
    source: ClassVar[str] = (
        "Eyeriss, JSSC 2017 and ISCA 2016 (mapping, limits, buses, coding); fill of a pass ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = EyerissSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = True

    def components(self, spec: EyerissSpec) -> Components:
        """See :func:`arch.eyeriss.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: EyerissSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: planes are streams of their own, and no output stays on chip.

        Raises
        ------
        OperandError
            If no mapping fits, dense weights leave 8 bits, or psums leave ``psum_bits``.
        """
        layer, images = tensors.layer, tensors.images
        _, found = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.checked_bits
        )
        output, shift = kept.get("output", (), lambda: stored_output(tensors, found))
        coding = (spec.compression, spec.run_bits)
        maps = kept.get("eyeriss maps", coding, lambda: coded_maps(tensors, output, spec))
        key = (*coding, spec.mapping, array_of(spec))
        choices = kept.get("eyeriss mappings", key, lambda: mappings(layer, spec, images, maps))
        if len(choices) == 1:
            pairs = kept.get("eyeriss pairs", (), lambda: count_pairs(tensors))
            done = work(plan(layer, spec, images, choices[0]), pairs, maps, spec)
        else:
            each = [
                work(
                    plan(layer, spec, 1, choice),
                    count_pairs(_image(tensors, n)),
                    maps.image(n),
                    spec,
                )
                for n, choice in enumerate(choices)
            ]
            done = together(each, _told(each))
        told = {**done.extras, "psum_bits_needed": psum_bits_needed(found)}
        done = replace(done, extras=told).with_shift(shift)
        source = fed(tensors, spec, kept)
        return layer_run(self.name, "dense", source, spec, done, found)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Simulate one layer known by shape only.

        Cycles of the array are those of any tensors.  Nothing is known to be zero: no
        multiplication is gated and the maps in DRAM are uncompressed, as ``extras`` says.

        Examples
        --------
        >>> layer = ConvLayer("conv1", C=3, K=96, H=227, W=227, R=11, S=11, stride=4)
        >>> MACHINE.run_shape(layer, PRESETS["published"]).result.extras["input_coding"]
        'raw'
        """
        chosen = self.own(spec)
        source = fed_shape(layer, images, chosen)
        choices = mappings(layer, chosen, images)
        apart = images // len(choices)
        macs = layer.macs * apart
        each = [
            work(plan(layer, chosen, apart, choice), Pairs(macs, macs), Maps(), chosen)
            for choice in choices
        ]
        done = each[0] if len(each) == 1 else together(each, _told(each))
        return layer_run(self.name, "dense", source, chosen, done, None)


MACHINE = Eyeriss()
