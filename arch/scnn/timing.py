"""Steps in time: barriers between PEs, and the exchange of halos.

Rules: specification/scnn.md, SCN-6 and SCN-8.
"""

from dataclasses import dataclass

import numpy as np

from arch.scnn.counts import Part
from arch.scnn.spec import ScnnSpec


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Cycles of every step, int64 (steps,): until its last PE is done, and waiting for halos."""

    compute: np.ndarray
    halo: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Both."""
        total: np.ndarray = self.compute + self.halo
        return total


def times(part: Part, spec: ScnnSpec) -> Times:
    """When the steps end.

    With a barrier of the layer a PE starts its next step at once; the length of a step is then
    what it adds to the time of the PE that is behind all others.  A hidden exchange runs during
    the next step and delays that step's end if it is longer; the last one is never hidden.
    """
    if spec.barrier == "channel":
        compute = part.slowest
    elif spec.barrier == "group":
        compute = part.per_pe.max(axis=1)
    else:
        compute = np.diff(np.cumsum(part.per_pe, axis=0).max(axis=1), prepend=0)
    if spec.halo == "serial":
        return Times(compute, part.halo_cycles)
    halo = np.zeros_like(compute)
    if spec.barrier != "layer":
        halo[1:] = np.maximum(part.halo_cycles[:-1] - compute[1:], 0)
    halo[-1] += part.halo_cycles[-1]
    return Times(compute, halo)


def causes(part: Part, useful: int, spec: ScnnSpec, taken: Times) -> dict[str, int]:
    """Multiplier-cycles by cause, waits for DRAM left out.

    ``multiply`` a product that belongs to an output, of which there are ``useful``; ``outside``
    one that belongs to none; ``fragmentation`` a vector is not full; ``bank_conflict`` products
    wait for their bank; ``channel_start`` a PE begins a channel; ``imbalance`` it waits for the
    slowest PE; ``idle_mapping`` it has no tile; ``halo`` all wait for an exchange.
    """
    compute = int(taken.compute.sum())
    idle = (spec.pes - part.used_pes) * compute
    conflicts = part.busy_cycles - part.starts - part.blocks
    waits = spec.pes * compute - idle - part.busy_cycles
    return {
        "multiply": useful,
        "outside": part.products - useful,
        "fragmentation": part.blocks * spec.products - part.products,
        "bank_conflict": conflicts * spec.products,
        "channel_start": part.starts * spec.products,
        "imbalance": waits * spec.products,
        "idle_mapping": idle * spec.products,
        "halo": int(taken.halo.sum()) * spec.units,
    }
