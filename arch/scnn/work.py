"""A layer's images one after the other, and what stays on chip between layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from arch.blas import one_thread
from arch.machine import Neighbours
from arch.pairs import effectual_pairs
from arch.scnn.counts import Part
from arch.scnn.feed import Feed, Fused, mask
from arch.scnn.residency import plane_bytes
from arch.scnn.search import Bench, by_layer_groups, search
from arch.scnn.sequence import Plan, cost, one_by_one
from arch.scnn.spec import ScnnSpec
from workloads.layer import ConvLayer

# What changes the counts of a strip; every other field of the spec leaves them alone.
KEY_FIELDS = (
    "pe_rows",
    "pe_columns",
    "activation_vector",
    "weight_vector",
    "index_bits",
    "tiling",
    "bank_conflicts",
    "channel_cycles",
    "skip_zeros",
)


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """All images of a layer, and how many of its products count.

    ``pairs`` are products of two non-zeros that belong to an output, ``products`` all that do.
    """

    benches: list[Bench]
    pairs: int
    products: int

    def useful(self, spec: ScnnSpec) -> int:
        """Products made that belong to an output."""
        return self.pairs if spec.skip_zeros else self.products


def images(
    layer: ConvLayer, activations: np.ndarray, weights: np.ndarray, outputs: np.ndarray
) -> Images:
    """A layer's tensors, ready for plans.

    Parameters
    ----------
    layer : ConvLayer
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)
    outputs : integers, shape (N, K, P, Q)
    """
    by_tap = np.ascontiguousarray(mask(weights).transpose(1, 2, 3, 0))
    feeds = zip(mask(activations), mask(outputs), strict=True)
    benches = [Bench(Feed(layer, pixels, by_tap, output)) for pixels, output in feeds]
    every = effectual_pairs(layer, np.ones_like(activations), np.ones_like(weights))
    return Images(benches, effectual_pairs(layer, activations, weights), every)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The plan of all images; ``strips`` of each, ``useful`` products, ``pairs`` of non-zeros.

    ``stored`` are the bytes of each tensor in DRAM: of every image's input, of the weights once.
    """

    plan: Plan
    strips: int
    useful: int
    pairs: int
    input_on_chip: bool
    output_stays: bool
    stored: dict[str, int]


def _held(sizes: Sequence[np.ndarray | None], most: int) -> bool:
    """Whether what all images leave in each PE fits."""
    known = [size for size in sizes if size is not None]
    return len(known) == len(sizes) and int(np.sum(known, axis=0).max()) <= most


def _all_images(
    of: Images, spec: ScnnSpec, fused: Fused, limit: tuple[int, int] | None = None
) -> tuple[list[Plan], Plan] | None:
    """Each image by its own best plan, and all of them in order; None where no plan is fused.

    None also where a plan of the only image takes no less than ``limit``, cycles and bytes.
    """
    plans = []
    alone = fused == Fused()
    apart = alone and of.benches[0].feed.layer.groups > 1  # may still be better
    for bench in of.benches:
        plan = search(bench, spec, fused, None if len(of.benches) > 1 or apart else limit)
        if plan is None:
            return None
        plans.append(by_layer_groups(bench, spec, plan) if alone else plan)
    together = fused.input or _held([plan.whole for plan in plans], spec.iaram_bytes)
    seams = [not (together or (one.half and two.half)) for one, two in pairwise(plans)]
    return plans, one_by_one(plans, seams)


@one_thread()  # products are small, and BLAS's threads would spin between them
def work(of: Images, spec: ScnnSpec, around: Neighbours) -> Work:
    """The plan of the fewest cycles, then bytes, of what the neighbours offer.

    Raises
    ------
    OperandError
        If ``tiling`` names a plan and a tile of one row of outputs exceeds the accumulators.
    """
    inputs = (True, False) if around.input_on_chip else (False,)
    outputs = (True, False) if around.handed_on and not around.stored else (False,)
    best: tuple[tuple[int, int], list[Plan], Plan, Fused] | None = None
    for fused in (Fused(*each) for each in product(inputs, outputs)):
        made = _all_images(of, spec, fused, None if best is None else best[0])
        if made is None:
            continue
        plans, plan = made
        if fused.input and not _held([each.whole for each in plans], spec.iaram_bytes):
            continue
        if fused.output and not _stays(plans, spec):
            continue
        found = cost(plan, spec)
        if best is None or found < best[0]:
            best = found, plans, plan, fused
    assert best is not None
    _, plans, plan, fused = best
    return Work(
        plan,
        plans[0].strips,
        of.useful(spec),
        of.pairs,
        fused.input,
        around.handed_on and _stays(plans, spec) and (fused.output or around.stored),
        {
            "input": sum(plane_bytes(bench.feed, spec) for bench in of.benches),
            "weight": plans[0].weights_once,
        },
    )


def _stays(plans: Sequence[Plan], spec: ScnnSpec) -> bool:
    """Whether the OARAMs hold the output of all images."""
    return _held([plan.stays for plan in plans], 8 * spec.oaram_bytes // spec.entry_bits)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a plan does, DRAM left out; see ``Part`` and ``Images``."""

    part: Part
    useful: int
    pairs: int


@one_thread()
def counted(
    layer: ConvLayer, spec: ScnnSpec, activations: np.ndarray, weights: np.ndarray
) -> Found:
    """The counts of the plan that ``MACHINE.run`` takes for a layer alone.

    Parameters
    ----------
    layer : ConvLayer
    spec : ScnnSpec
    activations : integers, shape (N, C, H, W)
    weights : integers, shape (K, C/groups, R, S)

    Raises
    ------
    OperandError
        If a named plan's tile of one row of outputs exceeds the accumulators.
    """
    nothing = np.zeros((len(activations), layer.K, layer.P, layer.Q), np.int8)
    of = images(layer, activations, weights, nothing)
    made = _all_images(of, spec, Fused())
    assert made is not None  # without neighbours there always is a plan
    _, plan = made
    return Found(plan.part, of.useful(spec), of.pairs)
