"""Weight and input stationary: one operand's tile stays in the PEs, the other one streams by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arch.cuts import cut
from arch.systolic.folds import Folds, Need, fits, fresh_channels, grid, result_need, sizes
from arch.systolic.gemm import Gemm
from arch.systolic.passes import finer
from arch.systolic.residency import (
    COLUMN_HOLDINGS,
    PLANE_HOLDINGS,
    Holding,
    column_windows,
    needed_pixels,
    plane_pixels,
)
from arch.systolic.spec import SystolicSpec


@dataclass(frozen=True, slots=True)
class _Side:
    """The product as the array sees it: ``stream`` words pass tiles of ``stays`` columns."""

    stream: int
    stays: np.ndarray
    taps: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Folds, outer and inner."""
        return self.stays.size - 1, self.taps.size - 1

    @property
    def widest(self) -> int:
        """Columns of the widest tile."""
        return int(sizes(self.stays).max())


def _side(gemm: Gemm, spec: SystolicSpec) -> _Side:
    weights = spec.dataflow == "ws"
    stays, stream = (gemm.N, gemm.M) if weights else (gemm.M, gemm.N)
    return _Side(stream, cut(stays, spec.columns), cut(gemm.K, spec.rows))


def whole(gemm: Gemm, spec: SystolicSpec) -> int:
    """Words that stream through an uncut fold."""
    return gemm.M if spec.dataflow == "ws" else gemm.N


def parts(gemm: Gemm, spec: SystolicSpec) -> Iterator[int]:
    """Words of the pieces into which a fold's stream may be cut."""
    return finer(whole(gemm, spec))


def _deepest(gemm: Gemm, k: np.ndarray) -> int:
    first, last = gemm.channels(k)
    return int((last - first).max())


def least(gemm: Gemm, spec: SystolicSpec) -> dict[str, int]:
    """Bytes of each scratchpad without which no piece can work: one word of one fold's stream."""
    side, word = _side(gemm, spec), spec.operand_bytes
    columns, rows = side.widest, int(sizes(side.taps).max())
    deepest = _deepest(gemm, side.taps)
    ofmap = columns * (spec.psum_bytes if side.taps.size > 2 else word)
    if spec.dataflow == "ws":
        ifmap = needed_pixels(gemm, 1) * deepest * word
        return {"filter": columns * rows * word, "ofmap": ofmap, "ifmap": ifmap}
    ifmap = int(gemm.strips(side.stays).sizes().max()) * deepest * word
    return {"ifmap": ifmap, "ofmap": ofmap, "filter": rows * word}


def choices(gemm: Gemm, spec: SystolicSpec) -> Iterator[tuple[tuple[Holding, ...], bool]]:
    """What may stay on chip: input (the first that fits), psums from fold to fold.

    Psums that fit are held: the steps are the same and move less.
    """
    side = _side(gemm, spec)
    held = fits(spec, ofmap=side.stream * side.widest * spec.psum_bytes)
    for holdings in PLANE_HOLDINGS if spec.dataflow == "ws" else COLUMN_HOLDINGS:
        yield holdings, held or side.taps.size == 2


def folds(gemm: Gemm, spec: SystolicSpec, holding: Holding, held: bool, piece: int) -> Folds | None:
    """The folds, in pieces of so many words; None where a piece exceeds half a scratchpad."""
    side = _side(gemm, spec)
    stream = cut(side.stream, piece)
    several = side.taps.size > 2
    psum_bytes = spec.psum_bytes if several else spec.operand_bytes
    words = side.stream if held and several else int(sizes(stream).max())
    room = words * side.widest * psum_bytes
    if not fits(spec, ofmap=room):
        return None
    build = _weights_stay if spec.dataflow == "ws" else _inputs_stay
    found = build(gemm, spec, side, stream, holding)
    if found is None:
        return None
    loads, needs, weights_held = found
    shape = (*side.shape, stream.size - 1)
    outputs, stored, read = _results(spec, held, shape, sizes(side.stays), sizes(stream))
    m, n = (stream, side.stays) if spec.dataflow == "ws" else (side.stays, stream)
    plain = Folds(
        gemm,
        m,
        n,
        side.taps,
        used=grid(sizes(side.stays), sizes(side.taps)),
        lengths=_lengths(spec, shape, sizes(stream)),
        loads={**loads, "psum": read},
        stores={"output": outputs, "psum": stored},
        needs={**needs, "ofmap": result_need(read, outputs + stored, room, shape)},
        input_holding=holding,
        weights_held=weights_held,
        psums_held=held,
    )
    return _preloaded(plain, spec, side.stream) if spec.fold_overhead == "preloaded" else plain


def _lengths(spec: SystolicSpec, shape: tuple[int, ...], words: np.ndarray) -> np.ndarray:
    lengths = np.broadcast_to(words, shape).copy()
    if spec.fold_overhead == "preloaded":
        lengths[:, :, -1] += max(0, spec.rows - int(words.sum()))
        return lengths
    lengths[:, :, 0] += spec.rows
    lengths[:, :, -1] += spec.rows + spec.columns - 2
    lengths[-1, -1, -1] -= 1
    return lengths


def _preloaded(plain: Folds, spec: SystolicSpec, stream: int) -> Folds:
    """The same folds, each fetching the stationary tile of the next one.

    The last fold fetches the first tile of the next group, which is as large as the first here.
    """
    tensor, scratchpad = ("weight", "filter") if spec.dataflow == "ws" else ("input", "ifmap")
    ahead = _fold_ahead(plain.loads[tensor])
    need = plain.needs[scratchpad]
    whole = plain.input_holding == "whole" and scratchpad == "ifmap"
    adds = _fold_ahead(need.adds)
    if whole:  # the next group's tile comes beside this group's input
        adds[-1, -1] = ahead[-1, -1]
    return Folds(
        plain.gemm,
        plain.m,
        plain.n,
        plain.k,
        plain.used,
        plain.lengths,
        loads={**plain.loads, tensor: ahead},
        stores=plain.stores,
        needs={**plain.needs, scratchpad: Need(_fold_ahead(need.works), adds)},
        input_holding=plain.input_holding,
        weights_held=plain.weights_held,
        psums_held=plain.psums_held,
        lead=spec.rows,
        tail=min(0, stream - spec.rows) + spec.rows + spec.columns - 2,
        first=(tensor, int(plain.loads[tensor][0, 0, 0])),
    )


def _fold_ahead(part: np.ndarray) -> np.ndarray:
    """What the next fold has, at each fold; the first one's at the last."""
    flat = part.reshape(-1, part.shape[2])
    return np.roll(flat, -1, axis=0).reshape(part.shape)


def _results(
    spec: SystolicSpec, held: bool, shape: tuple[int, ...], columns: np.ndarray, words: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes per piece: outputs stored, psums stored, psums read back."""
    made = grid(columns, words)
    outputs, stored, read = (np.zeros(shape, np.int64) for _ in range(3))
    outputs[:, -1, :] = made * spec.operand_bytes
    if not held:
        stored[:, :-1, :] = (made * spec.psum_bytes)[:, None, :]
        read[:, 1:, :] = (made * spec.psum_bytes)[:, None, :]
    return outputs, stored, read


Fetched = tuple[dict[str, np.ndarray], dict[str, Need], bool]


def _weights_stay(
    gemm: Gemm, spec: SystolicSpec, side: _Side, m: np.ndarray, holding: Holding
) -> Fetched | None:
    word, shape = spec.operand_bytes, (*side.shape, m.size - 1)
    first, last = gemm.channels(side.taps)
    deep = last - first
    at_work = plane_pixels(gemm, m, holding)
    most = gemm.layer.channels_per_group if holding == "whole" else int(deep.max())
    tile = side.widest * int(sizes(side.taps).max()) * word
    if not fits(spec, filter=tile, ifmap=int(at_work.max()) * most * word):
        return None
    inputs = np.zeros(shape, np.int64)
    works: np.ndarray | int = int(at_work.max()) * most * word
    if holding == "stream":
        inputs[:] = grid(deep, gemm.strips(m).fresh()) * word
        works = grid(deep, at_work) * word
    else:
        sweeps = 1 if holding == "whole" else side.shape[0]
        inputs[:sweeps] = grid(fresh_channels(gemm, side.taps), gemm.lines(m).fresh()) * word
    weights = np.zeros(shape, np.int64)
    weights[:, :, 0] = grid(sizes(side.stays), sizes(side.taps)) * word
    needs = {
        "ifmap": Need.of(works, 0 if holding == "whole" else inputs, shape),
        "filter": Need.of(weights[:, :, :1], weights, shape),
    }
    return {"input": inputs, "weight": weights}, needs, True


def _inputs_stay(
    gemm: Gemm, spec: SystolicSpec, side: _Side, n: np.ndarray, holding: Holding
) -> Fetched | None:
    word, shape = spec.operand_bytes, (*side.shape, n.size - 1)
    first, last = gemm.channels(side.taps)
    window, pixels = column_windows(gemm, spec.columns, holding, 1)
    deep = (last - first) if holding == "stream" else np.array([gemm.layer.channels_per_group])
    rows = sizes(side.taps)
    held = fits(spec, filter=gemm.K * gemm.N * word)
    at_work = gemm.K * gemm.N if held else int(rows.max()) * int(sizes(n).max())
    tile = int(window.max()) * int(deep.max()) * word
    if not fits(spec, filter=at_work * word, ifmap=tile):
        return None
    inputs = np.zeros(shape, np.int64)
    inputs[:, :, 0] = grid(pixels[0], fresh_channels(gemm, side.taps)) * word
    weights = np.zeros(shape, np.int64)
    weights[: 1 if held else None] = grid(rows, sizes(n)) * word
    needs = {
        "ifmap": Need.of(
            grid(window, deep)[:, :, None] * word, 0 if holding == "whole" else inputs, shape
        ),
        "filter": Need.of(at_work * word if held else weights, 0 if held else weights, shape),
    }
    return {"input": inputs, "weight": weights}, needs, held
