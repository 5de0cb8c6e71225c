"""read_pool: a pool of an exported graph as the attributes of ours."""

from typing import Any, NamedTuple

from escalate.capture.aten import Call, pair_of, plane_of


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
        counted.append(_counted(window, axis, windows[axis], (-edge, sides[axis] + edge)))
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


def _counted(window: Window, axis: int, windows: int, inside: tuple[int, int]) -> list[int]:
    """How many elements of each window lie inside, on one axis."""
    found = []
    for index in range(windows):
        first = index * window.stride[axis] - window.padding[axis]
        places = range(first, first + window.reach[axis], window.dilation[axis])
        found.append(sum(inside[0] <= place < inside[1] for place in places))
    return found
