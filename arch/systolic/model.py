"""The systolic array: plan, DRAM schedule and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from arch.components import Components
from arch.dense import check_output
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.spec import MachineSpec
from arch.steps import Steps
from arch.systolic.charges import events, traffic
from arch.systolic.components import components
from arch.systolic.plan import Plan, plan
from arch.systolic.psums import compute
from arch.systolic.spec import PRESETS, SystolicSpec
from arch.systolic.tally import Tally, causes, tally
from arch.trace import LayerTrace
from arch.undecomposed import Work, fed, fed_shape, layer_run
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _extras(planned: Plan, counts: Tally, steps: Steps, spec: SystolicSpec) -> dict[str, Any]:
    one, folds = planned.first, planned.first.folds
    return {
        "dataflow": spec.dataflow,
        "gemm_m": folds.gemm.M,
        "gemm_n": folds.gemm.N,
        "gemm_k": folds.gemm.K,
        "images_per_pass": one.images,
        "folds": planned.folds,
        "steps": steps.lengths.size,
        "step_level": one.level,
        "step_size": one.size,
        "input_holding": folds.input_holding,
        "weights_held": folds.weights_held,
        "psums_held": folds.psums_held,
        "sram_ifmap_reads": counts.ifmap.words,
        "sram_filter_reads": counts.filter.words,
        "sram_ofmap_writes": counts.psum_writes.words + counts.output_writes.words,
    }


def _work(planned: Plan, macs: int, spec: SystolicSpec) -> Work:
    """Everything but the DRAM's times: the array is dense, so values change nothing."""
    counts, steps = tally(planned, spec), planned.steps()
    return Work(
        steps,
        spec.units,
        causes(planned, spec),
        multiplies=macs,
        traffic=traffic(steps, counts, spec),
        events=events(macs, steps, counts, spec),
        extras=_extras(planned, counts, steps, spec),
    )


class Systolic(Model[SystolicSpec]):
    """A dense systolic array with double-buffered scratchpads."""

    name: ClassVar[str] = "systolic"
    summary: ClassVar[str] = "dense systolic array, output, weight or input stationary"
    source: ClassVar[str] = (
        "SCALE-Sim 3.0.0 (timing of folds, order, scratchpad accesses); DRAM and residency ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = SystolicSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = True

    def components(self, spec: SystolicSpec) -> Components:
        """See :func:`arch.systolic.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: SystolicSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the dense input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, or a scratchpad is too small.
        """
        planned = plan(tensors.layer, spec, tensors.images)
        psums = compute(tensors, spec)
        check_output(tensors, spec.operand_bytes)
        source = fed(tensors, spec, kept)
        work = _work(planned, source.macs, spec)
        return layer_run(self.name, "dense", source, spec, work, psums)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Simulate one layer known by shape only; the array skips nothing, so counts are exact.

        Examples
        --------
        >>> fc = ConvLayer("fc", C=64, K=40, H=1, W=1)
        >>> MACHINE.run_shape(fc, PRESETS["iso"]).result.counters.compute_cycles
        251
        """
        chosen = self.own(spec)
        source = fed_shape(layer, images, chosen)
        work = _work(plan(layer, chosen, images), source.macs, chosen)
        return layer_run(self.name, "dense", source, chosen, work, None)

    def timeline(self, run: LayerRun) -> LayerTrace:
        """The timeline of a run, fold by fold.

        Examples
        --------
        >>> fc = ConvLayer("fc", C=64, K=40, H=1, W=1)
        >>> found = MACHINE.trace_shape(fc, PRESETS["iso"])
        >>> [(b.track.name, len(b)) for b in found.batches(0, 10**9)][:2]
        [('steps', 2), ('phases', 4)]
        """
        from arch.systolic.tracks import folds

        return folds(run, self.own(run.result.spec))


MACHINE = Systolic()
