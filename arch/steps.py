"""Steps: what a layer does one after the other, and the DRAM requests of each step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.memory import Timeline, Traffic, finish, schedule
from arch.spec import MachineSpec

Dram = dict[tuple[str, str, str], int]


def bursts(sizes: np.ndarray, spec: MachineSpec) -> np.ndarray:
    """Bytes of each run on the DRAM bus, in whole bursts; int64 of the same shape.

    Examples
    --------
    >>> bursts(np.array([0, 1, 65]), MachineSpec()).tolist()
    [0, 64, 128]
    """
    rounded: np.ndarray = -(-sizes // spec.dram_burst_bytes) * spec.dram_burst_bytes
    return rounded


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Steps in order, each with its cycles and its bytes to and from DRAM.

    Parameters
    ----------
    lengths : int64 (steps,), cycles each step computes
    loads, stores : by tensor, int64 (steps,), bytes; a tensor's bytes of one step are one run,
        which the bus rounds up to bursts

    Examples
    --------
    >>> steps = Steps(np.array([5, 5]), {"input": np.array([640, 0])}, {"output": np.array([0, 1])})
    >>> steps.cycles, steps.dram(MachineSpec())
    (10, {('dram', 'input', 'read'): 640, ('dram', 'output', 'write'): 64})
    """

    lengths: np.ndarray
    loads: Mapping[str, np.ndarray]
    stores: Mapping[str, np.ndarray]

    @property
    def cycles(self) -> int:
        """Cycles without any wait for DRAM."""
        return int(self.lengths.sum())

    def repeated(self, times: int) -> "Steps":
        """The same steps, ``times`` times."""
        return Steps(
            np.tile(self.lengths, times),
            {name: np.tile(part, times) for name, part in self.loads.items()},
            {name: np.tile(part, times) for name, part in self.stores.items()},
        )

    def traffic(self, spec: MachineSpec) -> Traffic:
        """The DRAM requests of every step."""
        loads = sum((bursts(part, spec) for part in self.loads.values()), 0 * self.lengths)
        stores = sum((bursts(part, spec) for part in self.stores.values()), 0 * self.lengths)
        return Traffic(loads, stores, self.lengths)

    def timeline(self, spec: MachineSpec) -> Timeline:
        """When each step runs."""
        return schedule(self.traffic(spec), spec)

    def finish(self, spec: MachineSpec) -> int:
        """Cycles with all waits for DRAM, for comparing plans."""
        return finish(self.traffic(spec), spec)

    def dram(self, spec: MachineSpec) -> Dram:
        """Bytes by ("dram", tensor, direction)."""
        table: Dram = {}
        for side, way in ((self.loads, "read"), (self.stores, "write")):
            for tensor, part in side.items():
                table["dram", tensor, way] = int(bursts(part, spec).sum())
        return table
