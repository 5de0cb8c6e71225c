"""The crossbar machine: tiles, passes and counts put together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.crossbar.area import area
from arch.crossbar.charges import events, prices, traffic
from arch.crossbar.digits import driven
from arch.crossbar.layout import layout
from arch.crossbar.plan import Plan, all_steps, plan
from arch.crossbar.spec import PRESETS, CrossbarSpec
from arch.crossbar.tally import causes, tally
from arch.dense import operands
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.spec import MachineSpec, own_spec
from arch.undecomposed import Work, fed, layer_run
from workloads.layer import ConvLayer
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


class Crossbar:
    """Memristor crossbars that multiply where the weights are stored."""

    name: ClassVar[str] = "crossbar"
    summary: ClassVar[str] = "memristor crossbars, bit slices, differential signs, shared ADCs"
    source: ClassVar[str] = (
        "Yuan et al., ISLPED 2019, arXiv 1908.11691 (crossbars, cells, signs); converters of "
        "ISAAC, ISCA 2016; passes, copies, buffers and DRAM ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = CrossbarSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
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
            If dense weights leave 8 bits, psums leave ``psum_bits``, the sum of a column can
            leave ``adc_bits``, or a buffer is too small.
        """
        chosen, memory = own_spec(self.name, spec, CrossbarSpec), kept or Kept()
        weights, found = operands(
            tensors, memory, operand_bytes=chosen.operand_bytes, psum_bits=chosen.psum_bits
        )
        done = work(tensors, weights, chosen)
        return layer_run(self.name, "sparse", fed(tensors, chosen, kept), chosen, done, found)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Refuse: which tiles there are depends on the weights.

        Raises
        ------
        OperandError
            Always.

        Examples
        --------
        >>> MACHINE.run_shape(ConvLayer("fc", C=4, K=4, H=1, W=1), PRESETS["iso"])
        Traceback (most recent call last):
        arch.errors.OperandError: fc: crossbar needs tensors, its tiles depend on the weights
        """
        raise OperandError(f"{layer.name}: crossbar needs tensors, its tiles depend on the weights")

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) the machine counts."""
        return prices(own_spec(self.name, spec, CrossbarSpec))

    def resources(self, spec: MachineSpec) -> Resources:
        """Products in a cycle stand for multipliers; one shift-and-add for each ADC."""
        chosen = own_spec(self.name, spec, CrossbarSpec)
        adders = chosen.crossbars * chosen.adcs_per_crossbar
        return Resources(chosen.multipliers, adders, chosen.sram_bytes, area(chosen))


MACHINE = Crossbar()
