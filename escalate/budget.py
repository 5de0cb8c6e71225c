"""budget: a form for every layer, such that the whole model fits, by equal slope of their curves.

Every layer's curve of divergence over bytes is replaced by its lower convex hull.  From the
smallest form of every layer on, the step that takes most divergence away per byte is made next,
wherever it is, until the room is used up: at the end all layers stand at about the same slope.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence

from escalate.errors import DecompositionError
from escalate.sensitivity import Curves, Form, Point


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
    DecompositionError
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
        raise DecompositionError(
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
    return {name: points[places[name]] for name, points in hulls.items()}


def fitted(
    curves: Curves,
    budget: int,
    measure: Callable[[Mapping[str, Form]], int],
    sweeps: int = 6,
) -> dict[str, Point]:
    """The points whose whole model, measured, takes at most ``budget`` bytes.

    What is not in the curves (multipliers, biases, headers) is measured with the model, and the
    room for the layers follows from it.

    Raises
    ------
    DecompositionError
        If no choice fits.
    """
    beside = 0
    for _ in range(sweeps):
        chosen = allocate(curves, budget - beside)
        size = measure({name: point.form for name, point in chosen.items()})
        if size <= budget:
            return chosen
        beside = max(size - sum(point.bytes for point in chosen.values()), beside + size - budget)
    raise DecompositionError(f"budget: no choice of forms was found within {budget} bytes")
