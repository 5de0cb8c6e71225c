"""read_pool, adaptive_pool, over_axes: pools of an exported graph as the attributes of ours."""

from typing import Any, NamedTuple

import numpy as np

from escalate.capture.aten import Call, pair_of, plane_of
from escalate.capture.tensor import Tensor


class Window(NamedTuple):
    """A pool's window, each number for rows and for columns."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first to the last element, those between included."""
        down, across = (
            (size - 1) * step + 1 for size, step in zip(self.kernel, self.dilation, strict=True)
        )
        return down, across


def window_of(call: Call) -> Window:
    """The window that the arguments of a pool state."""
    kernel = pair_of(call.arguments["kernel_size"])
    stride = pair_of(call.arguments["stride"] or kernel)
    dilation = pair_of(call.arguments.get("dilation", 1))
    return Window(kernel, stride, pair_of(call.arguments["padding"]), dilation)


def read_pool(call: Call, op: str, window: Window, *, counts_padding: bool = True) -> str:
    """Add a pool; the padding below and right grows where ``ceil_mode`` lets windows hang over.

    What hangs over never counts in a mean, and padding only where ``counts_padding`` says so.
    """
    source = call.source()
    call.require_planes()
    _, *sides = call.draft.nodes[source].shape
    _, *windows = plane_of(call, call.node)
    padding: list[int] = []
    counted: list[list[int]] = []
    for axis in (0, 1):
        pad, stride, reach = window.padding[axis], window.stride[axis], window.reach[axis]
        padding += [pad, max(pad, (windows[axis] - 1) * stride + reach - sides[axis] - pad)]
        edge = pad if counts_padding else 0
        counted.append(counted_in(window, axis, windows[axis], (-edge, sides[axis] + edge)))
    attributes: dict[str, Any] = {
        "kernel": [*window.kernel],
        "stride": [*window.stride],
        "padding": padding,
    }
    if window.dilation != (1, 1):
        attributes["dilation"] = [*window.dilation]
    full = [set(numbers) == {size} for numbers, size in zip(counted, window.kernel, strict=True)]
    if op == "avg_pool" and not all(full):
        attributes |= {"rows": counted[0], "columns": counted[1]}
    return call.add(op, (source,), attributes)


def windows_along(side: int, edges: tuple[int, int], reach: int, stride: int, ceil: bool) -> int:
    """How many windows of an ONNX pool fit a padded side; none begins behind the plane.

    Examples
    --------
    >>> windows_along(9, (0, 0), 1, 3, ceil=True), windows_along(8, (1, 2), 3, 3, ceil=True)
    (3, 3)
    """
    room = side + sum(edges) - reach
    if not ceil:
        return room // stride + 1
    found = -(-room // stride) + 1
    return found - 1 if (found - 1) * stride >= side + edges[0] else found


def adaptive_pool(call: Call, op: str) -> Tensor:
    """A pool whose windows follow from the size of its output.

    Window i of n on a side of s is what torch says: from floor(i s / n) to ceil((i + 1) s / n).
    """
    source = call.source()
    call.require_planes()
    c, h, w = call.draft.nodes[source].shape
    p, q = pair_of(call.arguments["output_size"])
    if h % p == 0 and w % q == 0:
        return _tiled(call, op, source, (h // p, w // q))
    attributes: dict[str, Any] = {"kernel": [], "stride": [1, 1], "padding": [0, 0, 0, 0]}
    for side, count, starts, sizes in ((h, p, "tops", "rows"), (w, q, "lefts", "columns")):
        first = [i * side // count for i in range(count)]
        attributes[starts] = first
        attributes[sizes] = [-(-(i + 1) * side // count) - first[i] for i in range(count)]
        attributes["kernel"].append(max(attributes[sizes]))
    return Tensor(call.draft.add(call.path, op, (source,), (c, p, q), attributes), (c, p, q))


def _tiled(call: Call, op: str, source: str, window: tuple[int, int]) -> Tensor:
    """A pool of windows side by side."""
    c, h, w = call.draft.nodes[source].shape
    shape = (c, h // window[0], w // window[1])
    pool = {"kernel": [*window], "stride": [*window], "padding": [0, 0, 0, 0]}
    return Tensor(call.draft.add(call.path, op, (source,), shape, pool), shape)


def over_axes(call: Call, op: str) -> Tensor:
    """A pool over one or two whole axes, wherever they stand.

    They are brought behind the others; where one goes, rows stay and columns are pooled.
    """
    tensor = call.operand()
    rank, dims = len(tensor.shape) + 1, call.arguments.get("dim")
    listed = dims if isinstance(dims, list) else [] if dims is None else [dims]
    axes = {axis % rank for axis in (listed or range(rank))}
    if 0 in axes or not 1 <= len(axes) <= 2 or rank > 4:
        told = ("N", *tensor.shape)
        call.fail(f"over axes {sorted(axes)} of shape {told}, wanted one or two of (N, C, H, W)")
    kept = [axis - 1 for axis in range(1, rank) if axis not in axes]
    moved = tensor.moved((*kept, *(axis - 1 for axis in sorted(axes))))
    sizes = moved.shape
    if len(kept) == 2:
        planes, window = (sizes[0], sizes[1], sizes[2]), (1, sizes[2])
    else:
        h, w = (1, *sizes[len(kept) :])[-2:]
        planes, window = (int(np.prod(sizes[: len(kept)])), h, w), (h, w)
    pooled = _tiled(call, op, call.made(moved.reshaped(planes)), window)
    left = [1 if axis in axes else tensor.shape[axis - 1] for axis in range(1, rank)]
    if not call.arguments.get("keepdim"):
        left = [tensor.shape[axis] for axis in kept]
    return pooled.reshaped(tuple(left))


def counted_in(window: Window, axis: int, windows: int, inside: tuple[int, int]) -> list[int]:
    """How many elements of each window lie inside, on one axis.

    Examples
    --------
    >>> counted_in(Window((3, 3), (2, 2), (1, 1)), 0, 3, (0, 5))
    [2, 3, 2]
    """
    found = []
    for index in range(windows):
        first = index * window.stride[axis] - window.padding[axis]
        places = range(first, first + window.reach[axis], window.dilation[axis])
        found.append(sum(inside[0] <= place < inside[1] for place in places))
    return found
