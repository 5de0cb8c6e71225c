"""Classes: which channels of different tensors must be removed from a network together."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Classes:
    """Numbers all channels of all tensors, and records which numbers belong together.

    ``fixed`` holds numbers of channels that stay whatever they do, ``numbers`` the channels of
    each tensor, int64 of shape (C,), by the name of the node that makes it.

    Examples
    --------
    >>> classes = Classes()
    >>> left, right = classes.fresh(2), classes.fresh(2, fixed=True)
    >>> classes.join(left, right).tolist(), classes.root(3) == classes.root(1)
    ([0, 1], True)
    """

    parents: list[int] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)

    def fresh(self, count: int, *, fixed: bool = False) -> np.ndarray:
        """New numbers, each a class of its own; with ``fixed`` they must stay."""
        found = np.arange(len(self.parents), len(self.parents) + count)
        self.parents.extend(found.tolist())
        if fixed:
            self.fixed.update(found.tolist())
        return found

    def root(self, number: int) -> int:
        """The number that represents the class."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Merge the classes of two arrays of channels, pair by pair."""
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            self.parents[self.root(b)] = self.root(a)
        return left

    def fix(self, numbers: np.ndarray) -> np.ndarray:
        """Mark channels as not removable."""
        self.fixed.update(numbers.tolist())
        return numbers
