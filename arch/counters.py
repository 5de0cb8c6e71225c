"""Counters and LayerResult: only integers are stored; everything else is computed from them.

Rules: specification/memory.md, MEM-5 and MEM-12.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from arch.errors import InvariantError
from arch.spec import MachineSpec
from workloads.layer import ConvLayer

# (memory level, tensor, "read" or "write") -> bytes
Traffic = Mapping[tuple[str, str, str], int]
# (component, action, tensor) -> number of actions; an energy table prices (component, action)
Events = Mapping[tuple[str, str, str], int]


def added(counts: Iterable[int | None]) -> int | None:
    """The sum, or None if one of the terms is unknown.

    Examples
    --------
    >>> added([1, 2]), added([1, None])
    (3, None)
    """
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


@dataclass(frozen=True, slots=True)
class Counters:
    """What one layer did on one machine, as counts.

    Parameters
    ----------
    cycles : the layer's total
    compute_cycles, drain_cycles, pipeline_cycles, memory_stall_cycles : add up to ``cycles``
    macs : dense multiply-accumulates of the original layer, all images
    effectual_ops : pairs of a non-zero integer weight and a non-zero activation, each once, see
        ``arch.pairs``; None where no tensor tells
    multiplies : multiplications performed
    units : number of units whose time ``causes`` explains
    causes : unit-cycles by cause; add up to units x cycles
    traffic : bytes by (level, tensor, direction)
    events : actions by (component, action, tensor)
    peak_bandwidth : bytes/s, the busiest aligned microsecond of the DRAM
    stage1_pairs : pairs of a non-zero coefficient and a non-zero activation that a machine with a
        basis adds in its first stage, as often as it adds them
    """

    cycles: int
    compute_cycles: int
    drain_cycles: int
    pipeline_cycles: int
    memory_stall_cycles: int
    macs: int
    effectual_ops: int | None
    multiplies: int
    units: int
    causes: Mapping[str, int]
    traffic: Traffic
    events: Events
    peak_bandwidth: Fraction = Fraction(0)
    stage1_pairs: int = 0

    def __post_init__(self) -> None:
        parts = self.compute_cycles + self.drain_cycles + self.pipeline_cycles
        if parts + self.memory_stall_cycles != self.cycles:
            raise InvariantError(
                f"compute, drain, pipeline and stall cycles add up to "
                f"{parts + self.memory_stall_cycles}, not to {self.cycles}"
            )
        if sum(self.causes.values()) != self.units * self.cycles:
            raise InvariantError(
                f"causes add up to {sum(self.causes.values())}, not to {self.units} units x "
                f"{self.cycles} cycles"
            )
        for table in (self.causes, self.traffic, self.events):
            for key, value in table.items():
                if value < 0:
                    raise InvariantError(f"{key} counts {value}")
        for name in ("causes", "traffic", "events"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def traffic_bytes(
        self, level: str, *, tensor: str | None = None, direction: str | None = None
    ) -> int:
        """Bytes that crossed one level, optionally of one tensor or direction only."""
        return sum(
            count
            for (at, what, way), count in self.traffic.items()
            if at == level and tensor in (None, what) and direction in (None, way)
        )

    @property
    def dram_bytes(self) -> int:
        """All bytes read from and written to DRAM."""
        return self.traffic_bytes("dram")


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One layer on one machine: counts, and what they were counted from.

    ``extras`` holds the machine's own integers and choices (tiles, loop order, packing …);
    ``provenance`` says what the tensors were (origin, digest, notes for the row); ``stored`` how
    many bytes each tensor takes in DRAM.
    """

    layer: ConvLayer
    images: int
    machine: str
    spec: MachineSpec
    mode: str
    counters: Counters
    extras: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)

    @property
    def on_host(self) -> bool:
        """Whether the machine computes nothing here: the row of an operator between layers."""
        return self.counters.units == 0

    @property
    def reads(self) -> dict[str, float]:
        """Bytes of each tensor read from DRAM, divided by its stored bytes; whole bursts."""
        moved, burst = self.counters.traffic, self.spec.dram_burst_bytes
        return {
            tensor: moved.get(("dram", tensor, "read"), 0) / (-(-size // burst) * burst)
            for tensor, size in self.stored.items()
            if size
        }

    @property
    def latency_s(self) -> float:
        """Seconds from the first request to the last byte written."""
        return self.counters.cycles / self.spec.clock_hz

    @property
    def mean_bandwidth_bytes_per_s(self) -> float:
        """DRAM bytes divided by the latency; 0 where no time is counted."""
        return self.counters.dram_bytes / self.latency_s if self.counters.cycles else 0.0
