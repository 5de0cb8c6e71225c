"""Layer + spec -> steps: one channel block of one filter block, strip and image block.

Order of the steps, outermost first: groups, blocks of n images, strips of e output rows, blocks
of m filters, blocks of q x r channels.  A step runs one pass for each p x t of its m filters.  The
GLB keeps the step's psums until all channels have been added, and its inputs while its passes run.

Inputs of a step come from DRAM unless the step before had the same (one channel block, several
filter blocks).  Weights come from DRAM for every pass, through the weight part of the GLB into
the spads, unless the group has only one pass per strip: then the spads keep them.

Rule: specification/eyeriss.md, EYE-3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arch.cuts import cut_sizes
from arch.eyeriss import coding
from arch.eyeriss.coding import Maps
from arch.eyeriss.kernels import COUNTS, Choice, Shape, dram_rows, step_counts
from arch.eyeriss.mapping import array_of, mapping, shape_of
from arch.eyeriss.spec import EyerissSpec
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The steps of one group, int64 (image blocks, strips, filter blocks, channel blocks).

    Parameters
    ----------
    shape, choice : one group of the layer, and its mapping
    n, e, m, c : sizes of the blocks of each axis
    counts : int64 (*grid, COUNTS), columns as in ``arch.eyeriss.kernels``
    fresh_inputs, fresh_weights : bool (*grid), whether the step fetches them
    """

    shape: Shape
    choice: Choice
    n: np.ndarray
    e: np.ndarray
    m: np.ndarray
    c: np.ndarray
    counts: np.ndarray
    fresh_inputs: np.ndarray
    fresh_weights: np.ndarray

    @property
    def grid(self) -> tuple[int, ...]:
        """Blocks of each axis."""
        return self.fresh_inputs.shape

    @property
    def strips(self) -> list[tuple[int, int]]:
        """Input rows in DRAM under each strip, first and last + 1."""
        ends = np.cumsum(self.e).tolist()
        begins = [0, *ends[:-1]]
        return [dram_rows(self.shape, low, high) for low, high in zip(begins, ends, strict=True)]

    def total(self, column: int) -> int:
        """One count over all steps and groups."""
        return int(self.counts[..., column].sum()) * self.shape.groups


def plan(
    layer: ConvLayer, spec: EyerissSpec, images: int = 1, choice: Choice | None = None
) -> Plan:
    """The steps of one group of ``layer``, by default with the mapping for uncompressed maps.

    Raises
    ------
    OperandError
        If no mapping fits, or the one that ``spec`` names does not.

    Examples
    --------
    >>> conv2 = ConvLayer("conv2", C=96, K=256, H=27, W=27, R=5, S=5, padding=(2,) * 4, groups=2)
    >>> spec = EyerissSpec(rows=12, columns=14, mapping="64,1,27,16,2,1,1", psum_bits=16)
    >>> plan(conv2, spec, 4).grid
    (4, 1, 2, 24)
    """
    shape, choice = shape_of(layer, images), choice or mapping(layer, spec, images)
    n, e = cut_sizes(images, choice.n), cut_sizes(shape.P, choice.e)
    m, c = cut_sizes(shape.K, choice.m), cut_sizes(shape.C, choice.q * choice.r)
    grid = (n.size, e.size, m.size, c.size)
    fresh_inputs = np.ones(grid, bool)
    if c.size == 1:
        fresh_inputs[:, :, 1:] = False
    fresh_weights = np.ones(grid, bool)
    if c.size == 1 and choice.p * choice.t >= shape.K:
        fresh_weights[:] = False
        fresh_weights[0, 0] = True
    more = np.zeros(grid, bool)
    more[..., 1:] = True
    axes = np.meshgrid(n, e, m, c, indexing="ij")
    sizes = np.stack([*axes, more, fresh_weights], axis=-1).astype(np.int64).reshape(-1, 6)
    counts = np.zeros((sizes.shape[0], COUNTS), np.int64)
    step_counts(shape, array_of(spec), choice, sizes, counts)
    return Plan(
        shape, choice, n, e, m, c, counts.reshape(*grid, COUNTS), fresh_inputs, fresh_weights
    )


Bytes = Mapping[str, np.ndarray]


def _blocks(bytes_of: np.ndarray, images: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Bytes by (image, channel) added up by block: int64 (groups x blocks, image blocks)."""
    starts = np.cumsum(images) - images
    by_image = np.add.reduceat(bytes_of, starts, axis=0)
    summed: np.ndarray = np.add.reduceat(by_image, np.cumsum(channels) - channels, axis=1)
    return summed


def dram_bytes(planned: Plan, maps: Maps, spec: EyerissSpec) -> tuple[Bytes, Bytes]:
    """Loads and stores by tensor, int64 (groups, *grid), before they are rounded up to bursts."""
    shape, grid = planned.shape, planned.grid
    everything = (shape.groups, *grid)
    word, per_word = spec.operand_bytes, spec.pairs_per_word
    inputs, outputs = np.zeros(everything, np.int64), np.zeros(everything, np.int64)
    channels, filters = (np.tile(part, shape.groups) for part in (planned.c, planned.m))
    first = 0
    for strip, (low, high) in enumerate(planned.strips):
        last = first + int(planned.e[strip])
        raw_in = np.full((shape.images, shape.C * shape.groups), (high - low) * shape.W * word)
        raw_out = np.full((shape.images, shape.K * shape.groups), (last - first) * shape.Q * word)
        if maps.inputs is not None:
            raw_in = coding.read_bytes(maps.inputs, low, high, per_word)
        if maps.outputs is not None:
            raw_out = coding.written_bytes(maps.outputs, first, last, per_word)
        first = last
        found = _blocks(raw_in, planned.n, channels).reshape(grid[0], shape.groups, grid[3])
        inputs[:, :, strip] = found.transpose(1, 0, 2)[:, :, None, :]
        found = _blocks(raw_out, planned.n, filters).reshape(grid[0], shape.groups, grid[2])
        outputs[:, :, strip, :, -1] = found.transpose(1, 0, 2)
    weights = np.zeros(everything, np.int64)
    size = shape.R * shape.S * word
    weights[:] = planned.fresh_weights * planned.m[:, None] * planned.c[None, :] * size
    return {"input": inputs * planned.fresh_inputs, "weight": weights}, {"output": outputs}
