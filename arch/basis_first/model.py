"""The Basis-First machine: its rules (specification/basis_first.md) together for one layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.batch import by_image
from arch.basis_first.charges import events
from arch.basis_first.components import components
from arch.basis_first.layout import bursts, store
from arch.basis_first.modes import KTile
from arch.basis_first.prepare import Prepared, prepare
from arch.basis_first.recurrence import step_times
from arch.basis_first.spec import PRESETS, BasisFirstSpec
from arch.basis_first.step_inputs import StepInputs, window
from arch.basis_first.steps import Plan
from arch.basis_first.tally import Tally, pairs_by_image, tally
from arch.basis_first.work import KEY_FIELDS
from arch.components import Components
from arch.counters import Counters, LayerResult
from arch.machine import ALONE, Kept, LayerRun, Neighbours
from arch.memory import Timeline, peak_bandwidth, schedule
from arch.model import Model
from arch.pairs import effectual_ops
from arch.spec import MachineSpec
from arch.trace import LayerTrace
from workloads.tensors import LayerTensors

POINTER_BYTES = 4  # of one row pointer: specification/basis_first_memory.md, BF-43
NO_REQUANTIZER = "output: ReLU and a right shift to 8 bits, where no requantizer is known"


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
    extras = {**_extras(prepared, counts), **by_image(steps, times, pairs)}
    notes = [] if prepared.shift is None else [NO_REQUANTIZER]
    if prepared.shift is not None:
        extras["output_shift"] = prepared.shift
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


def _extras(prepared: Prepared, counts: Tally) -> dict[str, Any]:
    """What was chosen for a layer, and integers that this machine alone has."""
    spec, tiles, steps = prepared.spec, prepared.tiles, prepared.steps
    return {
        "loop_order": steps.order,
        "tile_rows": steps.tile_height,
        "tile_columns": steps.tile_width,
        "tiles": steps.tiles,
        "k_tiles": len(tiles),
        "passes": len(tiles[0].passes),
        "steps": len(steps.steps),
        "input_on_chip": int(prepared.around.input_on_chip),
        "output_stays": int(prepared.output_stays),
        "broadcast_pixels": steps.broadcast_pixels,
        "window_vectors": min(window(one, spec) for tile in tiles for one in tile.passes),
        "fifo_vectors": spec.intermediate_fifo,
        "ca_cycles": counts.ca_cycles,
    }


class BasisFirst(Model[BasisFirstSpec]):
    """The machine as the registry sees it."""

    name: ClassVar[str] = "basis_first"
    summary: ClassVar[str] = "decomposed convolutions: ternary coefficients first, then the basis"
    source: ClassVar[str] = (
        "dataflow after ESCALATE (MICRO 2021), doi 10.1145/3466752.3480043; its sizes are not "
        "public, so every size is an assumption of ours"
    )
    spec_type: ClassVar[type[MachineSpec]] = BasisFirstSpec
    presets: ClassVar[Mapping[str, MachineSpec]] = PRESETS
    eats_basis: ClassVar[bool] = True
    kept_fields: ClassVar[tuple[str, ...]] = KEY_FIELDS

    def components(self, spec: BasisFirstSpec) -> Components:
        """See :func:`arch.basis_first.components.components`."""
        return components(spec)

    def simulate(
        self, tensors: LayerTensors, spec: BasisFirstSpec, around: Neighbours, kept: Kept
    ) -> LayerRun:
        """Simulate one layer."""
        return simulate(tensors, spec, around, kept)

    def trace(
        self, tensors: LayerTensors, spec: MachineSpec, around: Neighbours = ALONE
    ) -> LayerTrace:
        """The timeline of a layer: every block, the broadcast, every request."""
        from arch.basis_first.tracks import trace

        return trace(tensors, self.own(spec), around)


MACHINE = BasisFirst()
