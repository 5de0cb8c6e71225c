"""budget: a form for every layer, such that the whole model fits, by equal slope of their curves.

Every layer's curve of divergence over bytes is replaced by its lower convex hull.  From the
smallest form of every layer on, the step that takes most divergence away per byte is made next,
wherever it is, until no further one fits: then all layers stand at about the same slope.  What is
left of the room is filled with smaller steps, to points beside the hulls.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence

from escalate.compressors.escalate.curves import Curves, Form, Point
from escalate.errors import BudgetError

NEAR = 200  # a choice within this part of the budget is near enough to stop at


def hull(points: Sequence[Point]) -> tuple[Point, ...]:
    """The lower convex hull of divergence over bytes, by rising bytes and falling divergence.

    Examples
    --------
    >>> points = [Point("a", Form(1, d), size, 0.0, gap, 1.0)
    ...           for d, size, gap in ((0.1, 1, 8.0), (0.2, 2, 7.0), (0.3, 3, 0.0), (0.4, 4, 0.5))]
    >>> [point.bytes for point in hull(points)]
    [1, 3]
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda each: (each.bytes, each.divergence)):
        if found and point.divergence >= found[-1].divergence:
            continue
        while len(found) > 1 and _slope(found[-2], found[-1]) <= _slope(found[-2], point):
            found.pop()
        found.append(point)
    return tuple(found)


def _slope(left: Point, right: Point) -> float:
    """Divergence taken away per byte."""
    return (left.divergence - right.divergence) / (right.bytes - left.bytes)


def allocate(curves: Mapping[str, Sequence[Point]], room: int) -> dict[str, Point]:
    """The point of every layer's hull that is taken when all of them share ``room`` bytes.

    Raises
    ------
    BudgetError
        If even the smallest forms need more.

    Examples
    --------
    >>> def curve(name, *pairs):
    ...     return [Point(name, Form(1, 0.5), size, 0.0, gap, 1.0) for size, gap in pairs]
    >>> curves = {"a": curve("a", (1, 9.0), (5, 1.0)), "b": curve("b", (1, 3.0), (5, 2.0))}
    >>> {name: point.bytes for name, point in allocate(curves, 7).items()}
    {'a': 5, 'b': 1}
    """
    hulls = {name: hull(points) for name, points in curves.items()}
    places = dict.fromkeys(hulls, 0)
    used = sum(points[0].bytes for points in hulls.values())
    if used > room:
        raise BudgetError(
            f"budget: the smallest forms of all layers take {used} bytes, {room} are left for them"
        )
    waiting: list[tuple[float, str]] = []

    def offer(name: str) -> None:
        points, place = hulls[name], places[name]
        if place + 1 < len(points):
            heapq.heappush(waiting, (-_slope(points[place], points[place + 1]), name))

    for name in hulls:
        offer(name)
    while waiting:
        _, name = heapq.heappop(waiting)
        step = hulls[name][places[name] + 1].bytes - hulls[name][places[name]].bytes
        if used + step <= room:  # one that is too large ends its layer, smaller ones may follow
            used, places[name] = used + step, places[name] + 1
            offer(name)
    chosen = {name: points[places[name]] for name, points in hulls.items()}
    return _filled(curves, chosen, room - used)


def _filled(
    curves: Mapping[str, Sequence[Point]], chosen: dict[str, Point], left: int
) -> dict[str, Point]:
    """The choice after steps to any points, hull or not, as long as one fits into what is left."""
    while True:
        steps = [
            (_slope(chosen[name], point), name, point)
            for name, points in curves.items()
            for point in points
            if 0 < point.bytes - chosen[name].bytes <= left
            and point.divergence < chosen[name].divergence
        ]
        if not steps:
            return chosen
        _, name, point = max(steps, key=lambda step: (step[0], step[1]))
        left -= point.bytes - chosen[name].bytes
        chosen = {**chosen, name: point}


def fitted(
    curves: Curves,
    budget: int,
    measure: Callable[[Mapping[str, Form]], int],
    sweeps: int = 8,
) -> dict[str, Point]:
    """The points whose whole model, measured, is the largest found within ``budget`` bytes.

    What is not in the curves (multipliers, biases, headers, what is removed) is measured with the
    model, and the room for the layers follows from it, up or down.

    Raises
    ------
    BudgetError
        If no choice fits.
    """
    best: tuple[int, dict[str, Point]] | None = None
    tried: set[int] = set()
    room = budget
    for _ in range(sweeps):
        chosen = allocate(curves, room)
        size = measure({name: point.form for name, point in chosen.items()})
        if size <= budget and (best is None or size > best[0]):
            best = size, chosen
        used = sum(point.bytes for point in chosen.values())
        if used in tried or budget - budget // NEAR <= size <= budget:
            break
        tried.add(used)
        room = max(used, room) + budget - size if size <= budget else used + budget - size
    if best is None:
        raise BudgetError(f"budget: no choice of forms was found within {budget} bytes")
    return best[1]
