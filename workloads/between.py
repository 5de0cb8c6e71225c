"""Between: what the operators between two layers of a network cost: actions, and bytes of DRAM."""

from dataclasses import dataclass, field

ACTIONS = ("lookup", "compare", "add", "multiply", "rescale")  # of a machine's operators


@dataclass(frozen=True, slots=True)
class OnHost:
    """An operator that the host computes, for one image.

    Parameters
    ----------
    name, op : of its node
    shape : of its output
    operations : arithmetic ones
    reads : bytes of each operand
    writes : bytes of its output
    """

    name: str
    op: str
    shape: tuple[int, int, int]
    operations: int
    reads: tuple[int, ...]
    writes: int


@dataclass(slots=True)
class Between:
    """What runs behind a layer and before the next, for one image.

    Parameters
    ----------
    actions : how often each of ``ACTIONS`` is done
    reads, writes : bytes of each tensor, or part of one, that crosses DRAM for the machine's own
    host : the operators of the host, in order
    """

    actions: dict[str, int] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    host: list[OnHost] = field(default_factory=list)
