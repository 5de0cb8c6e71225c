"""Energy: counts times price per action, in whole attojoules, by component and by tensor.

The prices are made in :mod:`arch.prices`; 1 pJ = 1,000,000 aJ.  Every price is rounded once to
whole attojoules, so that any grouping of the charges adds up exactly to the total.

Rule: specification/memory.md, MEM-20.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from arch.counters import Counters
from arch.errors import InvariantError

AJ_PER_PJ = 1_000_000
AJ_PER_J = 10**18


@dataclass(frozen=True, slots=True)
class Price:
    """Energy of one action, with its source."""

    attojoules: int
    source: str

    def __add__(self, other: "Price") -> "Price":
        """Both actions at once."""
        return Price(self.attojoules + other.attojoules, f"{self.source}; {other.source}")


def summed(prices: Sequence[Price]) -> Price:
    """The price of several actions done together, at least one.

    Examples
    --------
    >>> summed([Price(1, "a"), Price(2, "b")])
    Price(attojoules=3, source='a; b')
    """
    first, *others = prices
    return sum(others, start=first)


# (component, action) -> price
EnergyTable = Mapping[tuple[str, str], Price]


@dataclass(frozen=True, slots=True)
class Charge:
    """``count`` actions at ``price``: one term of the energy."""

    component: str
    action: str
    tensor: str
    count: int
    price: Price

    @property
    def attojoules(self) -> int:
        """Energy of this term."""
        return self.count * self.price.attojoules


def charges(counters: Counters, table: EnergyTable) -> tuple[Charge, ...]:
    """Price every counted event.

    Raises
    ------
    InvariantError
        If the machine counted an action that its table does not price.
    """
    lines = []
    for (component, action, tensor), count in counters.events.items():
        price = table.get((component, action))
        if price is None:
            raise InvariantError(f"no price for {component} {action}")
        lines.append(Charge(component, action, tensor, count, price))
    return tuple(lines)


def total_attojoules(lines: Iterable[Charge]) -> int:
    """The sum of all charges."""
    return sum(line.attojoules for line in lines)


def by_component(lines: Iterable[Charge]) -> dict[str, int]:
    """Attojoules per component; adds up to the total exactly."""
    totals: dict[str, int] = {}
    for line in lines:
        totals[line.component] = totals.get(line.component, 0) + line.attojoules
    return totals


def by_tensor(lines: Iterable[Charge]) -> dict[str, int]:
    """Attojoules per tensor; adds up to the total exactly."""
    totals: dict[str, int] = {}
    for line in lines:
        totals[line.tensor] = totals.get(line.tensor, 0) + line.attojoules
    return totals
