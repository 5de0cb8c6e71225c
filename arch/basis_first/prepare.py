"""A layer of the Basis-First machine worked out and planned, before its steps are timed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from arch.basis_first.bounds import check_bounds
from arch.basis_first.channel_cuts import blocks_wait, channel_cuts
from arch.basis_first.layout import StoredTensor, store
from arch.basis_first.modes import KTile, channel_tile, k_tiles
from arch.basis_first.search import UNLIMITED, Search, Timed
from arch.basis_first.shared import Shared, tiles_key
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.step_inputs import StepInputs, step_inputs
from arch.basis_first.steps import Plan, plan, stored_coefficients, streams
from arch.basis_first.tiling import TilingProblem, why_infeasible
from arch.basis_first.work import Work, work, work_key
from arch.errors import OperandError
from arch.machine import ALONE, Kept, Neighbours
from arch.memory import Traffic
from arch.outputs import stored_output
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


def _input_planes(layer: ConvLayer, planes: tuple[int, ...] | None) -> tuple[int, ...]:
    """One plane unless the producers say otherwise."""
    chosen = planes or (layer.C,)
    if sum(chosen) != layer.C or min(chosen) < 1:
        raise OperandError(f"{layer.name}: input planes {chosen} do not add up to C = {layer.C}")
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A layer worked out and planned, before its steps are timed."""

    tensors: LayerTensors
    spec: BasisFirstSpec
    planes: tuple[int, ...]
    tiles: tuple[KTile, ...]
    found: Work
    output: np.ndarray
    shift: int | None
    steps: Plan
    around: Neighbours
    output_stays: bool
    stored: Mapping[str, int]

    @property
    def inputs(self) -> StepInputs:
        """What the recurrences need."""
        return step_inputs(self.tensors, self.spec, self.tiles, self.found, self.steps)

    @property
    def drains(self) -> np.ndarray:
        """Drain cycles of every step: the tile's columns once per (k-tile, image, tile)."""
        if self.tensors.mode == "pointwise":
            return np.zeros(len(self.steps.steps), np.int64)
        return np.array([step.tile.width if step.last else 0 for step in self.steps.steps])

    def traffic(self, compute: np.ndarray) -> Traffic:
        """What each step asks of the DRAM and how long it is, given its compute cycles."""
        length = compute + self.drains + self.spec.pipeline_cycles
        asked = self.steps.bytes
        return Traffic(asked.load, asked.output, length)


def _problem(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    planes: tuple[int, ...],
    found: Work,
    output: np.ndarray,
    around: Neighbours,
    memory: Kept,
) -> tuple[TilingProblem, bool]:
    """What the plan depends on, the offers of ``around`` settled, and if the output stays."""
    widths = tuple(k_tile.stop - k_tile.start for k_tile in tiles)
    stored = memory.get("output planes", widths, lambda: store(output, widths))
    images = memory.get("input planes", planes, lambda: store(tensors.activations, planes))
    fused = spec.layer_fusion == "on"
    stays = fused and around.handed_on and _together(stored) <= spec.output_glb_bytes // 2
    settled = replace(
        around,
        input_on_chip=fused
        and around.input_on_chip
        and _together(images) <= spec.input_glb_bytes // 2,
        stored=around.stored or not stays,
    )
    problem = TilingProblem(
        tensors.layer,
        spec,
        tiles,
        images,
        tuple(tuple(image.plane(n) for image in stored) for n in range(len(tiles))),
        streams(tensors, tiles),
        found.lengths,
        settled,
    )
    return problem, stays


def _together(images: tuple[StoredTensor, ...]) -> int:
    """Compressed bytes of all images, before burst rounding."""
    return sum(int(image.whole().sum()) for image in images)


def prepare(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    around: Neighbours = ALONE,
    kept: Kept | None = None,
) -> Prepared:
    """Phase 1 and the plan of one layer; parameters and errors as for :func:`simulate`."""
    layer, memory = tensors.layer, kept or Kept()
    if around.swapped:
        sizes = {"input_glb_bytes": spec.output_glb_bytes, "output_glb_bytes": spec.input_glb_bytes}
        spec = spec.model_copy(update=sizes)
    planes = _input_planes(layer, around.input_planes)
    if spec.loop_order == "auto":
        return _best(tensors, spec, planes, around, memory)
    made = _made(tensors, spec, spec, planes, around, memory, "work")
    return made.prepared(plan(made.problem, tensors))


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Phase 1 of a layer with its channels cut in one way."""

    tensors: LayerTensors
    planes: tuple[int, ...]
    found: Work
    output: np.ndarray
    shift: int | None
    problem: TilingProblem
    stays: bool

    def prepared(self, steps: Plan) -> Prepared:
        """With a plan."""
        problem = self.problem
        return Prepared(
            self.tensors,
            problem.spec,
            self.planes,
            problem.k_tiles,
            self.found,
            self.output,
            self.shift,
            steps,
            problem.around,
            self.stays,
            self._stored(),
        )

    def _stored(self) -> dict[str, int]:
        """Bytes of each tensor in DRAM."""
        basis = self.tensors.basis
        return {
            "input": _together(self.problem.images),
            "coefficient": int(stored_coefficients(self.problem, self.tensors).sum()),
            "basis": 0 if basis is None else basis.size,
        }


def _made(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    cut: BasisFirstSpec,
    planes: tuple[int, ...],
    around: Neighbours,
    memory: Kept,
    purpose: str,
    known: Work | None = None,
) -> _Made:
    """Phase 1 with channels cut as the buffers of ``cut`` ask; ``known`` as for ``work``."""
    layer = tensors.layer
    bypass = tensors.mode == "bypass"
    check_bounds(tensors, spec, layer.channels_per_group if bypass else channel_tile(layer, cut))
    tiles = memory.get(f"tiles {purpose}", tiles_key(cut), lambda: k_tiles(tensors, cut))
    found = memory.get(purpose, work_key(tensors, cut), lambda: work(tensors, cut, known))
    output, shift = memory.get("output", (), lambda: stored_output(tensors, found.psums))
    problem, stays = _problem(tensors, spec, tiles, planes, found, output, around, memory)
    return _Made(tensors, planes, found, output, shift, problem, stays)


def _best(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    planes: tuple[int, ...],
    around: Neighbours,
    memory: Kept,
) -> Prepared:
    """The best plan of all that the buffers allow; parameters and errors as for ``prepare``."""
    best: tuple[_Made, Timed] | None = None
    first: Search | None = None
    limit, known = UNLIMITED, None
    problem: OperandError | None = None
    for number, (cut, division) in enumerate(channel_cuts(tensors, spec)):
        if first is not None and first.least(division) > limit[0]:
            continue
        try:
            made = _made(tensors, spec, cut, planes, around, memory, f"work {number}", known)
        except OperandError as error:
            problem = problem or error
            continue
        known, shared = made.found, Shared(memory, number, cut, planes)
        search = Search(made.problem, tensors, made.found, shared, division)
        first = first or search
        found = search.best(limit)
        if found is not None:
            best, limit = (made, found), (*found.cost[:2], -1)  # of equals the first
        elif best is None:
            problem = problem or OperandError(
                f"{tensors.layer.name}: {why_infeasible(made.problem)}"
            )
        if number == 0 and best is not None and not blocks_wait(made.problem.k_tiles, spec):
            break  # the widest vectors have nothing to wait for
    if best is None:
        assert problem is not None
        raise problem
    made, found = best
    return made.prepared(found.plan())
