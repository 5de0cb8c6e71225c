"""What the plans of a layer ask for in any order and at any speed: cuts, steps, bytes.

Nothing here depends on the sizes of GLBs and FIFOs, or on what a cycle or a byte takes, so the
points of a sweep share it.
"""

from functools import cached_property

import numpy as np

from arch.basis_first.auto import choices
from arch.basis_first.cuts import Bytes, Cut, cut_points
from arch.basis_first.layout import StoredTensor
from arch.basis_first.tiling import Tile, TilingProblem, grid
from arch.memory import burst_bytes


class Shapes:
    """One layer with its channels cut in one way; each cut and map is worked out once."""

    def __init__(self, problem: TilingProblem) -> None:
        self.problem = problem
        self.choices = tuple(choices(problem))
        self._cuts: dict[tuple[int, int, int], Cut] = {}
        self._cut_points: dict[object, np.ndarray] = {}
        self._maps: dict[object, Bytes] = {}

    def cut(self, key: tuple[int, int, int]) -> Cut:
        """The cut of that tile height, width and rows of a piece, made once."""
        if key not in self._cuts:
            self._cuts[key] = Cut(self.problem, *key)
        return self._cuts[key]

    def map(self, cut: Cut, image: int, what: str) -> Bytes:
        """Bytes, exactly and in bursts, of ``pieces``, ``tiles`` or ``outputs`` of one image."""
        key = (cut.height, cut.width, cut.rows, image, what)
        if key not in self._maps:
            if what == "outputs":
                self._maps[key] = cut.outputs(self._planes[image])
            else:
                stored = self.problem.images[image]
                self._maps[key] = cut.inputs(stored, whole_tiles=what == "tiles")
        return self._maps[key]

    @cached_property
    def _planes(self) -> tuple[StoredTensor, ...]:
        """All output planes of every image."""
        by_image = zip(*self.problem.outputs, strict=True)
        return tuple(
            StoredTensor(
                np.concatenate([plane.rows for plane in planes]),
                np.concatenate([plane.columns for plane in planes]),
            )
            for planes in by_image
        )

    @cached_property
    def largest(self) -> tuple[int, int]:
        """Bytes of the largest image and of the largest output plane of one image."""
        planes = max(int(each.whole().max()) for each in self._planes)
        return max(self.whole(n)[0] for n in range(len(self.problem.images))), planes

    def whole(self, image: int) -> tuple[int, int]:
        """Bytes of a whole image, exactly and in bursts."""
        runs = self.problem.images[image].whole()
        return int(runs.sum()), int(burst_bytes(runs, self.problem.spec).sum())

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """What the bounds need of every choice: arrays (choices,)."""
        layer, problem = self.problem.layer, self.problem
        set_ = self.choices
        height, width, _ = np.array([choice.key for choice in set_]).T
        held = np.array([choice.held for choice in set_])
        firsts = {h: next(grid(layer, h, layer.Q)) for h in set(height.tolist())}
        pieces, begin, end = np.zeros((3, len(set_)), np.int64)
        for n, choice in enumerate(set_):
            needed = firsts[choice.height].needed_rows
            if needed.size == 0:
                continue
            cuts = self._points(firsts[choice.height], choice.rows)
            pieces[n] = cuts.size if choice.height == layer.P else 0
            stop = int(cuts[0]) if cuts.size and choice.held == "none" else needed.size
            begin[n], end[n] = needed[0], needed[stop - 1] + 1
        down, across = -(-layer.P // height), -(-layer.Q // width)
        pieces = (pieces + 1) * down * across
        return {
            "width": width,
            "held": held,
            "outer": np.array([choice.order == "coefficient_outer" for choice in set_]),
            "down": down,
            "tiles": down * across,
            "pieces": pieces,
            "steps": pieces * len(problem.k_tiles) * problem.passes,
            "begin": begin,
            "end": end,
        }

    def _points(self, tile: Tile, rows: int) -> np.ndarray:
        """``cut_points``, each worked out once."""
        key = tile.box, rows
        if key not in self._cut_points:
            self._cut_points[key] = cut_points(tile, rows)
        return self._cut_points[key]

    @cached_property
    def dense(self) -> bool:
        """Whether every output row and column reads some input."""
        layer = self.problem.layer
        tile = next(grid(layer, layer.P, layer.Q))
        return bool((tile.rows.last >= 0).all() and (tile.columns.last >= 0).all())

    @cached_property
    def stored(self) -> list[int]:
        """Bytes of every image's output, before they are rounded up to bursts."""
        return [
            sum(int(planes[image].whole().sum()) for planes in self.problem.outputs)
            for image in range(len(self.problem.images))
        ]

    @cached_property
    def read(self) -> list[int]:
        """Bytes of every image's needed pixels, before they are rounded up to bursts."""
        layer = self.problem.layer
        tile = next(grid(layer, layer.P, layer.Q))
        pixels = np.ix_(tile.needed_rows, tile.columns.needed)
        return [
            int(np.diff(image.columns, axis=2).sum(axis=0)[pixels].sum())
            for image in self.problem.images
        ]
