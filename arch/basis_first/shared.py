"""What neighbouring points of a sweep share of the search for the best plan."""

from collections.abc import Hashable

from arch.basis_first.piece_times import MacWork, PieceTimes, passes
from arch.basis_first.shapes import Shapes
from arch.basis_first.spec import BasisFirstSpec
from arch.basis_first.tiling import TilingProblem
from arch.basis_first.work import Work
from arch.machine import Kept
from workloads.tensors import LayerTensors


def tiles_key(spec: BasisFirstSpec) -> Hashable:
    """All that a spec says about how a layer is cut into k-tiles and passes."""
    arrays = spec.pe_blocks, spec.slices_per_block
    return (*arrays, spec.vector_buffer_bytes, spec.coefficient_buffer_bytes)


class Shared:
    """A layer with its channels cut as ``cut`` asks, the way number ``number`` to cut them.

    planes : channels of each plane of the input
    """

    def __init__(
        self, memory: Kept, number: int, cut: BasisFirstSpec, planes: tuple[int, ...]
    ) -> None:
        self._memory, self._number, self._cut, self._planes = memory, number, cut, planes

    def shapes(self, problem: TilingProblem) -> Shapes:
        """Cuts and bytes of the plans."""
        key = tiles_key(self._cut), self._planes, problem.spec.dram_burst_bytes
        return self._memory.get(f"shapes {self._number}", key, lambda: Shapes(problem))

    def work(
        self, problem: TilingProblem, tensors: LayerTensors, found: Work
    ) -> tuple[MacWork, PieceTimes]:
        """What pieces take; ``found`` stands for all that the spec says about it."""
        spec, memory, number = problem.spec, self._memory, self._number
        tiles = found, tiles_key(self._cut)
        window = spec.broadcast_window, spec.vector_buffer_bytes, spec.broadcast_bytes_per_cycle
        these = memory.get(
            f"passes {number}", (tiles, window), lambda: passes(problem, tensors, found)
        )
        macs = memory.get(
            f"macs {number}",
            (tiles, spec.mac_row_width),
            lambda: MacWork(problem, tensors, found, these),
        )
        times = memory.get(
            f"times {number}",
            (tiles, window, spec.mac_row_width, spec.intermediate_fifo),
            lambda: PieceTimes(problem, tensors, found, these),
        )
        return macs, times
