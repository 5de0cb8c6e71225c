"""The units' actions, and the traffic between levels.

Rule: specification/sparten.md, SPA-11.
"""

import numpy as np

from arch.buffers import Buffer, Buffers, banked
from arch.charges import Key
from arch.sparten.filters import FilterGroups
from arch.sparten.plan import Part
from arch.sparten.spec import SpartenSpec


def buffers(spec: SpartenSpec) -> Buffers:
    """The buffers of all units, and the banks of the three shared ones.

    Examples
    --------
    >>> buffers(SpartenSpec())["filter_buffer"]
    Buffer(size_bytes=288, port_bytes=2, instances=1024)
    """
    own = {
        name: Buffer(getattr(spec, f"{name}_bytes"), spec.unit_port_bytes, spec.units)
        for name in ("filter_buffer", "input_buffer")
    }
    shared = {
        f"{name}_glb": banked(getattr(spec, f"{name}_glb_bytes"), spec.bank_bytes, spec.port_bytes)
        for name in ("input", "filter", "output")
    }
    return own | shared


def held(filters: FilterGroups, passes: int, spec: SpartenSpec) -> np.ndarray:
    """Whether each unit's part of a pass fits half its own buffer, bool (filter groups, passes).

    Then it stays there from output to output.
    """
    in_unit = filters.in_passes(filters.in_unit, passes)
    fits: np.ndarray = in_unit.max(axis=2) <= spec.filter_buffer_bytes // 2
    return fits


def copies(rows: np.ndarray, held: np.ndarray, width: int, spec: SpartenSpec) -> np.ndarray:
    """How often filters leave the shared buffer in all steps, and enter a cluster's units.

    Filters that a unit can hold enter a cluster once in a step, others once for each output.  In
    step after each chunk one read serves all clusters.

    Parameters
    ----------
    rows : int64 (runs,), output rows of each, ``width`` positions in a row
    held : bool (filter groups, passes)

    Returns
    -------
    int64 (2, filter groups, passes)
    """
    positions = rows * width
    if spec.sync != "chunk":
        once = int(np.minimum(spec.clusters, positions).sum())
        found = np.where(held, once, int(positions.sum()))
        return np.stack([found, found])
    tiles = int(rows.sum()) * -(-width // spec.clusters)
    read = np.where(held, rows.size, tiles)
    written = np.where(held, rows.size * min(spec.clusters, width), int(positions.sum()))
    return np.stack([read, written])


def _filter_moves(part: Part, spec: SpartenSpec) -> dict[str, int]:
    """Bytes and accesses of filters from the shared buffer into the units."""
    arranged, rows = part.choice.arranged, np.diff(part.choice.under.bounds)
    filters, passes = arranged.joins.filters, arranged.passes
    read, written = copies(rows, held(filters, passes, spec), arranged.joins.layer.Q, spec)
    moved = filters.in_passes(filters.moved, passes)
    leaving, entering = filters.in_passes(filters.accesses, passes, axis=2)
    return {
        "glb_bytes": int((read * moved).sum()),
        "glb_accesses": int((read * leaving).sum()),
        "unit_bytes": int((written * moved).sum()),
        "unit_accesses": int((written * entering).sum()),
    }


def _window_moves(part: Part) -> dict[str, int]:
    """Bytes and accesses of input chunks, broadcast to all units that have a filter."""
    joins, images = part.choice.arranged.joins, part.choice.images
    filters = joins.filters
    size, leaving, entering = joins.windows.moved[:, :, images].sum(axis=(2, 3))[:, filters.group]
    return {
        "glb_bytes": int(size.sum()),
        "glb_accesses": int(leaving.sum()),
        "unit_bytes": int((size * filters.used).sum()),
        "unit_accesses": int((entering * filters.used).sum()),
    }


def positions(part: Part) -> int:
    """Output positions of a part's images."""
    choice = part.choice
    layer = choice.arranged.joins.layer
    return (choice.images.stop - choice.images.start) * layer.P * layer.Q


def _waiting(part: Part, spec: SpartenSpec) -> tuple[int, int]:
    """Psums that wait from one pass to the next, and the accesses that store them."""
    arranged = part.choice.arranged
    sizes, times = arranged.joins.filters.sizes, positions(part) * (arranged.passes - 1)
    accesses = -(-sizes * spec.psum_bytes // spec.port_bytes)
    return times * int(sizes.sum()), times * int(accesses.sum())


def _accesses(steps: np.ndarray, spec: SpartenSpec) -> int:
    return int((-(-steps // spec.port_bytes)).sum())


def matched(part: Part) -> int:
    """Matching pairs."""
    return int(part.choice.arranged.joins.matched[:, part.choice.images].sum())


def chunk_pairs(part: Part) -> int:
    """Joins of one filter's chunk with one window's."""
    filters = part.choice.arranged.joins.filters
    return positions(part) * int(filters.sizes.sum()) * filters.chunks


def counts(part: Part, spec: SpartenSpec) -> tuple[dict[Key, int], dict[Key, int]]:
    """Traffic, bytes by (level, tensor, direction), and events, by (component, action, tensor).

    ``glb`` are the three shared buffers, ``unit`` those of the units; both count both sides.
    """
    pairs, multiplies = chunk_pairs(part), matched(part)
    filters, windows = _filter_moves(part, spec), _window_moves(part)
    waiting, waiting_accesses = _waiting(part, spec)
    dram, word = part.dram, spec.operand_bytes
    stored = int(dram.stores["output"].sum())
    masks = {
        "input": pairs * spec.skips_activations,
        "weight": pairs * spec.skips_weights,
    }
    traffic = {
        ("glb", "input", "write"): int(dram.loads["input"].sum()),
        ("glb", "input", "read"): windows["glb_bytes"],
        ("glb", "weight", "write"): int(dram.loads["weight"].sum()),
        ("glb", "weight", "read"): filters["glb_bytes"],
        ("glb", "psum", "write"): waiting * spec.psum_bytes,
        ("glb", "psum", "read"): waiting * spec.psum_bytes,
        ("glb", "output", "write"): stored,
        ("glb", "output", "read"): stored,
        ("unit", "input", "write"): windows["unit_bytes"],
        ("unit", "input", "read"): multiplies * word + masks["input"] * spec.mask_bytes,
        ("unit", "weight", "write"): filters["unit_bytes"],
        ("unit", "weight", "read"): multiplies * word + masks["weight"] * spec.mask_bytes,
    }
    mask_accesses = -(-spec.mask_bytes // spec.unit_port_bytes)
    leaving = _accesses(dram.stores["output"], spec)
    events = {
        ("input_glb", "write", "input"): _accesses(dram.loads["input"], spec),
        ("input_glb", "read", "input"): windows["glb_accesses"],
        ("filter_glb", "write", "weight"): _accesses(dram.loads["weight"], spec),
        ("filter_glb", "read", "weight"): filters["glb_accesses"],
        ("output_glb", "write", "psum"): waiting_accesses,
        ("output_glb", "read", "psum"): waiting_accesses,
        ("output_glb", "write", "output"): leaving,
        ("output_glb", "read", "output"): leaving,
        ("input_buffer", "write", "input"): windows["unit_accesses"],
        ("input_buffer", "read", "input"): multiplies + masks["input"] * mask_accesses,
        ("filter_buffer", "write", "weight"): filters["unit_accesses"],
        ("filter_buffer", "read", "weight"): multiplies + masks["weight"] * mask_accesses,
        ("psum_register", "read", "psum"): multiplies + waiting,
        ("psum_register", "write", "psum"): multiplies + waiting,
        **_unit_events(part, pairs, multiplies),
    }
    return traffic, events


def _unit_events(part: Part, pairs: int, multiplies: int) -> dict[Key, int]:
    """What units and collectors do."""
    joins = part.choice.arranged.joins
    spec = joins.spec  # balanced as this part's filters are
    packed = spec.skips_activations + spec.skips_weights
    permuted = pairs if spec.balance == "hardware" else 0
    return {
        ("inner_join", "and", "mask"): pairs if packed == 2 else 0,
        ("inner_join", "prefix_sum", "mask"): pairs * packed,
        ("inner_join", "pick", "mask"): multiplies if packed else 0,
        ("unit", "multiply", "psum"): multiplies,
        ("unit", "add", "psum"): multiplies,
        ("permute_network", "move", "psum"): permuted,
        ("collector", "add", "psum"): permuted,
        ("collector", "write", "output"): positions(part) * joins.layer.K,
    }
