"""SCNN: plan, queues, barriers and DRAM put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.dense import operands
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.outputs import stored_output
from arch.scnn.area import area
from arch.scnn.charges import events, prices, traffic
from arch.scnn.kernels import BANKS
from arch.scnn.queues import store_tiles
from arch.scnn.residency import mask
from arch.scnn.spec import PRESETS, ScnnSpec
from arch.scnn.timing import Times, causes, times
from arch.scnn.work import KEY_FIELDS, Found, work
from arch.spec import MachineSpec, own_spec
from arch.steps import Steps
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def output_entries(output: np.ndarray, found: Found, spec: ScnnSpec) -> list[np.ndarray]:
    """Entries of every strip's output by image, filter and tile, int64 (N, K, tiles) each."""
    entries = []
    for strip in found.strips:
        low, high = int(strip.rows.owned[0]), int(strip.rows.owned[-1])
        part = np.zeros((*output.shape[:2], strip.tiles), np.int64)
        for image, values in enumerate(mask(output)):
            store_tiles(
                np.ascontiguousarray(values[:, low:high]),
                not spec.skip_zeros,
                strip.rows.owned - low,
                strip.columns.owned,
                spec.longest_run,
                part[image],
            )
        entries.append(part)
    return entries


def _output_bytes(entries: list[np.ndarray], found: Found, spec: ScnnSpec) -> np.ndarray:
    """Compressed bytes that each step leaves, int64 (steps,)."""
    sizes = [
        int(entries[strip][image, low:high].sum())
        for (image, strip), (low, high) in zip(
            found.places.tolist(), found.filters.tolist(), strict=True
        )
    ]
    stored: np.ndarray = -(-np.array(sizes, np.int64) * spec.entry_bits // 8)
    return stored


def _stays(entries: list[np.ndarray], found: Found, spec: ScnnSpec) -> bool:
    """Whether the OARAMs hold the output of all images."""
    if len(entries) > 1:
        return False
    strip, total = found.strips[0], entries[0].sum(axis=0)
    by_tile = total.sum(axis=0)
    if strip.shared:  # a PE keeps the outputs of its filters
        groups = np.add.reduceat(total[:, 0], strip.groups[:-1])
        by_tile = np.zeros(spec.pes, np.int64)
        np.add.at(by_tile, np.arange(groups.size) % spec.pes, groups)
    return int(by_tile.max()) * spec.entry_bits <= 8 * spec.oaram_bytes


def _extras(found: Found, taken: Times, on_chip: bool, stays: bool) -> dict[str, Any]:
    strip = found.strips[0]
    return {
        "strips": len(found.strips),
        "steps": found.slowest.size,
        "filters_per_group": int(strip.groups[1] - strip.groups[0]),
        "pes_with_work": found.used_pes,
        "blocks": found.blocks,
        "products": found.products,
        "pe_cycles": found.busy_cycles,
        "activation_vectors": found.activation_vectors,
        "weight_vectors": found.weight_vectors,
        "halo_words": found.halo_words,
        "halo_cycles": int(taken.halo.sum()),
        "input_streamed": int(found.streamed),
        "input_on_chip": int(on_chip),
        "output_stays": int(stays),
    }


class Scnn:
    """Cartesian products of non-zero activations and weights, scattered into accumulators."""

    name: ClassVar[str] = "scnn"
    summary: ClassVar[str] = "SCNN, Cartesian product of non-zero activations and weights"
    source: ClassVar[str] = (
        "SCNN (ISCA 2017) through public notes; cycle rule as in DNNsim's SCNN model; DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = ScnnSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = False
    eats_basis: ClassVar[bool] = False
    kept_fields: ClassVar[tuple[str, ...]] = KEY_FIELDS

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        An output that fits the OARAMs stays on chip where the next layer takes it over, and a
        layer that takes one over loads no input.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, outputs are wider than a
            word, or a tile of one row of outputs exceeds the accumulators.

        Examples
        --------
        >>> layer = ConvLayer("conv", C=1, K=1, H=1, W=4)
        >>> pixels = np.array([[[[7, 0, 3, 0]]]], np.uint8)
        >>> tensors = LayerTensors(layer, pixels, np.array([[[[2]]]], np.int8))
        >>> run = MACHINE.run(tensors, PRESETS["iso"])
        >>> run.psums.tolist(), run.result.counters.compute_cycles
        ([[[[14, 0, 6, 0]]]], 1)
        """
        chosen, kept = own_spec(self.name, spec, ScnnSpec), kept or Kept()
        weights, sums = operands(
            tensors, kept, operand_bytes=chosen.operand_bytes, psum_bits=chosen.psum_bits
        )
        output, _ = kept.get("output", (), lambda: stored_output(tensors, sums))
        key = tuple(getattr(chosen, name) for name in KEY_FIELDS)
        found = kept.get(
            "scnn", key, lambda: work(tensors.layer, chosen, tensors.activations, weights)
        )
        entries = output_entries(output, found, chosen)
        on_chip = around.input_on_chip and found.whole_input
        stays = around.handed_on and _stays(entries, found, chosen)
        leaves = _output_bytes(entries, found, chosen)
        taken = times(found, chosen)
        steps = Steps(
            taken.lengths,
            {"input": found.input_bytes * (not on_chip), "weight": found.weight_bytes},
            {"output": leaves * (around.stored or not stays)},
        )
        moved = traffic(
            found,
            chosen,
            int(leaves.sum()),
            int(steps.loads["input"].sum()),
            int(steps.stores["output"].sum()),
        )
        source = fed(tensors, chosen, kept)
        counted = Work(
            steps,
            chosen.units,
            causes(found, chosen, taken),
            multiplies=found.products,
            effectual_ops=found.pairs if chosen.skip_zeros else source.macs,
            traffic=moved,
            events=events(found, chosen, moved, sums.size),
            drain_cycles=int(taken.halo.sum()),
            extras=_extras(found, taken, on_chip, stays),
        )
        mode = "sparse" if chosen.skip_zeros else "dense"
        run = layer_run(self.name, mode, source, chosen, counted, sums)
        return LayerRun(run.result, run.psums, run.output_planes, on_chip, stays)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Refuse: cycles depend on where the zeros are.

        Raises
        ------
        OperandError
            Always.
        """
        raise OperandError(
            f"{layer.name}: scnn counts non-zeros and needs tensors, a shape is not enough"
        )

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(own_spec(self.name, spec, ScnnSpec))

    def resources(self, spec: MachineSpec) -> Resources:
        """The multipliers, and one adder for each accumulator bank."""
        chosen = own_spec(self.name, spec, ScnnSpec)
        return Resources(chosen.units, chosen.pes * BANKS, chosen.sram_bytes, area(chosen))


MACHINE = Scnn()
