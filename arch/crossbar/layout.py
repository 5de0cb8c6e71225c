"""Weights -> tiles: which rows and columns of the layer matrix take crossbars.

A strip is a row of tiles: up to ``crossbar_rows`` rows of one group, in the order of the weight
tensor.  Tiles stand in the order group, column tile, strip.

Rules: specification/crossbar.md, XBR-1 and XBR-2.
"""

from dataclasses import dataclass

import numpy as np

from arch.crossbar.spec import CrossbarSpec
from arch.cuts import cut
from arch.errors import OperandError
from workloads.layer import ConvLayer

SIGNED_OFFSET = 128  # Assumption: signed activations are fed with this added


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The tiles of a layer that take crossbars.

    Parameters
    ----------
    layer : ConvLayer
    taps : int64 (rows kept,), tap of each row, counted (c, r, s) over all input channels C
    strips : int64 (strips + 1,), bounds of the strips within ``taps``
    strip : int64 (tiles,), strip of each tile
    column : int64 (tiles,), number of the column tile of each tile, counted over all groups
    rows, columns : int64 (tiles,), sizes of each tile
    possible : tiles if no row, column or tile were left out
    empty_columns : filters without any tile
    """

    layer: ConvLayer
    taps: np.ndarray
    strips: np.ndarray
    strip: np.ndarray
    column: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    possible: int
    empty_columns: int

    @property
    def tiles(self) -> int:
        """Tiles that take crossbars."""
        return self.rows.size

    @property
    def channels(self) -> np.ndarray:
        """Input channel of each row kept, int64 (rows kept,)."""
        found: np.ndarray = self.taps // (self.layer.R * self.layer.S)
        return found

    def strip_sums(self, of_taps: np.ndarray) -> np.ndarray:
        """Sums over the rows of each strip of what is known by tap; int64 (strips,)."""
        ends = np.append(0, np.cumsum(of_taps.ravel()[self.taps]))
        total: np.ndarray = ends[self.strips[1:]] - ends[self.strips[:-1]]
        return total


def matrices(layer: ConvLayer, weights: np.ndarray) -> np.ndarray:
    """The layer matrix of each group, (groups, taps of a group, filters of a group)."""
    return weights.reshape(layer.groups, layer.K // layer.groups, -1).transpose(0, 2, 1)


def _kept(filled: np.ndarray, axis: int, spec: CrossbarSpec) -> np.ndarray:
    if spec.skip == "structured":
        return np.flatnonzero(filled.any(axis=axis))
    return np.arange(filled.shape[1 - axis])


def layout(layer: ConvLayer, weights: np.ndarray, spec: CrossbarSpec) -> Layout:
    """The tiles of a layer.

    Parameters
    ----------
    layer : ConvLayer
    weights : integers -128..127, shape (K, C/groups, R, S)
    spec : CrossbarSpec

    Raises
    ------
    OperandError
        If the sum of a column can be more than an ADC tells; names layer, sum and ``adc_bits``.

    Examples
    --------
    >>> layer = ConvLayer("fc", C=200, K=65, H=1, W=1)
    >>> weights = np.ones(layer.weight_shape, np.int32)
    >>> weights[:2] = 0
    >>> found = layout(layer, weights, CrossbarSpec())
    >>> found.possible, found.tiles, found.rows.tolist(), found.columns.tolist()
    (4, 2, [128, 72], [63, 63])
    """
    taps, sizes, tiles = [], [], []
    strip = column = possible = empty = 0
    for group, matrix in enumerate(matrices(layer, weights)):
        whole = [len(cut(side, most)) - 1 for side, most in _limits(matrix.shape, spec)]
        possible += whole[0] * whole[1]
        filled = matrix != 0
        rows, columns = _kept(filled, 1, spec), _kept(filled, 0, spec)
        kept = matrix[np.ix_(rows, columns)]
        check_columns(layer.name, kept, spec)
        at, across = (cut(side, most) for side, most in _limits(kept.shape, spec))
        taken = np.ones((at.size - 1, across.size - 1), bool)
        if spec.skip != "none" and kept.size:
            counts = np.add.reduceat(kept != 0, at[:-1], axis=0, dtype=np.int64)
            taken = np.add.reduceat(counts, across[:-1], axis=1) != 0
        where, which = np.nonzero(taken.T)[::-1]
        tiles.append((strip + where, column + which, np.diff(at)[where], np.diff(across)[which]))
        empty += matrix.shape[1] - int(np.diff(across)[taken.any(axis=0)].sum())
        taps.append(group * matrix.shape[0] + rows)
        sizes.append(np.diff(at))
        strip, column = strip + at.size - 1, column + across.size - 1
    bounds = np.append(0, np.cumsum(np.concatenate(sizes)))
    strip_of, column_of, high, wide = (
        np.concatenate(part).astype(np.int64) for part in zip(*tiles, strict=True)
    )
    return Layout(
        layer, np.concatenate(taps), bounds, strip_of, column_of, high, wide, possible, empty
    )


def _limits(shape: tuple[int, ...], spec: CrossbarSpec) -> tuple[tuple[int, int], ...]:
    return (shape[0], spec.crossbar_rows), (shape[1], spec.crossbar_columns)


def phase_starts(rows: int, spec: CrossbarSpec) -> np.ndarray:
    """First rows that are driven together, of a matrix of so many rows; int64.

    Examples
    --------
    >>> phase_starts(150, CrossbarSpec()).tolist()
    [0, 64, 128]
    """
    at = np.arange(rows, dtype=np.int64)
    return np.flatnonzero(at % spec.crossbar_rows % spec.rows_at_once == 0)


def check_columns(name: str, matrix: np.ndarray, spec: CrossbarSpec) -> None:
    """Refuse weights whose sum can leave an ADC if every input has its largest digit.

    Raises
    ------
    OperandError
        Naming layer, sum, bits and what would suffice.
    """
    if spec.adc_suffices or not matrix.size:
        return
    starts = phase_starts(matrix.shape[0], spec)
    for sign in (1, -1):
        left = np.maximum(sign * matrix, 0)
        for _ in range(spec.slices):
            sums = np.add.reduceat(left & spec.top_level, starts, axis=0, dtype=np.int64)
            worst = int(sums.max()) * spec.top_digit
            if worst > spec.top_code:
                raise OperandError(
                    f"{name}: a column of a crossbar can sum to {worst}, adc_bits = "
                    f"{spec.adc_bits} tell up to {spec.top_code}; fewer rows_at_once would fit"
                )
            left = left >> spec.cell_bits
