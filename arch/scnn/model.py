"""SCNN: plan, queues, barriers and DRAM put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from arch.components import Components
from arch.dense import operands
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.outputs import stored_output
from arch.scnn.charges import events, traffic
from arch.scnn.components import components
from arch.scnn.spec import PRESETS, ScnnSpec
from arch.scnn.timing import causes
from arch.scnn.work import KEY_FIELDS, Work, images, work
from arch.spec import MachineSpec
from arch.undecomposed import Work as Counted
from arch.undecomposed import fed, layer_run
from workloads.tensors import LayerTensors


def _extras(found: Work, steps: int, halo: int) -> dict[str, Any]:
    part = found.plan.part
    return {
        "strips": found.strips,
        "steps": steps,
        "filters_per_group": found.plan.grouping.most,
        "pes_with_work": part.used_pes,
        "blocks": part.blocks,
        "products": part.products,
        "pe_cycles": part.busy_cycles,
        "activation_vectors": part.activation_vectors,
        "weight_vectors": part.weight_vectors,
        "halo_words": part.halo_words,
        "halo_cycles": halo,
        "input_streamed": int(found.plan.streamed),
        "input_on_chip": int(found.input_on_chip),
        "output_stays": int(found.output_stays),
    }


def _counted(found: Work, spec: ScnnSpec, outputs: int) -> Counted:
    """The work of a layer as every machine counts it; ``outputs`` words are finished."""
    plan, steps = found.plan, found.plan.steps()
    moved = traffic(
        plan.part,
        spec,
        useful=found.useful,
        output=int(plan.leaves.sum()),
        loaded=int(steps.loads["input"].sum()),
        stored=int(steps.stores["output"].sum()),
    )
    halo = int(plan.taken.halo.sum())
    return Counted(
        steps,
        spec.units,
        causes(plan.part, found.useful, spec, plan.taken),
        multiplies=plan.part.products,
        traffic=moved,
        events=events(plan.part, spec, moved, useful=found.useful, outputs=outputs),
        drain_cycles=halo,
        extras=_extras(found, plan.part.steps, halo),
        stored=found.stored,
    )


class Scnn(Model[ScnnSpec]):
    """Cartesian products of non-zero activations and weights, scattered into accumulators."""

    name: ClassVar[str] = "scnn"
    summary: ClassVar[str] = "SCNN, Cartesian product of non-zero activations and weights"
    source: ClassVar[str] = (
        "SCNN (ISCA 2017) through public notes; cycle rule as in DNNsim's SCNN model; DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = ScnnSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    kept_fields: ClassVar[tuple[str, ...]] = KEY_FIELDS

    def components(self, spec: ScnnSpec) -> Components:
        """See :func:`arch.scnn.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: ScnnSpec, around: Neighbours, kept: Kept
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
        >>> import numpy as np
        >>> from workloads.layer import ConvLayer
        >>> layer = ConvLayer("conv", C=1, K=1, H=1, W=4)
        >>> pixels = np.array([[[[7, 0, 3, 0]]]], np.uint8)
        >>> tensors = LayerTensors(layer, pixels, np.array([[[[2]]]], np.int8))
        >>> run = MACHINE.run(tensors, PRESETS["iso"])
        >>> run.psums.tolist(), run.result.counters.compute_cycles
        ([[[[14, 0, 6, 0]]]], 1)
        """
        weights, sums = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.psum_bits
        )
        output, _ = kept.get("output", (), lambda: stored_output(tensors, sums))
        key = tuple(getattr(spec, name) for name in KEY_FIELDS)
        benches = kept.get(
            "scnn", key, lambda: images(tensors.layer, tensors.activations, weights, output)
        )
        found = work(benches, spec, around)
        return layer_run(
            self.name,
            "sparse" if spec.skip_zeros else "dense",
            fed(tensors, spec, kept),
            spec,
            _counted(found, spec, sums.size),
            sums,
            input_on_chip=found.input_on_chip,
            output_stays=found.output_stays,
        )


MACHINE = Scnn()
