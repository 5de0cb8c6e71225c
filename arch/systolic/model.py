"""The systolic array: plan, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.counters import Counters, LayerResult
from arch.energy import EnergyTable
from arch.errors import InvariantError, OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.memory import StepTraffic, peak_bandwidth, schedule
from arch.spec import MachineSpec
from arch.systolic.area import area
from arch.systolic.charges import bursts, events, prices, shortcut_bytes, traffic
from arch.systolic.plan import Plan, plan
from arch.systolic.psums import compute
from arch.systolic.spec import PRESETS, SystolicSpec
from arch.systolic.tally import causes, grouped, tally
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _spec(spec: MachineSpec) -> SystolicSpec:
    if not isinstance(spec, SystolicSpec):
        raise TypeError(f"systolic: spec is a {type(spec).__name__}, wanted a SystolicSpec")
    return spec


def step_traffic(steps: Plan, spec: SystolicSpec) -> list[StepTraffic]:
    """What every step of all groups asks of the DRAM; one run per operand and step."""
    loads = sum((bursts(part, spec) for part in steps.loads.values()), np.int64(0))
    stores = sum((bursts(part, spec) for part in steps.stores.values()), np.int64(0))
    flat = (np.ravel(part).tolist() for part in (loads, stores, steps.lengths))
    one_group = [StepTraffic(*step) for step in zip(*flat, strict=True)]
    return one_group * steps.gemm.layer.groups


def _extras(steps: Plan, spec: SystolicSpec) -> dict[str, Any]:
    groups = steps.gemm.layer.groups
    return {
        "dataflow": spec.dataflow,
        "gemm_m": steps.gemm.M,
        "gemm_n": steps.gemm.N,
        "gemm_k": steps.gemm.K,
        "folds": steps.folds * groups,
        "steps": steps.lengths.size * groups,
        "input_holding": steps.input_holding,
        "weights_held": steps.weights_held,
        "psums_held": steps.psums_held,
    }


class Systolic:
    """A dense systolic array with double-buffered scratchpads."""

    name: ClassVar[str] = "systolic"
    summary: ClassVar[str] = "dense systolic array, output, weight or input stationary"
    source: ClassVar[str] = (
        "SCALE-Sim 3.0.0 (timing of folds, order, scratchpad accesses); DRAM and residency ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = SystolicSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = True

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the dense input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, or a scratchpad is too small.
        """
        chosen = _spec(spec)
        steps = plan(tensors.layer, chosen, tensors.images)
        psums = compute(tensors, steps, chosen)
        self._check_output(tensors, chosen)
        digest = (kept or Kept()).get("digest", (), tensors.digest)
        provenance = {"origin": tensors.origin, "digest": digest}
        shortcut = shortcut_bytes(tensors.shortcut, chosen)
        return self._run(steps, chosen, shortcut, psums, provenance)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Simulate one layer known by shape only; the array skips nothing, so counts are exact.

        Examples
        --------
        >>> fc = ConvLayer("fc", C=64, K=40, H=1, W=1)
        >>> MACHINE.run_shape(fc, PRESETS["iso"]).result.counters.compute_cycles
        251
        """
        chosen = _spec(spec)
        if images < 1:
            raise OperandError(f"{layer.name}: images is {images}, wanted at least 1")
        provenance = {"origin": "shape"}
        return self._run(plan(layer, chosen, images), chosen, 0, None, provenance)

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(_spec(spec))

    def resources(self, spec: MachineSpec) -> Resources:
        """One multiplier and one adder per PE."""
        chosen = _spec(spec)
        return Resources(chosen.units, chosen.units, chosen.sram_bytes, area(chosen))

    def _check_output(self, tensors: LayerTensors, spec: SystolicSpec) -> None:
        requantizer = tensors.requantizer
        if requantizer is None:
            return
        width = np.dtype(requantizer.dtype).itemsize
        if width > spec.operand_bytes:
            raise OperandError(
                f"{tensors.layer.name}: outputs are {width} bytes wide, wanted operand_bytes = "
                f"{spec.operand_bytes}"
            )

    def _run(
        self,
        steps: Plan,
        spec: SystolicSpec,
        shortcut: int,
        psums: np.ndarray | None,
        provenance: Mapping[str, Any],
    ) -> LayerRun:
        layer = steps.gemm.layer
        timeline = schedule(step_traffic(steps, spec), spec)
        compute_cycles = steps.cycles * layer.groups
        if compute_cycles + timeline.stall_cycles != timeline.cycles:
            raise InvariantError(f"{layer.name}: steps and stalls do not add up to the cycles")
        stream = {"os": steps.gemm.K, "ws": steps.gemm.M, "is": steps.gemm.N}[spec.dataflow]
        by_cause = {
            name: count * layer.groups for name, count in causes(steps, spec.units, stream).items()
        }
        by_cause["dram"] = spec.units * timeline.stall_cycles
        counts = grouped(tally(steps, spec), layer.groups)
        moved = traffic(steps, counts, spec, shortcut)
        macs = layer.macs * steps.gemm.images
        counters = Counters(
            cycles=timeline.cycles,
            compute_cycles=compute_cycles,
            drain_cycles=0,
            pipeline_cycles=0,
            memory_stall_cycles=timeline.stall_cycles,
            macs=macs,
            effectual_ops=macs,
            multiplies=macs,
            units=spec.units,
            causes=by_cause,
            traffic=moved,
            events=events(steps, counts, spec, timeline.cycles, moved),
            peak_bandwidth=peak_bandwidth(timeline.requests, spec.clock_hz),
        )
        extras = _extras(steps, spec) | {
            "sram_ifmap_reads": counts.ifmap.words,
            "sram_filter_reads": counts.filter.words,
            "sram_ofmap_writes": counts.psum_writes.words + counts.output_writes.words,
        }
        result = LayerResult(
            layer,
            steps.gemm.images,
            self.name,
            spec,
            mode="dense",
            counters=counters,
            extras=extras,
            provenance=provenance,
        )
        return LayerRun(result, psums, (layer.K,))


MACHINE = Systolic()
