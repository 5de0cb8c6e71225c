"""``loop_order = auto``, slow and plain: every plan of the set is laid out and timed.

The set (specification/basis_first_memory.md, BF-55 to BF-59): column strips of full height
in even pieces, row tiles, single rows in strips; the whole image, a tile or nothing stays on chip.
Fewest cycles win, then fewest bytes; of equals the first.  A batch may also take its images one
by one, each in its own best plan, and never moves more bytes than that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from tests.reference.basis_first_steps import Fused, Plan, Step, charge_coefficients, in_bursts
from tests.reference.basis_first_tiles import Sizes, Tile, grid
from tests.reference.basis_first_work import KTile
from workloads.tensors import LayerTensors

Cost = Callable[[Plan], int]


@dataclass(frozen=True)
class Choice:
    """One plan of the set."""

    order: str
    p_t: int
    q_t: int
    rows: int  # output rows that a piece completes; 0: pieces of one input row
    held: str


def divided(size: int) -> list[int]:
    """In 1, 2, 3, 4, 6, 8, 12 ... equal parts, rounded up, each size once."""
    found = [size]
    for n in range(size.bit_length() + 1):
        found += [-(-size // (2 << n)), -(-size // (3 << n))]
    return sorted(set(found), reverse=True)


def choices(sizes: Sizes) -> Iterator[Choice]:
    """The set in its order."""
    P, Q, several = sizes.layer.P, sizes.layer.Q, sizes.passes > 1
    held = ["none", "tile", "image"] if several else ["none", "image"]
    for q_t, rows, kept in product(divided(Q), [*divided(P), 0], held):
        yield Choice("coefficient_outer", P, q_t, rows, kept)
    seen = set()
    for p_t, q_t in [*product(divided(P), [Q]), *product([1], divided(Q))]:
        if (p_t, q_t) in seen:
            continue
        seen.add((p_t, q_t))
        if several and p_t < P:
            for rows, kept in product([p_t, 0], held):
                yield Choice("coefficient_outer", p_t, q_t, rows, kept)
        for kept in ("tile", "image"):
            yield Choice("input_outer", p_t, q_t, p_t, kept)


def pieces(tile: Tile, rows: int) -> list[tuple[list[int], list[int]]]:
    """Input rows, and output rows that they complete, of each piece."""
    after = list(tile.completed_after().items())
    if not tile.rows:
        return [([], [p for p, _ in after])]
    ends = set(tile.rows)
    if rows:
        ends = {y for _, y in after[rows - 1 :: rows] if y is not None}
    ends = sorted(ends | {tile.rows[-1]})
    found = []
    low, done = -1, tile.p0
    for end in ends:
        group = [y for y in tile.rows if low < y <= end]
        stop = sum(y is None or y <= end for _, y in after) + tile.p0
        if end == tile.rows[-1]:
            stop = tile.p1
        found.append((group, list(range(done, stop))))
        low, done = end, stop
    return found


def laid_out(
    choice: Choice, tensors: LayerTensors, k_tiles: list[KTile], sizes: Sizes, images: list[int]
) -> list[Step] | None:
    """The steps of a choice, or None where a buffer is too small."""
    if not sizes.psums_fit(choice.p_t, choice.q_t):
        return None
    tiles = grid(tensors.layer, choice.p_t, choice.q_t)
    cut = {id(tile): pieces(tile, choice.rows) for tile in tiles}
    for image, tile in product(images, tiles):
        if not _fits(choice, sizes, image, tile, cut[id(tile)]):
            return None
    if choice.order == "coefficient_outer":
        places = [(k, i, t) for k in k_tiles for i in images for t in tiles]
    else:
        places = [(k, i, t) for i in images for t in tiles for k in k_tiles]
    steps = []
    for k_tile, image, tile in places:
        for work in k_tile.passes:
            for n, (rows, done) in enumerate(cut[id(tile)]):
                last = work.last and n == len(cut[id(tile)]) - 1
                steps.append(Step(image, tile, work, rows, done if work.last else [], last))
    return steps


def _fits(
    choice: Choice, sizes: Sizes, image: int, tile: Tile, cut: list[tuple[list[int], list[int]]]
) -> bool:
    """Whether the halves of the GLBs hold what the choice keeps of one tile."""
    if choice.held == "image":
        kept = [sizes.source.whole(image)]
    elif choice.held == "tile":
        kept = [sizes.source.runs(image, tile, tile.rows)]
    else:
        kept = [sizes.source.runs(image, tile, rows) for rows, _ in cut]
    if not all(sizes.input_fits(runs) for runs in kept):
        return False
    for k_tile, (rows, done) in product(range(sizes.k_tiles), cut):
        single = len(rows) <= 1 or len(done) <= 1
        if choice.order == "coefficient_outer" and single:
            continue  # a row is stored as it comes
        if not sizes.output_fits(sizes.sink.runs(image, k_tile, tile, done)):
            return False
    return True


def charge(
    parts: list[tuple[Choice, list[Step]]], tensors: LayerTensors, sizes: Sizes, fused: Fused
) -> Plan:
    """All steps with their traffic."""
    steps = [replace(step) for _, part in parts for step in part]
    charge_coefficients(steps, tensors, sizes)
    held = [choice for choice, part in parts for _ in part]
    on_chip: object = None
    for choice, step in zip(held, steps, strict=True):
        stored = sizes.sink.runs(step.image, step.work.k_tile, step.tile, step.completed)
        step.compressed_output_bytes = sum(stored)
        if not fused.keeps(sizes) or fused.stored:
            step.output_bytes = in_bursts(stored, sizes)
        if not step.pixels or fused.takes(sizes):
            continue
        wanted: object = step
        runs = sizes.source.runs(step.image, step.tile, step.rows)
        if choice.held == "image":
            wanted, runs = step.image, sizes.source.whole(step.image)
        elif choice.held == "tile":
            k_tile = step.work.k_tile if choice.order == "coefficient_outer" else None
            wanted = (step.image, step.tile, k_tile)
            runs = sizes.source.runs(step.image, step.tile, step.tile.rows)
        if wanted != on_chip:
            step.input_bytes = in_bursts(runs, sizes)
        on_chip = wanted
    first = parts[0][0]
    order = "+".join(dict.fromkeys(choice.order for choice, _ in parts))
    tiles = len(grid(tensors.layer, first.p_t, first.q_t))
    return Plan(order, (first.p_t, first.q_t), tiles, steps)


Best = tuple[tuple[int, int, int], list[tuple[Choice, list[Step]]], Plan]


def best_plan(
    tensors: LayerTensors, k_tiles: list[KTile], sizes: Sizes, fused: Fused, cycles: Cost
) -> tuple[int, int, Plan] | None:
    """Cycles, bytes and steps of the best plan, None where none fits."""

    def best(images: list[int], found: Best | None, most: int | None) -> Best | None:
        for number, choice in enumerate(choices(sizes)):
            steps = laid_out(choice, tensors, k_tiles, sizes, images)
            if steps is None:
                continue
            parts = [(choice, steps)]
            made = charge(parts, tensors, sizes, fused)
            if most is not None and made.dram_bytes > most:
                continue
            cost = cycles(made), made.dram_bytes, number
            if found is None or cost < found[0]:
                found = cost, parts, made
        return found

    alone = [best([image], None, None) for image in range(sizes.images)]
    singles = [one for one in alone if one is not None]
    if len(singles) < len(alone):
        return None
    chosen: Best | None = singles[0]
    if len(singles) > 1:
        parts = [part for one in singles for part in one[1]]
        made = charge(parts, tensors, sizes, fused)
        start = (cycles(made), made.dram_bytes, 1 << 30), parts, made
        chosen = best(list(range(sizes.images)), start, sum(one[0][1] for one in singles))
    assert chosen is not None
    return *chosen[0][:2], chosen[2]


def ladder(most: int, least: int, enough: int) -> list[int]:
    """2, 3, 4, 6, 8, 12 ... bytes, the least and what is enough, as far as the buffer goes."""
    sizes = {least, enough} | {each << n for n in range(most.bit_length()) for each in (1, 3)}
    return sorted((s for s in sizes if least <= s <= min(most, enough)), reverse=True)


def channel_cuts(tensors: LayerTensors, vector: int, coefficient: int) -> list[tuple[int, int]]:
    """Bytes of the vector and coefficient buffer that ``auto`` may make use of."""
    layer = tensors.layer
    words = -(-layer.channels_per_group // 64)
    vectors = ladder(vector, 72, max(72 * words, layer.C + -(-layer.C // 8)))
    halves = ladder(coefficient, 2, max(2, 2 * -(-layer.channels_per_group // 4)))
    return list(product(vectors, halves))
