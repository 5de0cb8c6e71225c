"""SparTen: inner joins, steps and charges put together for one layer.

Source: Gondimalla et al., MICRO 2019, as far as others quote it (chunks of 128 positions, mask and
packed values, clusters of 32 units, one match per cycle, greedy balancing); what a cluster gets,
its buffers and its DRAM are ours, see ``plan``.

A layer's filters are cut into filter groups of 32, or of 64 where two share a unit, never across
convolution groups.  A cluster takes one filter group and one output position at a time: each unit
joins its filters with the input window that is broadcast chunk by chunk.  Depthwise layers keep
one unit of a cluster at work.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from arch.components import Components
from arch.dense import operands
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.outputs import stored_output
from arch.sparten.charges import chunk_pairs, counts, matched
from arch.sparten.components import components
from arch.sparten.join import all_joins
from arch.sparten.lines import input_lines
from arch.sparten.plan import Part, Plan, plan
from arch.sparten.spec import PRESETS, SpartenSpec
from arch.spec import MachineSpec
from arch.undecomposed import Work, fed, layer_run
from workloads.tensors import LayerTensors

T = TypeVar("T")


def _causes(part: Part, spec: SpartenSpec) -> dict[str, int]:
    """Unit-cycles by cause, waits for DRAM left out.

    ``mac`` a unit multiplies; ``load`` it has nothing left to do while its next chunk arrives;
    ``imbalance`` it waits for slower units; ``fragmentation`` it has no filter, because the
    filter group is not full; ``barrier`` its cluster has no output position left in this step.
    """
    arranged, images = part.choice.arranged, part.choice.images
    joins, used = arranged.joins, arranged.joins.filters.used
    occupied = joins.occupied(arranged.passes, images)
    multiplied, worked = matched(part), int(joins.worked[:, images].sum())
    return {
        "mac": multiplied,
        "load": worked - multiplied,
        "imbalance": int((used * occupied).sum()) - worked,
        "fragmentation": int(((spec.units_per_cluster - used) * occupied).sum()),
        "barrier": spec.units_per_cluster * part.dealt,
    }


def _extras(planned: Plan, spec: SpartenSpec) -> dict[str, Any]:
    arranged = [part.choice.arranged for part in planned.parts]
    return {
        "sync": spec.sync,
        "balance": " and ".join(sorted({one.joins.spec.balance for one in arranged})),
        "skip": spec.skip,
        "filter_groups": max(one.joins.filters.count for one in arranged),
        "passes": max(one.joins.filters.count * one.passes for one in arranged),
        "steps": sum(part.dram.lengths.size for part in planned.parts),
        "chunk_pairs": sum(chunk_pairs(part) for part in planned.parts),
        "filters_outer": all(part.choice.filters_outer for part in planned.parts),
        "images_together": len(planned.parts) == 1,
    }


def _summed(tables: Iterable[Mapping[T, int]]) -> dict[T, int]:
    total: dict[T, int] = {}
    for table in tables:
        for key, count in table.items():
            total[key] = total.get(key, 0) + count
    return total


def work(
    tensors: LayerTensors, weights: np.ndarray, outputs: np.ndarray | None, spec: SpartenSpec
) -> Work:
    """Everything but the DRAM's times.

    Parameters
    ----------
    tensors : LayerTensors
    weights : int32 (K, C/groups, R, S)
    outputs : requantized, integers (N, K, P, Q), or None
    spec : SpartenSpec

    Raises
    ------
    OperandError
        If the least a step can work on exceeds half a shared buffer.
    """
    layer, pixels = tensors.layer, tensors.activations
    planned = plan(layer, pixels, all_joins(layer, pixels, weights, spec), outputs, spec)
    counted = [counts(part, spec) for part in planned.parts]
    return Work(
        planned.dram,
        spec.units,
        _summed(_causes(part, spec) for part in planned.parts),
        multiplies=sum(matched(part) for part in planned.parts),
        traffic=_summed(traffic for traffic, _ in counted),
        events=_summed(events for _, events in counted),
        extras=_extras(planned, spec),
        stored={
            "input": input_lines(layer, pixels, spec).total,
            "weight": planned.parts[0].choice.arranged.all_stored,
        },
    )


class Sparten(Model[SpartenSpec]):
    """Clusters of units that join sparse filters with sparse windows."""

    name: ClassVar[str] = "sparten"
    summary: ClassVar[str] = "inner join of sparse vectors, two-sided, greedy balancing"
    source: ClassVar[str] = (
        "SparTen, MICRO 2019, as quoted by others; dealing of outputs, buffers and DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = SpartenSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS

    def components(self, spec: SpartenSpec) -> Components:
        """See :func:`arch.sparten.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: SpartenSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, or a buffer is too small.

        Examples
        --------
        >>> from workloads.layer import ConvLayer
        >>> layer = ConvLayer("fc", C=3, K=1, H=1, W=1)
        >>> pixels = np.array([5, 0, 2], np.uint8).reshape(1, 3, 1, 1)
        >>> fc = LayerTensors(layer, pixels, np.array([1, 1, 0], np.int8).reshape(1, 3, 1, 1))
        >>> MACHINE.run(fc, PRESETS["iso"]).result.counters.multiplies
        1
        """
        weights, made = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.psum_bits
        )
        outputs = None  # where no requantizer is known, outputs are stored whole
        if tensors.requantizer is not None:
            outputs, _ = kept.get("output", (), lambda: stored_output(tensors, made))
        done = work(tensors, weights, outputs, spec)
        mode = "dense" if spec.skip == "none" else "sparse"
        return layer_run(self.name, mode, fed(tensors, spec, kept), spec, done, made)


MACHINE = Sparten()
