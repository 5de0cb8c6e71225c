"""A network on a machine: layer after layer, each fed with the planes its producers stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from arch.counters import LayerResult
from arch.energy import AJ_PER_J, Charge, EnergyTable, charges
from arch.machine import LayerRun, Machine, Resources
from arch.spec import MachineSpec
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
    def effectual_ops(self) -> int:
        """Operand pairs of which both are non-zero."""
        return sum(result.counters.effectual_ops for result in self.results)

    @property
    def peak_bandwidth(self) -> Fraction:
        """Bytes/s of the busiest aligned microsecond of any layer."""
        return max((r.counters.peak_bandwidth for r in self.results), default=Fraction(0))


def price_table(machine: Machine, spec: MachineSpec, own: EnergyTable | None = None) -> EnergyTable:
    """Prices of a machine's actions, with single ones replaced by a user's ``own``.

    Own prices of actions that this machine does not have are meant for others.

    Raises
    ------
    SpecError
        If the tables hold nothing that fits the machine.
    """
    replaced = own or {}
    return {action: replaced.get(action, price) for action, price in machine.prices(spec).items()}


class Session:
    """One machine simulating the layers of one network in order.

    It remembers in which planes each layer's output was stored, because the next layer reads one
    run per plane.  A machine whose tables do not fit it is refused before the first layer.
    """

    def __init__(
        self, machine: Machine, spec: MachineSpec, own_prices: EnergyTable | None = None
    ) -> None:
        self.machine = machine
        self.spec = spec
        self.own_prices = own_prices
        price_table(machine, spec, own_prices)
        machine.resources(spec)
        self.runs: list[LayerRun] = []
        self._planes: dict[str, tuple[int, ...]] = {}

    def run(self, tensors: LayerTensors) -> LayerRun:
        """Simulate the next layer."""
        run = self.machine.run(tensors, self.spec, self._input_planes(tensors))
        self.runs.append(run)
        self._planes[tensors.layer.name] = run.output_planes
        return run

    def _input_planes(self, tensors: LayerTensors) -> tuple[int, ...] | None:
        """Planes of the input, or None where a producer is not part of the run."""
        if not tensors.producers or any(p not in self._planes for p in tensors.producers):
            return None
        planes = tuple(size for p in tensors.producers for size in self._planes[p])
        return planes if sum(planes) == tensors.layer.C else None

    def finish(
        self, network: str, preset: str, provenance: Mapping[str, Any] | None = None
    ) -> NetworkRun:
        """Everything simulated so far, as one result."""
        return collect(
            self.machine,
            self.spec,
            (run.result for run in self.runs),
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
    """Price the layers and put them together; ``own_prices`` replace single ones."""
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
