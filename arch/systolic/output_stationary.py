"""Output stationary: folds of rows x columns outputs, all taps pass each of them."""

from collections.abc import Iterator

import numpy as np

from arch.cuts import cut
from arch.systolic.folds import (
    STONNE_FOLD_CYCLES,
    Folds,
    Need,
    fits,
    fresh_channels,
    grid,
    result_need,
    sizes,
)
from arch.systolic.gemm import Gemm
from arch.systolic.passes import finer
from arch.systolic.residency import COLUMN_HOLDINGS, Holding, column_windows
from arch.systolic.spec import SystolicSpec


def least(gemm: Gemm, spec: SystolicSpec) -> dict[str, int]:
    """Bytes of each scratchpad without which no piece can work: one tap of one tile."""
    m, word = cut(gemm.M, spec.rows), spec.operand_bytes
    columns = min(gemm.N, spec.columns)
    return {
        "ofmap": min(gemm.M, spec.rows) * columns * word,
        "filter": columns * word,
        "ifmap": int(gemm.strips(m).sizes().max()) * word,
    }


def whole(gemm: Gemm, spec: SystolicSpec) -> int:
    """Taps of an uncut fold."""
    return gemm.K


def parts(gemm: Gemm, spec: SystolicSpec) -> Iterator[int]:
    """Taps of the pieces into which a fold may be cut: whole channels, then parts of one."""
    channels = gemm.layer.channels_per_group
    yield from (size * gemm.taps for size in finer(channels))
    yield from finer(gemm.taps)


def choices(gemm: Gemm, spec: SystolicSpec) -> Iterator[tuple[tuple[Holding, ...], bool]]:
    """What may stay on chip: input (the first that fits), weights of a column of folds.

    Weights that fit are held: the steps are the same and fetch less.
    """
    held = fits(spec, filter=gemm.K * min(gemm.N, spec.columns) * spec.operand_bytes)
    for holdings in COLUMN_HOLDINGS:
        yield holdings, held


def _tap_bounds(gemm: Gemm, piece: int) -> np.ndarray:
    """Taps cut into pieces of ``piece``, which never reach from within a channel into the next."""
    if piece >= gemm.taps:
        return cut(gemm.K, piece)
    starts = cut(gemm.taps, piece)[:-1]
    channels = np.arange(gemm.layer.channels_per_group, dtype=np.int64) * gemm.taps
    return np.append((channels[:, None] + starts[None, :]).ravel(), gemm.K)


def folds(gemm: Gemm, spec: SystolicSpec, holding: Holding, held: bool, piece: int) -> Folds | None:
    """The folds, in pieces of so many taps; None where a piece exceeds half a scratchpad."""
    word, depth = spec.operand_bytes, gemm.layer.channels_per_group
    m, n, k = cut(gemm.M, spec.rows), cut(gemm.N, spec.columns), _tap_bounds(gemm, piece)
    rows, columns = sizes(m), sizes(n)
    first, last = gemm.channels(k)
    window, pixels = column_windows(gemm, spec.rows, holding, columns.size)
    deep = (last - first) if holding == "stream" else np.array([depth])
    widest, outputs = int(columns.max()) * word, int(rows.max() * columns.max()) * word
    weights_at_work = gemm.K * widest if held else int(sizes(k).max()) * widest
    if not fits(
        spec,
        ofmap=outputs,
        filter=weights_at_work,
        ifmap=int(window.max()) * int(deep.max()) * word,
    ):
        return None
    shape = (columns.size, rows.size, k.size - 1)
    inputs = pixels[:, :, None] * fresh_channels(gemm, k) * word
    weights = np.zeros(shape, np.int64)
    weights[:, : 1 if held else None, :] = (grid(columns, sizes(k)) * word)[:, None, :]
    stored = np.zeros(shape, np.int64)
    stored[:, :, -1] = grid(columns, rows) * word
    grows: np.ndarray | int = 0 if holding == "whole" else inputs
    filters = np.zeros(shape, np.int64)
    if held:
        filters[:, 0, 0] = gemm.K * widest
    else:
        filters = weights
    return Folds(
        gemm,
        m,
        n,
        k,
        used=grid(columns, rows),
        lengths=_lengths(spec, shape, rows, columns, sizes(k)),
        loads={"input": inputs, "weight": weights},
        stores={"output": stored},
        needs={
            "ifmap": Need.of((window[:, None] * deep * word)[None], grows, shape),
            "filter": Need.of(weights_at_work if held else weights, filters, shape),
            "ofmap": result_need(0, stored, outputs, shape),
        },
        input_holding=holding,
        weights_held=held,
        psums_held=True,
    )


def _lengths(
    spec: SystolicSpec,
    shape: tuple[int, ...],
    rows: np.ndarray,
    columns: np.ndarray,
    taps: np.ndarray,
) -> np.ndarray:
    lengths = np.broadcast_to(taps, shape).copy()
    if spec.fold_overhead == "stonne":
        lengths[:, :, -1] += columns[:, None] + rows[None, :] + STONNE_FOLD_CYCLES
    else:
        lengths[:, :, -1] += spec.rows + spec.columns - 2
        lengths[-1, -1, -1] -= 1
    return lengths
