"""Model: the base class of our machines, so that each states only what is its own."""

from typing import ClassVar, Generic, TypeVar, cast

from arch.components import Components, area_of, prices_of
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.spec import MachineSpec, own_spec
from arch.step_trace import step_trace
from arch.trace import LayerTrace
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

S = TypeVar("S", bound=MachineSpec)


class Model(Generic[S]):
    """A machine whose spec is an ``S``: :class:`arch.machine.Machine`, made of two functions.

    A machine gives ``name``, ``summary``, ``source``, ``spec_type`` and ``presets``, what it is
    made of (:meth:`components`), and a layer's run (:meth:`simulate`).
    """

    name: ClassVar[str]
    spec_type: ClassVar[type[MachineSpec]]
    eats_shapes: ClassVar[bool] = False
    eats_basis: ClassVar[bool] = False

    def components(self, spec: S) -> Components:
        """The table of the machine's parts."""
        raise NotImplementedError(f"{self.name} has no table of components")

    def simulate(self, tensors: LayerTensors, spec: S, around: Neighbours, kept: Kept) -> LayerRun:
        """Simulate one layer; its spec is of the machine's own type."""
        raise NotImplementedError(f"{self.name} simulates nothing")

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers; see ``simulate`` of the machine.

        Raises
        ------
        OperandError
            If the machine cannot take the tensors.
        TypeError
            If the spec is another machine's.
        """
        return self.simulate(tensors, self.own(spec), around, Kept() if kept is None else kept)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Raises an error: the time of this machine depends on values.

        Raises
        ------
        OperandError
            Always; a machine that ``eats_shapes`` has its own.
        """
        raise OperandError(
            f"{layer.name}: {self.name} needs tensors, not only shapes; "
            "give a compressed folder or .npz files"
        )

    def trace(
        self, tensors: LayerTensors, spec: MachineSpec, around: Neighbours = ALONE
    ) -> LayerTrace:
        """Simulate one layer on tensors and return its timeline; raises what ``run`` raises."""
        return self.timeline(self.run(tensors, spec, around))

    def trace_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerTrace:
        """Simulate one layer known by shape and return its timeline; as ``run_shape``."""
        return self.timeline(self.run_shape(layer, spec, images))

    def timeline(self, run: LayerRun) -> LayerTrace:
        """The timeline of a run, from its steps."""
        return step_trace(run)

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) that the machine counts."""
        own = self.own(spec)
        return prices_of(self.components(own), own)

    def resources(self, spec: MachineSpec) -> Resources:
        """Multipliers, adders, SRAM bytes and area."""
        own = self.own(spec)
        table = self.components(own)
        return Resources(
            sum(each.multipliers for each in table),
            sum(each.adders for each in table),
            own.sram_bytes,
            area_of(table),
        )

    def own(self, spec: MachineSpec) -> S:
        """The spec, after a check that it has the machine's type.

        Raises
        ------
        TypeError
            Naming the machine and both types.
        """
        return cast(S, own_spec(self.name, spec, self.spec_type))
