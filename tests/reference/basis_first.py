"""The Basis-First machine, slow and plain: the referee of the fast one.

Written from the rules in specification/basis_first.md and the three pages behind it, and from
nothing else.  The files beside this one hold its parts: ``_machine`` the fields, ``_work`` k-tiles
and passes, ``_tiles`` and ``_steps`` the memory's plan, ``_stepper`` the cycle stepper,
``_recurrences`` the equations it must equal, ``_dram`` the server between steps, ``_events`` the
energy events, ``_auto`` every plan of ``loop_order = auto``.  Out of scope: area.

Where a rule can be read in two ways, the settled one stands in the list at the end of
specification/basis_first_counts.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Literal

import numpy as np

from tests.reference.basis_first_auto import best_plan, channel_cuts
from tests.reference.basis_first_dram import (
    Schedule,
    peak_bandwidth,
    schedule_by_events,
    schedule_by_recurrences,
)
from tests.reference.basis_first_events import events_of
from tests.reference.basis_first_machine import DEFAULTS, ReferenceInfeasible, machine_of
from tests.reference.basis_first_recurrences import step_by_recurrences
from tests.reference.basis_first_stepper import StepTiming, step_by_cycles
from tests.reference.basis_first_steps import ALONE, Fused, Plan, Step, plan
from tests.reference.basis_first_tiles import (
    InputStore,
    OutputStore,
    Sizes,
    coefficient_outer_tile,
)
from tests.reference.basis_first_work import (
    KTile,
    check_bounds,
    k_tiles_of,
    psums_of,
    slice_per_channel,
)
from workloads.tensors import LayerTensors

__all__ = ["DEFAULTS", "ReferenceInfeasible", "ReferenceResult", "StepRecord", "reference_layer"]

METHODS = {
    "stepper": (step_by_cycles, schedule_by_events),
    "recurrences": (step_by_recurrences, schedule_by_recurrences),
}


@dataclass(frozen=True)
class StepRecord:
    """One step, for debugging; bytes in whole bursts."""

    start: int
    end: int
    length: int
    load_bytes: int
    store_bytes: int
    compute: int


@dataclass(frozen=True, eq=False)
class ReferenceResult:
    """All a layer gives: psums int64 (N, K, P, Q); counts, cycles and bytes as integers."""

    psums: np.ndarray
    order: str
    tile: tuple[int, int]  # (P_t, Q_t)
    tiles: int  # of one image
    k_tiles: int
    passes: int  # of one k-tile
    steps: int
    cycles: int
    compute_cycles: int
    drain_cycles: int
    pipeline_cycles: int
    memory_stall_cycles: int
    dram: dict[str, int]
    metadata_read_bytes: int
    metadata_written_bytes: int
    input_on_chip: bool
    output_stays: bool
    pairs: int
    t_ca_sum: int
    causes: dict[str, int]
    peak_bandwidth: Fraction
    broadcast_pixels: int
    window_vectors: int  # the least of all passes
    output_planes: tuple[int, ...]
    output_shift: int | None
    events: dict[str, int]
    step_records: tuple[StepRecord, ...]


def reference_layer(
    tensors: LayerTensors,
    fields: dict | None = None,
    input_planes: tuple[int, ...] | None = None,
    *,
    method: Literal["stepper", "recurrences"] = "stepper",
    fused: Fused = ALONE,
) -> ReferenceResult:
    """Run one layer.  ``fields`` override DEFAULTS; ``input_planes`` are channels per plane."""
    machine = machine_of(fields)
    step_time, schedule_steps = METHODS[method]
    if machine.loop_order == "auto":
        tiles, sizes, chosen = _best(tensors, machine, input_planes, fused)
        psums = psums_of(tensors, tiles)
    else:
        tiles = k_tiles_of(tensors, machine)
        check_bounds(tensors, tiles, machine)
        psums = psums_of(tensors, tiles)
        sizes = _sizes(tensors, tiles, psums, input_planes or (tensors.layer.C,), machine)
        chosen = plan(machine.loop_order, tensors, tiles, sizes, fused)
    takes, keeps = fused.takes(sizes), fused.keeps(sizes)
    timings = [step_time(step, machine) for step in chosen.steps]
    drains = [_drain(tensors, step) for step in chosen.steps]
    lengths = [
        timing.compute + drain + machine.pipeline_cycles
        for timing, drain in zip(timings, drains, strict=True)
    ]
    loads = [step.load_bytes for step in chosen.steps]
    stores = [step.output_bytes for step in chosen.steps]
    schedule = schedule_steps(lengths, loads, stores, machine)
    events = events_of(tensors, tiles, chosen, machine)
    compute = sum(timing.compute for timing in timings)
    pipeline = machine.pipeline_cycles * len(chosen.steps)
    stall = _stall(schedule)
    input_pointers = 4 * tensors.layer.H * len(sizes.source.planes)
    output_pointers = 4 * tensors.layer.P * len(tiles) * tensors.images
    return ReferenceResult(
        psums=psums,
        order=chosen.order,
        tile=chosen.tile,
        tiles=chosen.tiles,
        k_tiles=len(tiles),
        passes=sizes.passes,
        steps=len(chosen.steps),
        cycles=schedule.cycles,
        compute_cycles=compute,
        drain_cycles=sum(drains),
        pipeline_cycles=pipeline,
        memory_stall_cycles=stall,
        dram=_dram(chosen),
        metadata_read_bytes=0 if takes else input_pointers * tensors.images,
        metadata_written_bytes=0 if keeps and not fused.stored else output_pointers,
        input_on_chip=takes,
        output_stays=keeps,
        pairs=events["ca_adds"],
        t_ca_sum=sum(timing.t_ca_sum for timing in timings),
        causes=_causes(chosen, timings, drains, stall, machine),
        peak_bandwidth=peak_bandwidth(schedule.transfers, machine.clock_hz),
        broadcast_pixels=chosen.broadcast_pixels,
        window_vectors=min(one.window(machine) for tile in tiles for one in tile.passes),
        output_planes=tuple(len(tile.channels) for tile in tiles),
        output_shift=sizes.sink.shift,
        events=events,
        step_records=tuple(
            StepRecord(*record)
            for record in zip(
                schedule.starts,
                schedule.ends,
                lengths,
                loads,
                stores,
                [timing.compute for timing in timings],
                strict=True,
            )
        ),
    )


def _sizes(
    tensors: LayerTensors,
    tiles: list[KTile],
    psums: np.ndarray,
    input_planes: tuple[int, ...],
    machine: SimpleNamespace,
) -> Sizes:
    passes = len(tiles[0].passes)
    streams = 1
    if slice_per_channel(tensors):
        streams = max(tile.slices_in_use for tile in tiles)
        if tensors.mode == "pointwise" and passes == 1:
            streams = 0
    source = InputStore(tensors.activations, input_planes)
    sink = OutputStore(psums, [tile.channels for tile in tiles], tensors.requantizer)
    layer, images = tensors.layer, tensors.images
    return Sizes(layer, machine, images, len(tiles), passes, streams, source, sink)


def _best(
    tensors: LayerTensors,
    machine: SimpleNamespace,
    input_planes: tuple[int, ...] | None,
    fused: Fused,
) -> tuple[list[KTile], Sizes, Plan]:
    """The plan of ``auto``, with channels cut in the best of all ways that the buffers allow."""
    best, refusal, seen = None, None, []
    limits = machine.vector_buffer_bytes, machine.coefficient_buffer_bytes
    whole = k_tiles_of(tensors, machine)  # refuses what not even the whole buffers hold
    waits = any(
        one.window(machine) < machine.broadcast_window for tile in whole for one in tile.passes
    )
    for vector, coefficient in [limits, *channel_cuts(tensors, *limits)]:
        if best is not None and not waits and refusal is None:
            break  # the whole buffers have a plan, which nothing narrower beats
        sizes_of = {"vector_buffer_bytes": vector, "coefficient_buffer_bytes": coefficient}
        less = SimpleNamespace(**{**vars(machine), **sizes_of})
        try:
            tiles = k_tiles_of(tensors, less)
        except ReferenceInfeasible:
            continue
        key = [(tile.channels, [one.vector_channels for one in tile.passes]) for tile in tiles]
        if key in seen:
            continue
        seen.append(key)
        try:
            check_bounds(tensors, tiles, machine)
        except ReferenceInfeasible as error:
            refusal = refusal or error
            continue
        psums = psums_of(tensors, tiles)
        sizes = _sizes(tensors, tiles, psums, input_planes or (tensors.layer.C,), machine)
        found = best_plan(tensors, tiles, sizes, fused, _timer(tensors, machine))
        if found is None:
            refusal = refusal or _why(sizes)
        if found is not None and (best is None or found[:2] < best[:2]):
            best = *found, tiles, sizes
    if best is None:
        assert refusal is not None
        raise refusal
    return best[3], best[4], best[2]


def _why(sizes: Sizes) -> ReferenceInfeasible:
    """Why no plan fits: what stops the tile of the named order."""
    try:
        coefficient_outer_tile(sizes)
    except ReferenceInfeasible as error:
        return error
    return ReferenceInfeasible(f"{sizes.layer.name}: no plan fits the output buffer")


def _timer(tensors: LayerTensors, machine: SimpleNamespace) -> Callable[[Plan], int]:
    """Cycles of a plan; a step with the same rows is timed once."""
    known: dict[tuple, int] = {}

    def cycles(chosen: Plan) -> int:
        lengths = []
        for step in chosen.steps:
            key = id(step.work), step.image, step.tile, tuple(step.rows)
            if key not in known:
                known[key] = step_by_recurrences(step, machine).compute
            lengths.append(known[key] + _drain(tensors, step) + machine.pipeline_cycles)
        loads = [step.load_bytes for step in chosen.steps]
        stores = [step.output_bytes for step in chosen.steps]
        return schedule_by_recurrences(lengths, loads, stores, machine).cycles

    return cycles


def _drain(tensors: LayerTensors, step: Step) -> int:
    """Cycles to empty the psum buffer: one per column of the tile, none for pointwise."""
    if not step.last or tensors.mode == "pointwise":
        return 0
    return step.tile.q1 - step.tile.q0


def _stall(schedule: Schedule) -> int:
    """Cycles between steps and after the last."""
    before = [0, *schedule.ends[:-1]]
    gaps = sum(start - end for start, end in zip(schedule.starts, before, strict=True))
    return gaps + schedule.cycles - schedule.ends[-1]


def _dram(chosen: Plan) -> dict[str, int]:
    return {
        "input": sum(step.input_bytes for step in chosen.steps),
        "coefficient": sum(step.coefficient_bytes for step in chosen.steps),
        "basis": sum(step.basis_bytes for step in chosen.steps),
        "output": sum(step.output_bytes for step in chosen.steps),
    }


def _causes(
    chosen: Plan,
    timings: list[StepTiming],
    drains: list[int],
    stall: int,
    machine: SimpleNamespace,
) -> dict[str, int]:
    """Block-cycles by cause; they add up to pe_blocks times the cycles of the layer."""
    causes = dict.fromkeys(("mac", "ca", "broadcast", "slowest", "idle", "dram"), 0)
    for step, timing, drain in zip(chosen.steps, timings, drains, strict=True):
        for cause in ("mac", "ca", "broadcast", "slowest"):
            causes[cause] += getattr(timing, cause)
        unassigned = machine.pe_blocks - len(step.work.blocks)
        causes["idle"] += unassigned * timing.compute
        causes["idle"] += machine.pe_blocks * (drain + machine.pipeline_cycles)
    causes["dram"] = machine.pe_blocks * stall
    return causes
