"""The units' actions, what each costs, and the traffic between levels.

The inner join has no published energies within one family of tables, so its parts are counted as
adders (Assumption): the AND of two masks as one adder as wide as the chunk; a priority encoder
that picks a match as another; a prefix sum over n positions as the n/2 x log2(n) adders of a
parallel prefix network, each as wide as a count up to n.  The AND and the prefix sums work once
per filter and chunk, a prefix sum for each operand that is packed; the encoder once per match.
The permute network of GB-H passes a psum through 2 log2(units) - 1 stages of registers, once per
filter and chunk, and an adder behind it collects the psum.
"""

from math import ceil, log2

import numpy as np

from arch.buffers import Buffer, Buffers, banked
from arch.charges import Key, common_prices
from arch.energy import EnergyTable, Price
from arch.prices import price_list
from arch.sparten.join import Joined
from arch.sparten.plan import Plan, Step
from arch.sparten.spec import SpartenSpec
from arch.sparten.tasks import Task
from workloads.layer import ConvLayer


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


def _copies(step: Step, task: Task, layer: ConvLayer, spec: SpartenSpec) -> tuple[int, int]:
    """How often a task's filters leave the shared buffer in a step, and enter a cluster's units.

    Filters that a unit can hold enter a cluster once in a step, others once for each output.  In
    step after each chunk one read serves all clusters.
    """
    rows = step.rows[1] - step.rows[0]
    positions = rows * layer.Q
    if spec.sync != "chunk":
        copies = min(spec.clusters, positions) if task.held else positions
        return copies, copies
    if task.held:
        return 1, min(spec.clusters, layer.Q)
    return rows * -(-layer.Q // spec.clusters), positions


def _filter_moves(
    planned: Plan, todo: tuple[Task, ...], layer: ConvLayer, spec: SpartenSpec
) -> dict[str, int]:
    """Bytes and accesses of filters from the shared buffer into the units."""
    moves = dict.fromkeys(("glb_bytes", "glb_accesses", "unit_bytes", "unit_accesses"), 0)
    for step in planned.steps:
        for task in todo[slice(*step.tasks)]:
            read, written = _copies(step, task, layer, spec)
            moves["glb_bytes"] += read * task.moved_bytes
            moves["glb_accesses"] += read * task.glb_accesses
            moves["unit_bytes"] += written * task.moved_bytes
            moves["unit_accesses"] += written * task.unit_accesses
    return moves


def _waiting(todo: tuple[Task, ...], positions: int, spec: SpartenSpec) -> tuple[int, int]:
    """Psums that wait from one pass to the next, and the accesses that store them."""
    words = accesses = 0
    for task in todo:
        if task.pass_number + 1 < task.passes:
            words += positions * task.filters
            accesses += positions * -(-task.filters * spec.psum_bytes // spec.port_bytes)
    return words, accesses


def _accesses(steps: np.ndarray, spec: SpartenSpec) -> int:
    return int((-(-steps // spec.port_bytes)).sum())


def chunk_pairs(joined: Joined, positions: int) -> int:
    """Joins of one filter's chunk with one window's.

    ``positions`` are the output positions of all images.
    """
    return positions * sum(task.filters * task.chunks for task in joined.tasks)


def counts(
    layer: ConvLayer, images: int, joined: Joined, planned: Plan, spec: SpartenSpec
) -> tuple[dict[Key, int], dict[Key, int]]:
    """Traffic, bytes by (level, tensor, direction), and events, by (component, action, tensor).

    ``glb`` are the three shared buffers, ``unit`` those of the units; both count both sides.
    """
    positions = images * layer.P * layer.Q
    outputs = positions * layer.K
    multiplies, pairs = int(joined.matched.sum()), chunk_pairs(joined, positions)
    filters = _filter_moves(planned, joined.tasks, layer, spec)
    waiting, waiting_accesses = _waiting(joined.tasks, positions, spec)
    dram, windows = planned.dram, joined.windows
    masks = {
        "input": pairs * spec.skips_activations,
        "weight": pairs * spec.skips_weights,
    }
    word, stored = spec.operand_bytes, int(dram.stores["output"].sum())
    traffic = {
        ("glb", "input", "write"): int(dram.loads["input"].sum()),
        ("glb", "input", "read"): windows.glb_bytes,
        ("glb", "weight", "write"): int(dram.loads["weight"].sum()),
        ("glb", "weight", "read"): filters["glb_bytes"],
        ("glb", "psum", "write"): waiting * spec.psum_bytes,
        ("glb", "psum", "read"): waiting * spec.psum_bytes,
        ("glb", "output", "write"): stored,
        ("glb", "output", "read"): stored,
        ("unit", "input", "write"): windows.unit_bytes,
        ("unit", "input", "read"): multiplies * word + masks["input"] * spec.mask_bytes,
        ("unit", "weight", "write"): filters["unit_bytes"],
        ("unit", "weight", "read"): multiplies * word + masks["weight"] * spec.mask_bytes,
    }
    mask_accesses = -(-spec.mask_bytes // spec.unit_port_bytes)
    packed = spec.skips_activations + spec.skips_weights
    permuted = pairs if spec.balance == "hardware" else 0
    leaving = _accesses(dram.stores["output"], spec)
    events = {
        ("input_glb", "write", "input"): _accesses(dram.loads["input"], spec),
        ("input_glb", "read", "input"): windows.glb_accesses,
        ("filter_glb", "write", "weight"): _accesses(dram.loads["weight"], spec),
        ("filter_glb", "read", "weight"): filters["glb_accesses"],
        ("output_glb", "write", "psum"): waiting_accesses,
        ("output_glb", "read", "psum"): waiting_accesses,
        ("output_glb", "write", "output"): leaving,
        ("output_glb", "read", "output"): leaving,
        ("input_buffer", "write", "input"): windows.unit_accesses,
        ("input_buffer", "read", "input"): multiplies + masks["input"] * mask_accesses,
        ("filter_buffer", "write", "weight"): filters["unit_accesses"],
        ("filter_buffer", "read", "weight"): multiplies + masks["weight"] * mask_accesses,
        ("inner_join", "and", "mask"): pairs if packed == 2 else 0,
        ("inner_join", "prefix_sum", "mask"): pairs * packed,
        ("inner_join", "pick", "mask"): multiplies if packed else 0,
        ("unit", "multiply", "psum"): multiplies,
        ("unit", "add", "psum"): multiplies,
        ("psum_register", "read", "psum"): multiplies + waiting,
        ("psum_register", "write", "psum"): multiplies + waiting,
        ("permute_network", "move", "psum"): permuted,
        ("collector", "add", "psum"): permuted,
        ("collector", "write", "output"): outputs,
    }
    return traffic, events


def prefix_adders(chunk: int) -> int:
    """Adders of a prefix sum over ``chunk`` positions.

    Examples
    --------
    >>> prefix_adders(128), prefix_adders(1)
    (448, 1)
    """
    return max(1, -(-chunk // 2) * ceil(log2(chunk)))


def permute_stages(units: int) -> int:
    """Stages of a network that brings ``units`` words into any order (Benes).

    Examples
    --------
    >>> permute_stages(32), permute_stages(1)
    (9, 1)
    """
    return max(1, 2 * ceil(log2(units)) - 1)


def _times(count: int, price: Price) -> Price:
    return Price(count * price.attojoules, f"{count} x {price.source}")


def prices(spec: SpartenSpec) -> EnergyTable:
    """What each action costs, by the tables that the spec names."""
    bits, chunk = 8 * spec.operand_bytes, spec.chunk
    cost = price_list(spec)
    psum = cost.register(spec.psum_bits)
    table: dict[tuple[str, str], Price] = {
        ("inner_join", "and"): cost.add(chunk),
        ("inner_join", "prefix_sum"): _times(prefix_adders(chunk), cost.add(chunk.bit_length())),
        ("inner_join", "pick"): cost.add(chunk),
        ("unit", "multiply"): cost.multiply(bits, bits),
        ("unit", "add"): cost.add(spec.psum_bits),
        ("psum_register", "read"): psum,
        ("psum_register", "write"): psum,
        ("permute_network", "move"): _times(permute_stages(spec.units_per_cluster), psum),
        ("collector", "add"): cost.add(spec.psum_bits),
        ("collector", "write"): cost.register(bits),
    }
    return {**common_prices(cost, buffers(spec)), **table}
