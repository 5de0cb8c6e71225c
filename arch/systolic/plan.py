"""Layer + spec -> steps: the folds in SCALE-Sim's order, their cycles and their DRAM bytes.

A fold is one pass of the array.  Cycles of a fold, source SCALE-Sim 3.0.0 (its own output is in
``reports/published/scalesim_gemm.csv``), array rows x columns, T words streamed through it:

======== =================================== ================================================
os       K + rows + columns - 2              operands pass, skewed by one cycle per row and
                                             column, until the far corner has seen the last tap
ws, is   T + 2 rows + columns - 2            the stationary tile shifts in, then T = M pixels
                                             (ws) or N filters (is) pass
======== =================================== ================================================

Folds do not overlap.  SCALE-Sim numbers cycles from 0 and reports the number of the last one, so
the last fold of a product is one cycle shorter here.  Each group is a product of its own, as
SCALE-Sim runs depthwise layers channel by channel.  ``fold_overhead = "stonne"`` is STONNE's
output-stationary mesh instead: K + used rows + used columns + 3 for each fold, exact on full
tiles (``reports/published/stonne_tpu_os.csv``), a few cycles off STONNE on ragged ones.

Assumption: the stream of a fold is cut into steps where an operand does not fit half a
scratchpad; a step that waits for DRAM freezes the whole array; words leave a scratchpad
unskewed, the skewing registers belong to the array.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.cuts import cut
from arch.errors import OperandError
from arch.systolic.gemm import Gemm
from arch.systolic.residency import (
    Holding,
    column_holding,
    needed_pixels,
    pixel_loads,
    plane_holding,
)
from arch.systolic.spec import SystolicSpec
from workloads.layer import ConvLayer

STONNE_FOLD_CYCLES = 3  # beyond taps, used rows and used columns


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps of one group, in order; all groups are alike.

    ``lengths`` int64 (outer, inner folds, steps of a fold); ``used`` PEs int64 (outer, inner);
    ``loads`` and ``stores`` are bytes per step by tensor, int64 of the shape of ``lengths``.
    ``m``, ``n``, ``k`` bound the tiles of each axis.
    """

    gemm: Gemm
    m: np.ndarray
    n: np.ndarray
    k: np.ndarray
    used: np.ndarray
    lengths: np.ndarray
    loads: Mapping[str, np.ndarray]
    stores: Mapping[str, np.ndarray]
    input_holding: Holding
    weights_held: bool
    psums_held: bool

    @property
    def folds(self) -> int:
        """Folds of one group."""
        return self.used.size

    @property
    def cycles(self) -> int:
        """Cycles of one group without any wait for DRAM."""
        return int(self.lengths.sum())


def plan(layer: ConvLayer, spec: SystolicSpec, images: int = 1) -> Plan:
    """The steps of one group of ``layer``.

    Raises
    ------
    OperandError
        If the least a step can work on exceeds half a scratchpad; names layer, scratchpad, bytes.

    Examples
    --------
    >>> layer = ConvLayer("fc", C=64, K=40, H=1, W=1)
    >>> steps = plan(layer, SystolicSpec())
    >>> steps.folds, steps.cycles, int(steps.loads["weight"].sum())
    (2, 251, 2560)
    """
    gemm = Gemm(layer, images)
    if spec.dataflow == "os":
        return _output_stationary(gemm, spec)
    if spec.dataflow == "ws":
        return _weight_stationary(gemm, spec)
    return _input_stationary(gemm, spec)


def _sizes(bounds: np.ndarray) -> np.ndarray:
    return np.diff(bounds)


def _grid(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    product: np.ndarray = outer[:, None] * inner[None, :]
    return product


def _refuse(gemm: Gemm, buffer: str, need: int, half: int) -> OperandError:
    return OperandError(
        f"{gemm.layer.name}: one step needs {need} B of the {buffer} scratchpad, "
        f"half of it holds {half} B"
    )


def _tap_bounds(gemm: Gemm, per_step: int) -> np.ndarray:
    """Taps cut into steps of at most ``per_step``: whole channels, or pieces of one channel."""
    if per_step >= gemm.taps:
        return cut(gemm.K, per_step // gemm.taps * gemm.taps)
    starts = cut(gemm.taps, per_step)[:-1]
    channels = np.arange(gemm.layer.channels_per_group, dtype=np.int64) * gemm.taps
    return np.append((channels[:, None] + starts[None, :]).ravel(), gemm.K)


def _fresh_channels(gemm: Gemm, k: np.ndarray) -> np.ndarray:
    """Channels of each tap tile that the tile before it did not have."""
    first, last = gemm.channels(k)
    fresh: np.ndarray = last - np.maximum(first, np.append(0, last[:-1]))
    return fresh


def _output_stationary(gemm: Gemm, spec: SystolicSpec) -> Plan:
    word = spec.operand_bytes
    m, n = cut(gemm.M, spec.rows), cut(gemm.N, spec.columns)
    rows, columns = _sizes(m), _sizes(n)
    widest = int(columns.max()) * word
    outputs = int(rows.max()) * widest
    if outputs > spec.ofmap_bytes // 2:
        raise _refuse(gemm, "ofmap", outputs, spec.ofmap_bytes // 2)
    holding = column_holding(gemm, spec, m)
    weights_held = gemm.K * widest <= spec.filter_bytes // 2
    per_step = gemm.K
    if not weights_held:
        per_step = spec.filter_bytes // 2 // widest
        if per_step == 0:
            raise _refuse(gemm, "filter", widest, spec.filter_bytes // 2)
    if holding == "stream":
        need = int(gemm.strips(m).sizes().max()) * word
        channels = spec.ifmap_bytes // 2 // need
        if channels == 0:
            raise _refuse(gemm, "ifmap", need, spec.ifmap_bytes // 2)
        per_step = min(per_step, channels * gemm.taps)
    k = _tap_bounds(gemm, per_step)
    shape = (columns.size, rows.size, k.size - 1)
    pixels = pixel_loads(gemm, m, holding, columns.size)
    weights = np.zeros(shape, np.int64)
    weights[:, : 1 if weights_held else None, :] = (_grid(columns, _sizes(k)) * word)[:, None, :]
    outputs_out = np.zeros(shape, np.int64)
    outputs_out[:, :, -1] = _grid(columns, rows) * word
    lengths = np.broadcast_to(_sizes(k), shape).copy()
    if spec.fold_overhead == "stonne":
        lengths[:, :, -1] += columns[:, None] + rows[None, :] + STONNE_FOLD_CYCLES
    else:
        lengths[:, :, -1] += spec.rows + spec.columns - 2
        lengths[-1, -1, -1] -= 1
    return Plan(
        gemm=gemm,
        m=m,
        n=n,
        k=k,
        used=_grid(columns, rows),
        lengths=lengths,
        loads={"input": pixels[:, :, None] * _fresh_channels(gemm, k) * word, "weight": weights},
        stores={"output": outputs_out},
        input_holding=holding,
        weights_held=weights_held,
        psums_held=True,
    )


def _stationary_lengths(spec: SystolicSpec, shape: tuple[int, ...], t: np.ndarray) -> np.ndarray:
    lengths = np.broadcast_to(_sizes(t), shape).copy()
    lengths[:, :, 0] += spec.rows
    lengths[:, :, -1] += spec.rows + spec.columns - 2
    lengths[-1, -1, -1] -= 1
    return lengths


@dataclass(frozen=True, slots=True)
class _Psums:
    """Psums of ws and is: ``held`` on chip from fold to fold, or spilled; ``stream`` per step."""

    held: bool
    stream: int


def _psum_room(gemm: Gemm, spec: SystolicSpec, columns: int, total: int, folds: int) -> _Psums:
    """How many of ``total`` streamed words one step may turn into results."""
    half = spec.ofmap_bytes // 2
    if folds > 1 and total * columns * spec.psum_bytes <= half:
        return _Psums(True, total)
    need = columns * (spec.psum_bytes if folds > 1 else spec.operand_bytes)
    if need > half:
        raise _refuse(gemm, "ofmap", need, half)
    return _Psums(folds == 1, min(total, half // need))


def _results(
    spec: SystolicSpec, psums: _Psums, shape: tuple[int, ...], columns: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bytes per step: outputs stored, psums stored, psums read back."""
    words = _grid(columns, _sizes(t))
    outputs, stored, loaded = (np.zeros(shape, np.int64) for _ in range(3))
    outputs[:, -1, :] = words * spec.operand_bytes
    if not psums.held:
        stored[:, :-1, :] = (words * spec.psum_bytes)[:, None, :]
        loaded[:, 1:, :] = (words * spec.psum_bytes)[:, None, :]
    return outputs, stored, loaded


def _weight_stationary(gemm: Gemm, spec: SystolicSpec) -> Plan:
    word = spec.operand_bytes
    n, k = cut(gemm.N, spec.columns), cut(gemm.K, spec.rows)
    columns, rows = _sizes(n), _sizes(k)
    tile = int(columns.max()) * int(rows.max()) * word
    if tile > spec.filter_bytes // 2:
        raise _refuse(gemm, "filter", tile, spec.filter_bytes // 2)
    psums = _psum_room(gemm, spec, int(columns.max()), gemm.M, rows.size)
    first, last = gemm.channels(k)
    deepest = int((last - first).max())
    holding = plane_holding(gemm, spec, deepest)
    stream = psums.stream
    if holding == "stream":
        stream = _longest_stream(gemm, spec, deepest, stream)
    m = cut(gemm.M, stream)
    shape = (columns.size, rows.size, m.size - 1)
    inputs = np.zeros(shape, np.int64)
    if holding == "stream":
        inputs[:] = _grid(last - first, gemm.strips(m).fresh()) * word
    else:
        sweeps = 1 if holding == "whole" else columns.size
        inputs[:sweeps] = _grid(_fresh_channels(gemm, k), gemm.lines(m).fresh()) * word
    weights = np.zeros(shape, np.int64)
    weights[:, :, 0] = _grid(columns, rows) * word
    outputs, stored, loaded = _results(spec, psums, shape, columns, m)
    return Plan(
        gemm=gemm,
        m=m,
        n=n,
        k=k,
        used=_grid(columns, rows),
        lengths=_stationary_lengths(spec, shape, m),
        loads={"input": inputs, "weight": weights, "psum": loaded},
        stores={"output": outputs, "psum": stored},
        input_holding=holding,
        weights_held=True,
        psums_held=psums.held,
    )


def _longest_stream(gemm: Gemm, spec: SystolicSpec, channels: int, limit: int) -> int:
    """Most output pixels per step whose input, ``channels`` deep, fits half the scratchpad."""
    half = spec.ifmap_bytes // 2

    def need(pixels: int) -> int:
        return needed_pixels(gemm, pixels) * channels * spec.operand_bytes

    if need(1) > half:
        raise _refuse(gemm, "ifmap", need(1), half)
    fits, fails = 1, limit + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if need(middle) <= half:
            fits = middle
        else:
            fails = middle
    return fits


def _input_stationary(gemm: Gemm, spec: SystolicSpec) -> Plan:
    word = spec.operand_bytes
    m, k = cut(gemm.M, spec.columns), cut(gemm.K, spec.rows)
    columns, rows = _sizes(m), _sizes(k)
    holding = column_holding(gemm, spec, m)
    first, last = gemm.channels(k)
    tile = int(gemm.strips(m).sizes().max()) * int((last - first).max()) * word
    if holding == "stream" and tile > spec.ifmap_bytes // 2:
        raise _refuse(gemm, "ifmap", tile, spec.ifmap_bytes // 2)
    psums = _psum_room(gemm, spec, int(columns.max()), gemm.N, rows.size)
    weights_held = gemm.K * gemm.N * word <= spec.filter_bytes // 2
    stream = psums.stream
    if not weights_held:
        stream = min(stream, spec.filter_bytes // 2 // (int(rows.max()) * word))
        if stream == 0:
            raise _refuse(gemm, "filter", int(rows.max()) * word, spec.filter_bytes // 2)
    n = cut(gemm.N, stream)
    shape = (columns.size, rows.size, n.size - 1)
    inputs = np.zeros(shape, np.int64)
    pixels = pixel_loads(gemm, m, holding, 1)[0]
    inputs[:, :, 0] = _grid(pixels, _fresh_channels(gemm, k)) * word
    weights = np.zeros(shape, np.int64)
    weights[: 1 if weights_held else None] = _grid(rows, _sizes(n)) * word
    outputs, stored, loaded = _results(spec, psums, shape, columns, n)
    return Plan(
        gemm=gemm,
        m=m,
        n=n,
        k=k,
        used=_grid(columns, rows),
        lengths=_stationary_lengths(spec, shape, n),
        loads={"input": inputs, "weight": weights, "psum": loaded},
        stores={"output": outputs, "psum": stored},
        input_holding=holding,
        weights_held=weights_held,
        psums_held=psums.held,
    )
