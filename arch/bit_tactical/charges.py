"""Traffic on chip, actions and what each costs.

On chip lie words, and all slots of a step.  Counted by word: an activation enters the registers
of a tile once per window and set, if any weight of the set is multiplied by the channels of its
step; a weight once per pallet of windows; both are read once per multiplication.  A lane that has
no work does not switch.
"""

from dataclasses import asdict, dataclass

import numpy as np

from arch.bit_tactical.plan import Plan, pallets, row_bytes
from arch.bit_tactical.schedule import Schedule
from arch.bit_tactical.spec import BitTacticalSpec
from arch.bit_tactical.tally import is_multiplexed
from arch.buffers import Buffers, banked
from arch.charges import Key


def buffers(spec: BitTacticalSpec) -> Buffers:
    """The banks of the three memories.

    Examples
    --------
    >>> buffers(BitTacticalSpec())["weight_memory"]
    Buffer(size_bytes=16384, port_bytes=32, instances=20)
    """
    bank, port = spec.bank_bytes, spec.port_bytes
    return {
        "activation_memory": banked(spec.activation_bytes, bank, port),
        "weight_memory": banked(spec.weight_bytes // spec.tiles, bank, port, spec.tiles),
        "output_memory": banked(spec.output_bytes, bank, port),
    }


@dataclass(frozen=True, slots=True, eq=False)
class OnChip:
    """Words and bytes that cross the memories' ports, and the accesses they take."""

    input_words: int
    input_accesses: int
    weight_read_bytes: int
    weight_read_accesses: int
    weight_write_bytes: int
    weight_write_accesses: int
    psum_words: int
    output_words: int
    weight_words: int

    def __add__(self, other: "OnChip") -> "OnChip":
        """Both."""
        mine, theirs = asdict(self), asdict(other)
        return OnChip(**{name: count + theirs[name] for name, count in mine.items()})


def on_chip(planned: Plan, made: Schedule, spec: BitTacticalSpec, rows: np.ndarray) -> OnChip:
    """Counts of one layer; ``rows`` as ``Moved.weight_rows``."""
    found, port = planned.layout, spec.port_bytes
    windows = int(planned.windows.sum())
    groups = int(pallets(planned.windows, is_multiplexed(planned, spec), spec).sum())
    channels = found.chunk_channels()[found.block] * made.rows
    wide = row_bytes(found.sizes, spec)
    pieces = np.maximum(-(-made.counts // planned.piece), 1)
    return OnChip(
        input_words=int(channels.sum()) * windows,
        input_accesses=int((-(-channels * spec.operand_bytes // port)).sum()) * windows,
        weight_read_bytes=int((made.counts * wide).sum()) * groups,
        weight_read_accesses=int((made.counts * -(-wide // port)).sum()) * groups,
        weight_write_bytes=int((rows * wide).sum()) * planned.copies,
        weight_write_accesses=int((rows * -(-wide // port)).sum()) * planned.copies,
        psum_words=int(((pieces - 1) * found.sizes).sum()) * windows,
        output_words=int(found.sizes.sum()) * windows,
        weight_words=int(made.slots.sum()) * groups,
    )


def traffic(chip: OnChip, input_filled: int, spec: BitTacticalSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction); ``glb`` is the three memories, on both sides."""
    word = spec.operand_bytes
    return {
        ("glb", "input", "write"): input_filled,
        ("glb", "input", "read"): chip.input_words * word,
        ("glb", "weight", "write"): chip.weight_write_bytes,
        ("glb", "weight", "read"): chip.weight_read_bytes,
        ("glb", "psum", "write"): chip.psum_words * spec.psum_bytes,
        ("glb", "psum", "read"): chip.psum_words * spec.psum_bytes,
        ("glb", "output", "write"): chip.output_words * word,
        ("glb", "output", "read"): chip.output_words * word,
    }


def _ports(size_bytes: int, spec: BitTacticalSpec) -> int:
    return -(-size_bytes // spec.port_bytes)


def events(
    chip: OnChip,
    input_filled: int,
    sums: int,
    worked: int,
    pairs: int,
    spec: BitTacticalSpec,
) -> dict[Key, int]:
    """Actions by (component, action, tensor); psums and outputs pass the port side by side.

    ``sums`` are additions to psums, ``worked`` lane-cycles that multiply, ``pairs`` products.
    """
    psums = _ports(chip.psum_words * spec.psum_bytes, spec)
    outputs = _ports(chip.output_words * spec.operand_bytes, spec)
    return {
        ("activation_memory", "write", "input"): _ports(input_filled, spec),
        ("activation_memory", "read", "input"): chip.input_accesses,
        ("weight_memory", "write", "weight"): chip.weight_write_accesses,
        ("weight_memory", "read", "weight"): chip.weight_read_accesses,
        ("output_memory", "write", "psum"): psums,
        ("output_memory", "read", "psum"): psums,
        ("output_memory", "write", "output"): outputs,
        ("output_memory", "read", "output"): outputs,
        ("activation_register", "write", "input"): chip.input_words,
        ("activation_register", "read", "input"): pairs,
        ("selector", "select", "input"): pairs if spec.scheduled else 0,
        ("weight_register", "write", "weight"): chip.weight_words,
        ("weight_register", "read", "weight"): pairs,
        ("lane", "multiply", "psum"): worked,
        ("lane", "add", "psum"): worked,
        ("accumulator", "add", "psum"): sums,
        ("psum_register", "read", "psum"): sums,
        ("psum_register", "write", "psum"): sums,
    }


def lane_bits(spec: BitTacticalSpec) -> tuple[int, int]:
    """Bits of an activation that a lane multiplies in a cycle, and of the adders behind lanes.

    Examples
    --------
    >>> lane_bits(BitTacticalSpec()), lane_bits(BitTacticalSpec(back_end="bit_parallel"))
    ((1, 12), (8, 20))
    """
    taken = 1 if spec.serial else spec.operand_bits
    product = spec.operand_bits + (0 if spec.serial else spec.operand_bits)
    return taken, product + (spec.lanes - 1).bit_length()
