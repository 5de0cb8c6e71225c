"""axes: what differs between points, and so gets a column of its own."""

from collections.abc import Mapping, Sequence
from typing import Any


def axis_columns(points: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The axes of some points: for each axis, its value at every point that has one.

    Parameters
    ----------
    points : each with ``point`` (its name), ``machine``, ``spec`` (fields) and ``fed`` (what its
        tensors were made of)

    Returns
    -------
    By axis, the values by point.  A field of a machine is an axis if two points of that machine
    differ in it; what tensors are made of is one if any two points that have it differ.

    Examples
    --------
    >>> one = {"point": "a", "machine": "m", "spec": {"lanes": 1, "node_nm": 45}, "fed": {}}
    >>> axis_columns([one, {**one, "point": "b", "spec": {"lanes": 2, "node_nm": 45}}])
    {'lanes': {'a': 1, 'b': 2}}
    """
    found: dict[str, dict[str, Any]] = {}
    for name in _names(points, "fed"):
        values = {e["point"]: e["fed"][name] for e in points if e["fed"].get(name) is not None}
        if len(set(values.values())) > 1:
            found[name] = values
    for machine in dict.fromkeys(each["machine"] for each in points):
        own = [each for each in points if each["machine"] == machine]
        for name in _names(own, "spec"):
            values = {each["point"]: each["spec"].get(name) for each in own}
            if len(set(values.values())) > 1:
                found.setdefault(name, {}).update(values)
    return found


def _names(points: Sequence[Mapping[str, Any]], part: str) -> list[str]:
    return list(dict.fromkeys(name for each in points for name in each[part]))
