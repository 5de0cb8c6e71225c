"""What the equations of a step need to know of every step, as plain arrays.

Rule: specification/basis_first_time.md, BF-27.
"""

from typing import NamedTuple

import numpy as np

from arch.basis_first.modes import KTile, Pass
from arch.basis_first.ports import glb_port, vector_port
from arch.basis_first.recurrence import PART_FIELDS
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.work import Work
from arch.nonzeros import by_channels
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


class StepInputs(NamedTuple):
    """Arguments of ``recurrence.step_times`` in its order, save the result; explained there."""

    part: np.ndarray
    bases: np.ndarray
    rows_first: np.ndarray
    rows: np.ndarray
    row_taps: np.ndarray
    cols_first: np.ndarray
    cols: np.ndarray
    col_taps: np.ndarray
    col_cycles: np.ndarray
    code: np.ndarray
    parts: np.ndarray
    copies: np.ndarray
    vector: np.ndarray
    width: int
    fifo: int
    port: int
    glb_port: int
    vector_port: int
    taps_count: int
    own_psum: int


class Columns(NamedTuple):
    """Where a pass finds its slots in ``Work.code``: first + slice * per_slice + block.

    Blocks that see the same values (bypass: those of one group) are one block with ``copies``;
    slots from ``slots`` on have no work.
    """

    first: int
    per_slice: int
    slots: int
    copies: np.ndarray


def columns_of(layer: ConvLayer, mode: str, part: Pass) -> Columns:
    """The columns of one pass."""
    first, alone = int(part.channel[0, 0]), np.ones(part.blocks, np.int64)
    if mode == "decomposed":
        first += int(part.basis[0, 0]) * layer.K
        return Columns(first, layer.K, part.channel.size, alone)
    if mode == "pointwise" or layer.is_depthwise:
        return Columns(first, part.blocks, part.assigned.size, alone)
    group, copies = np.unique(part.channel[0] // (layer.K // layer.groups), return_counts=True)
    local = int(part.source[0, 0]) - int(group[0]) * layer.channels_per_group
    slots = part.slices * group.size
    return Columns(local * layer.groups + int(group[0]), layer.groups, slots, copies)


def _offsets(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _vectors(tensors: LayerTensors, passes: list[Pass]) -> tuple[np.ndarray, list[int]]:
    """Bytes of every distinct broadcast vector at every pixel, and which one each pass has."""
    sets: dict[bytes, int] = {}
    which = [sets.setdefault(part.vector.tobytes(), len(sets)) for part in passes]
    chosen = [passes[which.index(n)].vector for n in range(len(sets))]
    counts = by_channels(tensors.activations, chosen).reshape(len(chosen), -1)
    masks = np.array([-(-vector.size // 8) for vector in chosen])
    return counts + masks[:, None], which


def window(part: Pass, spec: BasisFirstSpec) -> int:
    """The effective broadcast window: pixel vectors that a vector buffer holds, at least one."""
    return max(1, min(spec.broadcast_window, spec.vector_buffer_bytes // part.vector_capacity))


def _parts(
    tensors: LayerTensors, spec: BasisFirstSpec, passes: list[Pass], vectors: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The table of passes, and the copies of their blocks."""
    found = [columns_of(tensors.layer, tensors.mode, part) for part in passes]
    table = np.zeros((len(passes), PART_FIELDS), np.int64)
    copies = np.zeros((len(passes), max(each.copies.size for each in found)), np.int64)
    for n, (part, columns) in enumerate(zip(passes, found, strict=True)):
        blocks = columns.copies.size
        table[n] = (
            *(part.number, columns.first, columns.per_slice, part.slices, blocks),
            *(columns.slots, vectors[n], window(part, spec)),
        )
        copies[n, :blocks] = columns.copies
    return table, copies


def pass_table(
    tensors: LayerTensors, spec: BasisFirstSpec, tiles: tuple[KTile, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``parts``, ``copies`` and ``vector`` of ``step_times``, which no plan changes."""
    passes = [part for k_tile in tiles for part in k_tile.passes]
    vector, vectors = _vectors(tensors, passes)
    return (*_parts(tensors, spec, passes, vectors), vector)


def step_inputs(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    found: Work,
    steps: Plan,
) -> StepInputs:
    """Phase 1 and the plan of a layer, laid out for phase 2."""
    layer = tensors.layer
    per_tile = len(tiles[0].passes)
    parts, copies, vector = pass_table(tensors, spec, tiles)
    rows = [step.rows for step in steps.steps]
    columns = [step.tile.columns.needed for step in steps.steps]
    row_taps = [step.tile.rows.taps[step.rows] for step in steps.steps]
    column_taps = np.concatenate(
        [step.tile.columns.taps[at] for step, at in zip(steps.steps, columns, strict=True)]
    )
    return StepInputs(
        part=np.array([step.k_tile * per_tile + step.pass_ for step in steps.steps]),
        bases=np.array([step.image * layer.H * layer.W for step in steps.steps]),
        rows_first=_offsets([at.size for at in rows]),
        rows=np.concatenate(rows),
        row_taps=np.concatenate(row_taps),
        cols_first=_offsets([at.size for at in columns]),
        cols=np.concatenate(columns),
        col_taps=column_taps,
        col_cycles=-(-column_taps // spec.mac_row_width),
        code=found.code,
        parts=parts,
        copies=copies,
        vector=vector,
        width=layer.W,
        fifo=spec.intermediate_fifo,
        port=spec.broadcast_bytes_per_cycle,
        glb_port=glb_port(spec),
        vector_port=vector_port(spec),
        taps_count=int(tensors.mode != "pointwise"),
        own_psum=int(tensors.mode == "bypass" and layer.is_depthwise),
    )
