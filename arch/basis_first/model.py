"""The Basis-First machine: sections 1 to 8 put together for one layer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.area import area
from arch.basis_first.batch import by_image
from arch.basis_first.bounds import check_bounds
from arch.basis_first.channel_cuts import channel_cuts
from arch.basis_first.charges import events, prices
from arch.basis_first.layout import StoredTensor, bursts, store
from arch.basis_first.modes import KTile, channel_tile, k_tiles
from arch.basis_first.recurrence import step_times
from arch.basis_first.search import Search, Timed
from arch.basis_first.spec import PRESETS, BasisFirstSpec
from arch.basis_first.step_inputs import StepInputs, step_inputs
from arch.basis_first.steps import Plan, plan, stored_coefficients, streams
from arch.basis_first.tally import Tally, pairs_by_image, tally
from arch.basis_first.tiling import TilingProblem, why_infeasible
from arch.basis_first.work import KEY_FIELDS, Work, work, work_key
from arch.counters import Counters, LayerResult
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import ALONE, Kept, LayerRun, Neighbours, Resources
from arch.memory import Timeline, Traffic, peak_bandwidth, schedule
from arch.outputs import stored_output
from arch.pairs import effectual_ops
from arch.spec import MachineSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

POINTER_BYTES = 4  # one row pointer (section 7, layout)
NO_REQUANTIZER = "output: ReLU and a right shift to 8 bits, where no requantizer is known"


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


def time_steps(inputs: StepInputs) -> np.ndarray:
    """Phase 2: the recurrences of all steps, int64 (steps, FIELDS)."""
    out = np.zeros((len(inputs.part), field.FIELDS), np.int64)
    step_times(*inputs, out)
    return out


def _causes(
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    steps: Plan,
    times: np.ndarray,
    drains: int,
    timeline: Timeline,
) -> dict[str, int]:
    """Block-cycles by cause; they add up to pe_blocks x cycles."""
    unassigned = sum(
        (spec.pe_blocks - tiles[step.k_tile].passes[step.pass_].blocks) * int(compute)
        for step, compute in zip(steps.steps, times[:, field.COMPUTE], strict=True)
    )
    overhead = drains + spec.pipeline_cycles * len(steps.steps)
    total = times.sum(axis=0)
    return {
        "mac": int(total[field.MAC]),
        "ca": int(total[field.CA]),
        "broadcast": int(total[field.BROADCAST]),
        "slowest": int(total[field.SLOWEST]),
        "idle": unassigned + spec.pe_blocks * overhead,
        "dram": spec.pe_blocks * timeline.stall_cycles,
    }


def _shortcut_bytes(tensors: LayerTensors, burst: int) -> int:
    """The other operand of an addition, read compressed as one plane per image."""
    if tensors.shortcut is None:
        return 0
    images = store(tensors.shortcut, (tensors.shortcut.shape[1],))
    return sum(bursts(image.whole(), burst) for image in images)


def _traffic(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    steps: Plan,
    counts: Tally,
    planes: int,
    around: Neighbours,
    shortcut_bytes: int,
) -> dict[tuple[str, str, str], int]:
    """Bytes by level, tensor and direction; row pointers are metadata, in no request."""
    layer, images = tensors.layer, tensors.images
    total = {name: steps.bytes.total(name) for name in ("input", "coefficient", "basis", "output")}
    stored_planes = len({(step.k_tile, step.image) for step in steps.steps}) * around.stored
    planes = 0 if around.input_on_chip else planes
    return {
        ("dram", "input", "read"): total["input"],
        ("dram", "coefficient", "read"): total["coefficient"],
        ("dram", "basis", "read"): total["basis"],
        ("dram", "shortcut", "read"): shortcut_bytes,
        ("dram", "output", "write"): total["output"],
        ("metadata", "input", "read"): POINTER_BYTES * layer.H * planes * images,
        ("metadata", "output", "write"): POINTER_BYTES * layer.P * stored_planes,
        ("glb", "input", "write"): total["input"],
        ("glb", "input", "read"): counts.vector_bytes,
        ("glb", "output", "write"): counts.output_bytes,
        ("glb", "output", "read"): total["output"],
        ("vector_buffer", "input", "write"): counts.vector_write_bytes,
        ("vector_buffer", "input", "read"): counts.vector_read_bytes,
        ("coefficient_buffer", "coefficient", "write"): total["coefficient"],
        ("coefficient_buffer", "coefficient", "read"): counts.coefficient_read_bytes,
        ("psum_buffer", "psum", "write"): counts.psum_writes * spec.psum_bits // 8,
        ("psum_buffer", "psum", "read"): counts.psum_reads * spec.psum_bits // 8,
    }


def _problem(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    planes: tuple[int, ...],
    found: Work,
    output: np.ndarray,
    around: Neighbours,
) -> tuple[TilingProblem, bool]:
    """What the plan depends on, the offers of ``around`` settled, and if the output stays."""
    stored = store(output, tuple(k_tile.stop - k_tile.start for k_tile in tiles))
    images = store(tensors.activations, planes)
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
            *(self.tensors, problem.spec, self.planes, problem.k_tiles, self.found),
            *(self.output, self.shift, steps, problem.around, self.stays, self._stored()),
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
) -> _Made:
    """Phase 1 with channels cut as the buffers of ``cut`` ask."""
    layer = tensors.layer
    bypass = tensors.mode == "bypass"
    check_bounds(tensors, spec, layer.channels_per_group if bypass else channel_tile(layer, cut))
    tiles = k_tiles(tensors, cut)
    found = memory.get(purpose, work_key(tensors, cut), lambda: work(tensors, cut))
    output, shift = memory.get("output", (), lambda: stored_output(tensors, found.psums))
    problem, stays = _problem(tensors, spec, tiles, planes, found, output, around)
    return _Made(tensors, planes, found, output, shift, problem, stays)


def _best(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    planes: tuple[int, ...],
    around: Neighbours,
    memory: Kept,
) -> Prepared:
    """The best plan of all that the buffers allow; parameters and errors as for ``prepare``."""
    best: tuple[tuple[int, int], _Made, Timed] | None = None
    coarsest: Search | None = None
    problem: OperandError | None = None
    for number, cut in enumerate(channel_cuts(tensors, spec)):
        if best is not None and coarsest is not None:
            passes = sum(len(tile.passes) for tile in k_tiles(tensors, cut))
            if coarsest.least(passes) > best[0][0]:
                continue
        try:
            made = _made(tensors, spec, cut, planes, around, memory, f"work {number}")
        except OperandError as error:
            problem = problem or error
            continue
        search = Search(made.problem, tensors, made.found)
        coarsest = coarsest or search
        found = search.best()
        if found is None:
            problem = problem or OperandError(
                f"{tensors.layer.name}: {why_infeasible(made.problem)}"
            )
        elif best is None or found.cost[:2] < best[0]:
            best = found.cost[:2], made, found
    if best is None:
        assert problem is not None
        raise problem
    return best[1].prepared(best[2].plan())


def simulate(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    around: Neighbours = ALONE,
    kept: Kept | None = None,
) -> LayerRun:
    """Simulate one layer, exactly: every pixel, channel, slice and row of the tensors.

    Parameters
    ----------
    tensors : LayerTensors
    spec : BasisFirstSpec
    around : what the layers before and after it offer
    kept : what earlier runs of these tensors have worked out

    Raises
    ------
    OperandError, SpecError
        Naming layer, buffer or channel, and the values.
    """
    memory = kept or Kept()
    prepared = prepare(tensors, spec, around, memory)
    digest = memory.get("digest", (), tensors.digest)
    effectual = effectual_ops(tensors, memory)
    return finish(prepared, time_steps(prepared.inputs), spec, digest, effectual)


def finish(
    prepared: Prepared, times: np.ndarray, asked: BasisFirstSpec, digest: str, effectual: int
) -> LayerRun:
    """Count everything in a prepared layer whose steps are timed.

    ``asked`` is the spec as the user knows it, whose buffers have not swapped.
    """
    tensors, spec, tiles = prepared.tensors, prepared.spec, prepared.tiles
    around = prepared.around
    layer, found, steps = tensors.layer, prepared.found, prepared.steps
    drains = int(prepared.drains.sum())
    compute = times[:, field.COMPUTE]
    timeline = schedule(prepared.traffic(compute), spec)
    pairs = pairs_by_image(tensors, found, steps)
    counts = tally(tensors, spec, tiles, found, steps, times, prepared.output)
    shortcut = _shortcut_bytes(tensors, spec.dram_burst_bytes)
    counters = Counters(
        cycles=timeline.cycles,
        compute_cycles=int(compute.sum()),
        drain_cycles=drains,
        pipeline_cycles=spec.pipeline_cycles * len(steps.steps),
        memory_stall_cycles=timeline.stall_cycles,
        macs=tensors.dense_macs,
        effectual_ops=effectual,
        multiplies=counts.multiplies,
        units=spec.pe_blocks,
        causes=_causes(spec, tiles, steps, times, drains, timeline),
        traffic=_traffic(tensors, spec, steps, counts, len(prepared.planes), around, shortcut),
        events=events(
            *(spec, steps, counts, int(pairs.sum()), timeline.cycles, shortcut, around.swapped)
        ),
        peak_bandwidth=peak_bandwidth(timeline.requests, spec.clock_hz),
        stage1_pairs=int(pairs.sum()),
    )
    shift = prepared.shift
    extras = {
        "loop_order": steps.order,
        "tile_rows": steps.tile_height,
        "tile_columns": steps.tile_width,
        "tiles": steps.tiles,
        "k_tiles": len(tiles),
        "passes": len(tiles[0].passes),
        "steps": len(steps.steps),
        "input_on_chip": int(around.input_on_chip),
        "output_stays": int(prepared.output_stays),
        "broadcast_pixels": steps.broadcast_pixels,
        "ca_cycles": counts.ca_cycles,
        **by_image(steps, times, pairs),
    }
    notes = [] if shift is None else [NO_REQUANTIZER]
    if shift is not None:
        extras["output_shift"] = shift
    result = LayerResult(
        layer,
        tensors.images,
        BasisFirst.name,
        asked,
        tensors.mode,
        counters,
        extras,
        {"origin": tensors.origin, "digest": digest, "notes": notes},
        prepared.stored,
    )
    return LayerRun(
        result,
        found.psums,
        tuple(k.stop - k.start for k in tiles),
        input_on_chip=around.input_on_chip,
        output_stays=prepared.output_stays,
    )


class BasisFirst:
    """The machine as the registry sees it."""

    name: ClassVar[str] = "basis_first"
    summary: ClassVar[str] = "decomposed convolutions: ternary coefficients first, then the basis"
    source: ClassVar[str] = (
        "dataflow after ESCALATE (MICRO 2021), doi 10.1145/3466752.3480043; its sizes are not "
        "public, so every size is an assumption of ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = BasisFirstSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_shapes: ClassVar[bool] = False
    eats_basis: ClassVar[bool] = True
    kept_fields: ClassVar[tuple[str, ...]] = KEY_FIELDS

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer."""
        assert isinstance(spec, BasisFirstSpec)
        return simulate(tensors, spec, around, kept)

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Refuse: this machine's time depends on values."""
        raise OperandError(
            f"{layer.name}: basis_first needs tensors, not only shapes; "
            "give a compressed folder or .npz files"
        )

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Section 8."""
        assert isinstance(spec, BasisFirstSpec)
        return prices(spec)

    def resources(self, spec: MachineSpec) -> Resources:
        """Multipliers of the MAC rows, adders of the CA units, bytes of all buffers, area."""
        assert isinstance(spec, BasisFirstSpec)
        slices = spec.pe_blocks * spec.slices_per_block
        per_block = spec.vector_buffer_bytes + spec.psum_buffer_bytes
        return Resources(
            multipliers=slices * spec.mac_row_width,
            adders=slices * spec.ca_lanes,
            sram_bytes=spec.pe_blocks * per_block
            + slices * spec.coefficient_buffer_bytes
            + spec.input_glb_bytes
            + spec.output_glb_bytes,
            area=area(spec),
        )


MACHINE = BasisFirst()
