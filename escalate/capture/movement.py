"""movement: which of our operators, one behind the other, bring numbers to other places."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

Plane = tuple[int, int, int]


class Move(NamedTuple):
    """An operator, its attributes, and the shape that it makes."""

    op: str
    attributes: dict[str, Any]
    shape: Plane


STAYS = Move("", {}, (0, 0, 0))


def movements(places: np.ndarray, before: Plane) -> list[Move] | None:
    """The operators that pick ``places`` of a tensor of shape ``before``.

    Parameters
    ----------
    places : int64 of shape (C, H, W), positions in C order
    before : (C, H, W)

    Returns
    -------
    list of Move, empty where nothing moves; None where the places follow no pattern

    Examples
    --------
    >>> [move.op for move in movements(np.arange(6).reshape(6, 1, 1), (2, 3, 1))]
    ['flatten']
    >>> movements(np.arange(8).reshape(4, 2, 1)[[0, 2, 1, 3]], (4, 2, 1))
    [Move(op='gather', attributes={'channels': [0, 2, 1, 3]}, shape=(4, 2, 1))]
    """
    after: Plane = places.shape
    count = int(np.prod(before))
    if places.size == count and np.array_equal(places.ravel(), np.arange(count)):
        if after == before:
            return []
        if after == (count, 1, 1):
            return [Move("flatten", {}, after)]
    axes = _axes(places, before)
    if axes is not None:
        separate = list(_separate(axes, before))
        if None not in separate:
            return [move for move in separate if move is not None and move is not STAYS]
    loops = _loops(places.ravel())
    if loops is None:
        return None
    return [Move("rearrange", {**loops, "size": list(after)}, after)]


def _axes(places: np.ndarray, before: Plane) -> list[np.ndarray] | None:
    """Which channels, rows and columns are picked; None where they depend on each other."""
    channels, rest = np.divmod(places, before[1] * before[2])
    rows, columns = np.divmod(rest, before[2])
    found = [channels[:, 0, 0], rows[0, :, 0], columns[0, 0, :]]
    whole = np.ix_(*found)
    same = (channels == whole[0]).all() and (rows == whole[1]).all() and (columns == whole[2]).all()
    return found if same else None


def _separate(axes: list[np.ndarray], before: Plane) -> Iterator[Move | None]:
    """The move of each axis for itself, one behind the other; None where there is no such."""
    shape = list(before)
    for axis, picked in enumerate(axes):
        if np.array_equal(picked, np.arange(before[axis])):
            yield STAYS
            continue
        shape[axis] = picked.size
        after: Plane = (shape[0], shape[1], shape[2])
        step = int(picked[1] - picked[0]) if picked.size > 1 else 1
        times = picked.size // before[axis]
        if step > 0 and np.array_equal(picked, picked[0] + step * np.arange(picked.size)):
            part = {"axis": axis + 1, "start": int(picked[0]), "stop": int(picked[-1]) + 1}
            yield Move("slice", {**part, "step": step}, after)
        elif axis == 0:
            yield Move("gather", {"channels": picked.tolist()}, after)
        elif times and np.array_equal(picked, np.repeat(np.arange(before[axis]), times)):
            factors = [1, 1]
            factors[axis - 1] = times
            yield Move("upsample", {"factors": factors}, after)
        else:
            yield None


def _loops(places: np.ndarray) -> dict[str, Any] | None:
    """Nested loops that visit the places, as the attributes of ``rearrange`` state them."""
    counts: list[int] = []
    steps: list[int] = []
    blocks = places
    while blocks.size > 1:
        step = int(blocks[1] - blocks[0])
        differs = np.flatnonzero(np.diff(blocks) != step)
        longest = int(differs[0]) + 1 if differs.size else blocks.size
        length = next(
            (n for n in range(longest, 1, -1) if blocks.size % n == 0 and _repeats(blocks, n)), 0
        )
        if not length:
            return None
        counts.insert(0, length)
        steps.insert(0, step)
        blocks = blocks[::length]
    return {"counts": counts, "steps": steps, "start": int(places[0])}


def _repeats(places: np.ndarray, length: int) -> bool:
    """Whether all blocks of that length step as the first one does."""
    blocks = places.reshape(-1, length)
    return bool((blocks - blocks[:, :1] == blocks[:1] - blocks[0, 0]).all())
