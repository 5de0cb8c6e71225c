"""What the recurrences of section 6 need to know of every step, as plain arrays."""

from typing import NamedTuple

import numpy as np

from arch.basis_first.modes import KTile
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.steps import Plan
from arch.basis_first.work import Work
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
    slices_in: np.ndarray
    blocks_in: np.ndarray
    pairs: np.ndarray
    vector: np.ndarray
    window: np.ndarray
    width: int
    fifo: int
    port: int
    glb_port: int
    taps_count: int
    own_psum: int


def _offsets(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def step_inputs(
    tensors: LayerTensors,
    spec: BasisFirstSpec,
    tiles: tuple[KTile, ...],
    found: Work,
    steps: Plan,
) -> StepInputs:
    """Phase 1 and the plan of a layer, laid out for phase 2."""
    layer = tensors.layer
    passes = [part for k_tile in tiles for part in k_tile.passes]
    per_tile = len(tiles[0].passes)
    windows = [
        max(1, min(spec.broadcast_window, spec.vector_buffer_bytes // p.vector_capacity))
        for p in passes
    ]
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
        slices_in=np.array([part.slices for part in passes]),
        blocks_in=np.array([part.blocks for part in passes]),
        pairs=found.pairs,
        vector=found.vector,
        window=np.array(windows),
        width=layer.W,
        fifo=spec.intermediate_fifo,
        port=spec.broadcast_bytes_per_cycle,
        glb_port=min(spec.broadcast_bytes_per_cycle, 64),
        taps_count=int(tensors.mode != "pointwise"),
        own_psum=int(tensors.mode == "bypass" and layer.is_depthwise),
    )
