"""The Basis-First machine: sections 1 to 8 put together for one layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import ClassVar

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.area import area
from arch.basis_first.bounds import check_bounds
from arch.basis_first.charges import events, prices
from arch.basis_first.layout import bursts, store
from arch.basis_first.modes import KTile, channel_tile, k_tiles
from arch.basis_first.recurrence import step_times
from arch.basis_first.spec import PRESETS, BasisFirstSpec
from arch.basis_first.step_inputs import StepInputs, step_inputs
from arch.basis_first.steps import Plan, plan, streams
from arch.basis_first.tally import Tally, tally
from arch.basis_first.tiling import TilingProblem
from arch.basis_first.work import Work, work
from arch.counters import Counters, LayerResult
from arch.energy import EnergyTable
from arch.errors import OperandError
from arch.machine import LayerRun, Resources
from arch.memory import StepTraffic, Timeline, peak_bandwidth, schedule
from arch.spec import MachineSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

POINTER_BYTES = 4  # one row pointer (section 7, layout)


def stored_output(tensors: LayerTensors, psums: np.ndarray) -> tuple[np.ndarray, int | None]:
    """The layer's output as stored, and the right shift used where no requantizer is known.

    Without a requantizer: ReLU, and the right shift that brings the largest psum to <= 255.
    """
    if tensors.requantizer is not None:
        return tensors.requantizer.apply(psums), None
    positive = np.maximum(psums, 0)
    shift = max(0, int(positive.max()).bit_length() - 8)
    return (positive >> shift).astype(np.uint8), shift


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

    def traffic(self, compute: np.ndarray) -> list[StepTraffic]:
        """What each step asks of the DRAM and how long it is, given its compute cycles."""
        length = compute + self.drains + self.spec.pipeline_cycles
        asked = self.steps.bytes
        each = zip(asked.load.tolist(), asked.output.tolist(), length.tolist(), strict=True)
        return list(starmap(StepTraffic, each))


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
    shortcut_bytes: int,
) -> dict[tuple[str, str, str], int]:
    """Bytes by level, tensor and direction; row pointers are metadata, in no request."""
    layer, images = tensors.layer, tensors.images
    total = {name: steps.bytes.total(name) for name in ("input", "coefficient", "basis", "output")}
    stored_planes = len({(step.k_tile, step.image) for step in steps.steps})
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
) -> TilingProblem:
    stored = store(output, tuple(k_tile.stop - k_tile.start for k_tile in tiles))
    return TilingProblem(
        tensors.layer,
        spec,
        tiles,
        store(tensors.activations, planes),
        tuple(tuple(image.plane(n) for image in stored) for n in range(len(tiles))),
        streams(tensors, tiles),
        found.lengths,
    )


def prepare(
    tensors: LayerTensors, spec: BasisFirstSpec, input_planes: tuple[int, ...] | None = None
) -> Prepared:
    """Phase 1 and the plan of one layer; parameters and errors as for :func:`simulate`."""
    layer = tensors.layer
    planes = _input_planes(layer, input_planes)
    if tensors.mode != "bypass":
        check_bounds(tensors, spec, channel_tile(layer, spec))
    else:
        check_bounds(tensors, spec, layer.channels_per_group)
    tiles = k_tiles(tensors, spec)
    found = work(tensors, spec)
    output, shift = stored_output(tensors, found.psums)
    steps = plan(_problem(tensors, spec, tiles, planes, found, output), tensors)
    return Prepared(tensors, spec, planes, tiles, found, output, shift, steps)


def simulate(
    tensors: LayerTensors, spec: BasisFirstSpec, input_planes: tuple[int, ...] | None = None
) -> LayerRun:
    """Simulate one layer, exactly: every pixel, channel, slice and row of the tensors.

    Parameters
    ----------
    tensors : LayerTensors
    spec : BasisFirstSpec
    input_planes : channels of each plane in which the input lies in DRAM; None for one plane

    Raises
    ------
    OperandError, SpecError
        Naming layer, buffer or channel, and the values.
    """
    prepared = prepare(tensors, spec, input_planes)
    return finish(prepared, time_steps(prepared.inputs))


def finish(prepared: Prepared, times: np.ndarray) -> LayerRun:
    """Count everything in a prepared layer whose steps are timed."""
    tensors, spec, tiles = prepared.tensors, prepared.spec, prepared.tiles
    layer, found, steps = tensors.layer, prepared.found, prepared.steps
    drains = int(prepared.drains.sum())
    compute = times[:, field.COMPUTE]
    timeline = schedule(prepared.traffic(compute), spec)
    counts = tally(tensors, spec, tiles, found, steps, times, prepared.output)
    shortcut = _shortcut_bytes(tensors, spec.dram_burst_bytes)
    counters = Counters(
        cycles=timeline.cycles,
        compute_cycles=int(compute.sum()),
        drain_cycles=drains,
        pipeline_cycles=spec.pipeline_cycles * len(steps.steps),
        memory_stall_cycles=timeline.stall_cycles,
        macs=layer.macs * tensors.images,
        effectual_ops=counts.effectual_ops,
        multiplies=counts.multiplies,
        units=spec.pe_blocks,
        causes=_causes(spec, tiles, steps, times, drains, timeline),
        traffic=_traffic(tensors, spec, steps, counts, len(prepared.planes), shortcut),
        events=events(spec, steps, counts, timeline.cycles, shortcut),
        peak_bandwidth=peak_bandwidth(timeline.requests, spec.clock_hz),
    )
    extras = {
        "loop_order": steps.order,
        "tile_rows": steps.tile_height,
        "tile_columns": steps.tile_width,
        "tiles": steps.tiles,
        "k_tiles": len(tiles),
        "passes": len(tiles[0].passes),
        "steps": len(steps.steps),
        "broadcast_pixels": steps.broadcast_pixels,
        "pairs": counts.pairs,
        "ca_cycles": counts.ca_cycles,
    }
    shift = prepared.shift
    notes = [] if shift is None else [f"output: ReLU and right shift by {shift} (no requantizer)"]
    result = LayerResult(
        layer,
        tensors.images,
        BasisFirst.name,
        spec,
        tensors.mode,
        counters,
        extras,
        {"origin": tensors.origin, "digest": tensors.digest(), "notes": notes},
    )
    return LayerRun(result, found.psums, tuple(k.stop - k.start for k in tiles))


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

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        input_planes: tuple[int, ...] | None = None,
    ) -> LayerRun:
        """Simulate one layer."""
        assert isinstance(spec, BasisFirstSpec)
        return simulate(tensors, spec, input_planes)

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
