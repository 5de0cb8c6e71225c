"""Plan: what one image does step by step, in cycles and bytes; plans one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from arch.scnn.counts import Part, joined
from arch.scnn.plan import Grouping
from arch.scnn.spec import ScnnSpec
from arch.scnn.timing import Times
from arch.steps import Steps


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One image, or the channels of one layer group of it, step by step.

    Parameters
    ----------
    strips : of the plane
    grouping : groups of filters, of the first plan where there are several
    part, taken : Part, and Times
    inputs, weights, outputs : int64 (steps,), stored bytes from and to DRAM
    leaves : int64 (steps,), bytes of each step's outputs, stored or not
    weights_once : bytes of the weights in DRAM, coded as this plan reads them
    breaks : bool (steps,), whether a step's data is not loaded before the step before has ended
    whole : int64 (tiles,), IARAM bytes of the input, None where strips follow each other
    stays : int64 (PEs,), entries of the output, None likewise
    streamed : whether some input is read again
    half : whether the first and last unit leave half of the IARAM to a neighbour
    """

    strips: int
    grouping: Grouping
    part: Part
    taken: Times
    inputs: np.ndarray
    weights: np.ndarray
    outputs: np.ndarray
    leaves: np.ndarray
    weights_once: int
    breaks: np.ndarray
    whole: np.ndarray | None
    stays: np.ndarray | None
    streamed: bool
    half: bool

    def steps(self) -> Steps:
        """The steps, with an empty one before each that waits for all that went before."""
        gaps = np.flatnonzero(self.breaks)
        inputs, read, output, lengths = (
            np.insert(values, gaps, 0)
            for values in (self.inputs, self.weights, self.outputs, self.taken.lengths)
        )
        return Steps(lengths, {"input": inputs, "weight": read}, {"output": output})


def cost(plan: Plan, spec: ScnnSpec) -> tuple[int, int]:
    """Cycles, and DRAM bytes."""
    steps = plan.steps()
    return steps.finish(spec), sum(steps.dram(spec).values())


def floor(plan: Plan, spec: ScnnSpec) -> tuple[int, int]:
    """Cycles that a plan takes at least if some blocks are still to be counted, and DRAM bytes.

    No step ends sooner for another one that takes longer.  With a barrier of the layer only the
    sum of all steps is known: a step may shrink where the PE that is behind all others changes.
    """
    if spec.barrier != "layer":
        return cost(plan, spec)
    still = replace(plan, taken=Times(0 * plan.taken.compute, 0 * plan.taken.halo))
    cycles, moved = cost(still, spec)
    return max(cycles, int(plan.taken.lengths.sum())), moved


def one_by_one(plans: Sequence[Plan], seams: Sequence[bool]) -> Plan:
    """Plans one after the other; ``seams`` tell where the next one waits for the one before."""
    breaks = [plan.breaks.copy() for plan in plans]
    for at, seam in enumerate(seams):
        breaks[at + 1][0] = seam

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(plan, name) for plan in plans])

    return Plan(
        strips=sum(plan.strips for plan in plans),
        grouping=plans[0].grouping,
        part=joined([plan.part for plan in plans]),
        taken=Times(
            np.concatenate([plan.taken.compute for plan in plans]),
            np.concatenate([plan.taken.halo for plan in plans]),
        ),
        inputs=all_of("inputs"),
        weights=all_of("weights"),
        outputs=all_of("outputs"),
        leaves=all_of("leaves"),
        weights_once=sum(plan.weights_once for plan in plans),
        breaks=np.concatenate(breaks),
        whole=None,
        stays=None,
        streamed=any(plan.streamed for plan in plans),
        half=plans[0].half and plans[-1].half,
    )
