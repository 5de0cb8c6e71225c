"""``loop_order = auto``: of a fixed set of plans the one with the fewest cycles, then bytes.

Rules: specification/basis_first_memory.md, BF-55 to BF-59.

The set depends on the layer alone; buffers only say which of its plans fit.  So every plan of a
smaller buffer is one of the larger, which may leave a part unused, and more of a buffer never
costs a cycle.  The plans, where n runs over 1, 2, 3, 4, 6, 8, 12 …:

* coefficient outer, the output in n column strips of full height, each broadcast in n pieces that
  complete as many output rows, or input row by input row
* coefficient outer with several passes, n row tiles, or single rows in n strips, each one piece or
  broadcast row by row
* input outer, n row tiles, or single rows in n strips

Each may keep a whole image on chip, or (several passes or input outer) a tile, loaded by the first
step that uses it; or a piece is fetched whenever it is broadcast.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from arch.basis_first.tiling import TilingProblem

Held = Literal["image", "tile", "none"]


@dataclass(frozen=True)
class Choice:
    """One plan of the set: loop order, cut, and what of the input stays on chip."""

    order: Literal["coefficient_outer", "input_outer"]
    height: int
    width: int
    rows: int
    held: Held

    @property
    def key(self) -> tuple[int, int, int]:
        """The cut: tile height and width, and output rows of a piece."""
        return self.height, self.width, self.rows


def divided(size: int) -> list[int]:
    """``size`` in 1, 2, 3, 4, 6, 8, 12 … parts of the same whole size, down to 1.

    Examples
    --------
    >>> divided(56), divided(7)
    ([56, 28, 19, 14, 10, 7, 5, 4, 3, 2, 1], [7, 4, 3, 2, 1])
    """
    parts = [each << n for n in range(size.bit_length() + 1) for each in (2, 3)]
    return sorted({size, *(-(-size // n) for n in parts)}, reverse=True)


def choices(problem: TilingProblem) -> Iterator[Choice]:
    """The whole set, whether it fits or not."""
    layer, passes = problem.layer, problem.passes
    held: tuple[Held, ...] = ("none", "tile", "image") if passes > 1 else ("none", "image")
    for width in divided(layer.Q):
        for rows in (*divided(layer.P), 0):
            for kept in held:
                yield Choice("coefficient_outer", layer.P, width, rows, kept)
    shapes = [(height, layer.Q) for height in divided(layer.P)]
    shapes += [(1, width) for width in divided(layer.Q)]
    for height, width in dict.fromkeys(shapes):
        if passes > 1 and height < layer.P:
            for rows, kept in product((height, 0), held):
                yield Choice("coefficient_outer", height, width, rows, kept)
        for kept in ("tile", "image"):
            yield Choice("input_outer", height, width, height, kept)
