"""Run a network on a machine, layer after layer; each is fed what its producers stored."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from arch.counters import LayerResult, added
from arch.energy import AJ_PER_J, Charge, EnergyTable, charges
from arch.errors import SpecError
from arch.machine import Kept, LayerRun, Machine, Neighbours, Resources
from arch.operators import operator_prices, with_operators
from arch.spec import MachineSpec
from arch.trace import LayerTrace
from workloads.between import Between
from workloads.layer import ConvLayer
from workloads.network import Handover
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """All layers of one network on one machine; totals are sums over ``results``.

    ``provenance`` holds what made it: version, source, seed, options.
    """

    network: str
    machine: str
    preset: str
    spec: MachineSpec
    resources: Resources
    results: tuple[LayerResult, ...]
    charges: tuple[tuple[Charge, ...], ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """Cycles of all layers, one after the other."""
        return sum(result.counters.cycles for result in self.results)

    @property
    def latency_s(self) -> float:
        """Seconds for the whole batch."""
        return self.cycles / self.spec.clock_hz

    @property
    def energy_aj(self) -> int:
        """Attojoules of all layers."""
        return sum(charge.attojoules for lines in self.charges for charge in lines)

    @property
    def energy_j(self) -> float:
        """Joules of all layers."""
        return self.energy_aj / AJ_PER_J

    @property
    def dram_bytes(self) -> int:
        """DRAM bytes of all layers."""
        return sum(result.counters.dram_bytes for result in self.results)

    @property
    def macs(self) -> int:
        """Dense MACs of the original network."""
        return sum(result.counters.macs for result in self.results)

    @property
    def effectual_ops(self) -> int | None:
        """Pairs of a non-zero weight and a non-zero activation; None if unknown for a layer."""
        return added(result.counters.effectual_ops for result in self.results)

    @property
    def peak_bandwidth(self) -> Fraction:
        """Bytes/s of the busiest aligned microsecond of all layers."""
        return max((r.counters.peak_bandwidth for r in self.results), default=Fraction(0))


def price_table(machine: Machine, spec: MachineSpec, own: EnergyTable | None = None) -> EnergyTable:
    """Prices of a machine's actions; a user's ``own`` prices replace single ones.

    What runs between layers is priced like this on every machine, see ``arch.operators``.  Own
    prices of actions that this machine does not have are meant for others.

    Raises
    ------
    SpecError
        If the tables hold nothing that fits the machine.
    """
    replaced, table = own or {}, {**operator_prices(spec), **machine.prices(spec)}
    return {action: replaced.get(action, price) for action, price in table.items()}


def measured(activations: np.ndarray) -> dict[str, Any]:
    """What a row tells of a layer's input: its type, and how many of its numbers are not zero.

    Examples
    --------
    >>> measured(np.array([[[[3, 0, -1, 2]]]], np.int8))
    {'type': 'int8', 'nonzeros': 3, 'values': 4}
    """
    return {
        "type": str(activations.dtype),
        "nonzeros": int(np.count_nonzero(activations)),
        "values": activations.size,
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """A layer as it was simulated, so that it can be simulated again."""

    tensors: LayerTensors
    around: Neighbours
    kept: Kept
    run: LayerRun


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer of which only the shape is known, for so many images."""

    layer: ConvLayer
    images: int = 1


class Session:
    """One machine that simulates the layers of one network in order.

    It remembers in which planes each layer's output was stored, because the next layer reads one
    run per plane, and whether it stayed on chip.  A machine whose tables do not fit it is refused
    before the first layer.

    Parameters
    ----------
    handovers : by layer, whether its output is handed on whole to the next; empty where readers
        are not known, and then no output stays on chip
    """

    def __init__(
        self,
        machine: Machine,
        spec: MachineSpec,
        own_prices: EnergyTable | None = None,
        handovers: Mapping[str, Handover] | None = None,
    ) -> None:
        self.machine = machine
        self.spec = spec
        self.own_prices = own_prices
        price_table(machine, spec, own_prices)
        machine.resources(spec)
        self.seconds = 0.0
        self.results: list[LayerResult] = []
        self._handovers = handovers or {}
        self._last: _Done | None = None
        self._planes: dict[str, tuple[int, ...]] = {}

    def run(self, layer: LayerTensors | Shape, kept: Kept | None = None) -> LayerRun:
        """Simulate the next layer; ``kept`` belongs to its tensors."""
        started = time.perf_counter()
        if isinstance(layer, Shape):
            run = self.machine.run_shape(layer.layer, self.spec, layer.images)
            self.results.append(run.result)
        else:
            run = self._next(layer, kept or Kept())
        self.seconds += time.perf_counter() - started
        return run

    def trace(self, layer: LayerTensors | Shape) -> LayerTrace:
        """The timeline of the next layer.

        Raises
        ------
        SpecError
            If the machine draws none.
        """
        tracer: Any = self.machine
        if not hasattr(tracer, "trace"):
            raise SpecError(f"{self.machine.name} cannot be traced: its machine has no trace")
        if isinstance(layer, Shape):
            found: LayerTrace = tracer.trace_shape(layer.layer, self.spec, layer.images)
        else:
            found = tracer.trace(layer, self.spec, self._around(layer))
        return found

    def _next(self, tensors: LayerTensors, memory: Kept) -> LayerRun:
        before = self._last
        around = self._around(tensors)
        run = self._simulate(tensors, around, memory)
        if around.input_on_chip and not run.input_on_chip:
            # This input fits less well than the output did, so that had to be stored after all.
            assert before is not None
            del self.results[-2:]
            self._simulate(before.tensors, replace(before.around, handed_on=False), before.kept)
            run = self._simulate(tensors, self._around(tensors), memory)
        return run

    def _simulate(self, tensors: LayerTensors, around: Neighbours, kept: Kept) -> LayerRun:
        run = self.machine.run(tensors, self.spec, around, kept)
        about = kept.get("activations", (), lambda: measured(tensors.activations))
        seen = {**run.result.provenance, "activations": about}
        self.results.append(replace(run.result, provenance=seen))
        self._last = _Done(tensors, around, kept, run)
        self._planes[tensors.layer.name] = run.output_planes
        return run

    def _around(self, tensors: LayerTensors) -> Neighbours:
        """What the layers before and after offer to the next one."""
        name, before = tensors.layer.name, self._last
        mine, theirs = self._handovers.get(name), None
        if before is not None and before.run.output_stays:
            theirs = self._handovers[before.tensors.layer.name].to
        return Neighbours(
            self._input_planes(tensors),
            input_on_chip=theirs == name,
            handed_on=mine is not None,
            stored=mine is None or mine.others,
            swapped=before is not None and before.around.swapped != before.run.output_stays,
        )

    def _input_planes(self, tensors: LayerTensors) -> tuple[int, ...] | None:
        """Planes of the input, or None where a producer is not part of the run."""
        if not tensors.producers or any(p not in self._planes for p in tensors.producers):
            return None
        planes = tuple(size for p in tensors.producers for size in self._planes[p])
        return planes if sum(planes) == tensors.layer.C else None

    def finish(
        self,
        network: str,
        preset: str,
        provenance: Mapping[str, Any] | None = None,
        found: Mapping[str, Between] | None = None,
    ) -> NetworkRun:
        """Everything simulated so far, as one result; ``found`` is what runs behind each layer."""
        return collect(
            self.machine,
            self.spec,
            with_operators(self.results, found or {}),
            network=network,
            preset=preset,
            provenance=provenance,
            own_prices=self.own_prices,
        )


def collect(
    machine: Machine,
    spec: MachineSpec,
    results: Iterable[LayerResult],
    *,
    network: str,
    preset: str,
    provenance: Mapping[str, Any] | None = None,
    own_prices: EnergyTable | None = None,
) -> NetworkRun:
    """Price the layers and combine them; ``own_prices`` replace single prices."""
    layers = tuple(results)
    table = price_table(machine, spec, own_prices)
    return NetworkRun(
        network,
        machine.name,
        preset,
        spec,
        machine.resources(spec),
        layers,
        tuple(charges(layer.counters, table) for layer in layers),
        dict(provenance or {}),
    )
