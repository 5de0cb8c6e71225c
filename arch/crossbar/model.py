"""The crossbar machine: tiles, passes and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.components import Components
from arch.crossbar.charges import events, traffic
from arch.crossbar.components import components
from arch.crossbar.digits import driven
from arch.crossbar.layout import layout
from arch.crossbar.plan import Plan, all_steps, plan
from arch.crossbar.spec import PRESETS, CrossbarSpec
from arch.crossbar.tally import causes, tally
from arch.dense import operands
from arch.machine import Kept, LayerRun, Neighbours
from arch.model import Model
from arch.spec import MachineSpec
from arch.undecomposed import Work, fed, layer_run
from workloads.tensors import LayerTensors


def _extras(plans: tuple[Plan, ...], spec: CrossbarSpec) -> dict[str, Any]:
    first, each = plans[0], spec.crossbars_per_tile
    return {
        "crossbars": first.layout.tiles * each,
        "crossbars_unpruned": first.layout.possible * each,
        "passes": len(first.passes),
        "copies": min(part.copies for part in first.passes),
        "resident": not any(part.tall for part in first.passes),
        "images_together": len(plans) == 1,
    }


def work(tensors: LayerTensors, weights: np.ndarray, spec: CrossbarSpec) -> Work:
    """Everything but the DRAM's times.

    Parameters
    ----------
    tensors : LayerTensors
    weights : integers -128..127, shape (K, C/groups, R, S)
    spec : CrossbarSpec

    Raises
    ------
    OperandError
        If the ADCs do not suffice, or a buffer is too small.
    """
    layer, images = tensors.layer, tensors.images
    plans = plan(layout(layer, weights, spec), spec, images)
    first, done, times = plans[0], all_steps(plans), len(plans)
    # of several plans each does the same for one image; the values count for all of them
    digits = driven(layer, tensors.activations, spec)
    counts = tally(first, spec, digits).for_images(times)
    spent = {name: times * count for name, count in causes(first, spec).items()}
    return Work(
        done,
        spec.crossbars,
        spent,
        multiplies=counts.products,
        traffic=traffic(done, counts, spec),
        events=events(done, counts, spec),
        pipeline_cycles=times * sum(part.tall for part in first.passes) * spec.write_cycles,
        extras=_extras(plans, spec),
    )


class Crossbar(Model[CrossbarSpec]):
    """Memristor crossbars that multiply where the weights are stored."""

    name: ClassVar[str] = "crossbar"
    summary: ClassVar[str] = "memristor crossbars, bit slices, differential signs, shared ADCs"
    source: ClassVar[str] = (
        "Yuan et al., ISLPED 2019, arXiv 1908.11691 (crossbars, cells, signs); converters of "
        "ISAAC, ISCA 2016; passes, copies, buffers and DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = CrossbarSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS

    def components(self, spec: CrossbarSpec) -> Components:
        """See :func:`arch.crossbar.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: CrossbarSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer on real integers, decomposed weights as dense ones.

        ``around`` changes nothing: the input is one plane, and no output stays on chip.

        Raises
        ------
        OperandError
            If dense weights leave 8 bits, psums leave ``psum_bits``, the sum of a column can
            leave ``adc_bits``, or a buffer is too small.
        """
        weights, found = operands(
            tensors, kept, operand_bytes=spec.operand_bytes, psum_bits=spec.psum_bits
        )
        done = work(tensors, weights, spec)
        return layer_run(self.name, "sparse", fed(tensors, spec, kept), spec, done, found)


MACHINE = Crossbar()
