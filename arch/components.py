"""components: one table of the parts of a machine.

Area, prices of actions, leakage, multipliers, adders and SRAM bytes of a machine all follow from
its table, so that none of them can be forgotten in one place and counted in another.

Rules: specification/memory.md, MEM-24 and MEM-30.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from arch.area import Area, Areas, areas
from arch.buffers import Buffer, Buffers
from arch.energy import EnergyTable, Price, summed
from arch.errors import InvariantError
from arch.prices import PriceList, price_list
from arch.spec import MachineSpec

CLOCK = Price(0, "no published figure for the clock tree; a table of one's own may price it")
REQUANTIZE_BITS = 32  # both operands of the one multiplication of an output


@dataclass(frozen=True, slots=True)
class Cell:
    """One circuit (adder, multiplier, register, ...): its area, and the energy of using it once."""

    nm2: int
    price: Price

    def times(self, count: int) -> "Cell":
        """Several of them, used together.

        Examples
        --------
        >>> Cell(100, Price(7, "a table")).times(3)
        Cell(nm2=300, price=Price(attojoules=21, source='3 x a table'))
        """
        source = f"{count} x {self.price.source}"
        return Cell(count * self.nm2, Price(count * self.price.attojoules, source))


@dataclass(frozen=True, slots=True)
class Component:
    """One row of a machine's table; numbers hold for all instances together.

    Parameters
    ----------
    name : as it stands in the area of a machine
    instances : how many there are
    nm2 : area of all of them
    actions : what it does, and what that costs once
    charged_as : the component of its actions, where that is another's name
    leak : of all of them in one cycle; memories only
    multipliers, adders : what comparisons between machines count
    left_out : what is not in it, and why; needed where it takes no area or an action costs nothing

    Raises
    ------
    InvariantError
        If an area or an action is free and nothing says why.

    Examples
    --------
    >>> Component("wire", 1, 0, {})
    Traceback (most recent call last):
    arch.errors.InvariantError: wire takes no area, and no reason is given
    """

    name: str
    instances: int
    nm2: int
    actions: Mapping[str, Price] = field(default_factory=dict)
    charged_as: str = ""
    leak: Price | None = None
    multipliers: int = 0
    adders: int = 0
    left_out: str = ""

    def __post_init__(self) -> None:
        if self.left_out or not self.instances:
            return
        if self.nm2 < 1:
            raise InvariantError(f"{self.name} takes no area, and no reason is given")
        for action, cost in self.actions.items():
            if cost.attojoules < 1:
                raise InvariantError(f"{self.name} {action} costs nothing, and no reason is given")

    def counting(self, multipliers: int = 0, adders: int = 0) -> "Component":
        """The same component with the counts that comparisons show, for all instances together."""
        return replace(self, multipliers=multipliers, adders=adders)


Components = tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """Circuits at a machine's node, from the tables that its fields name."""

    unit: Areas
    cost: PriceList

    def adder(self, bits: int) -> Cell:
        """An integer adder."""
        return Cell(self.unit.adder(bits), self.cost.add(bits))

    def multiplier(self, bits_a: int, bits_b: int) -> Cell:
        """An integer multiplier."""
        return Cell(self.unit.multiplier(bits_a, bits_b), self.cost.multiply(bits_a, bits_b))

    def register(self, bits: int) -> Cell:
        """A register, and one access to all of its bits."""
        return Cell(self.unit.register(bits), self.cost.register(bits))

    def memories(self, buffers: Buffers) -> Components:
        """Every SRAM with its area, read, write and leakage.

        Raises
        ------
        SpecError
            If the tables hold nothing that fits.
        """
        return tuple(self._memory(name, buffer) for name, buffer in buffers.items())

    def _memory(self, name: str, buffer: Buffer) -> Component:
        found = self.cost.memory(buffer.size_bytes, buffer.port_bytes)
        return Component(
            name,
            buffer.instances,
            buffer.instances * self.unit.memory(buffer.size_bytes, buffer.port_bytes),
            {"read": found.read, "write": found.write},
            leak=found.leak_per_cycle(buffer.instances),
        )

    def macs(self, name: str, instances: int, bits: int, psum_bits: int) -> Component:
        """Multipliers of ``bits``-bit words, each with an adder for its psum."""
        multiplier, adder = self.multiplier(bits, bits), self.adder(psum_bits)
        made = made_of(name, instances, multiplier, adder, multiply=multiplier, add=adder)
        return made.counting(multipliers=instances, adders=instances)

    def registers(self, name: str, instances: int, bits: int) -> Component:
        """Registers of ``bits`` bits that are always read and written whole."""
        register = self.register(bits)
        return made_of(name, instances, register, read=register, write=register)

    def requantizer(self, instances: int) -> Component:
        """Multipliers of 32 x 32 bits; one multiplication for each output."""
        wide = self.multiplier(REQUANTIZE_BITS, REQUANTIZE_BITS)
        return made_of("requantizer", instances, wide, multiply=wide)


def cells(spec: MachineSpec) -> Cells:
    """The circuits for a machine's fields.

    Examples
    --------
    >>> found = cells(MachineSpec()).multiplier(8, 8)
    >>> found.nm2, found.price.attojoules
    (503353659, 200000)
    """
    return Cells(areas(spec), price_list(spec))


def made_of(name: str, instances: int, *each: Cell, **actions: Cell) -> Component:
    """A component whose instances each hold the cells ``each``; an action uses a cell once.

    Examples
    --------
    >>> one = Cell(100, Price(7, "a table"))
    >>> made_of("pe", 4, one, one, add=one).nm2
    800
    """
    nm2 = instances * sum(cell.nm2 for cell in each)
    return Component(name, instances, nm2, {action: cell.price for action, cell in actions.items()})


def area_of(components: Components) -> Area:
    """Square nanometres by component, without components that take no area."""
    return {each.name: each.nm2 for each in components if each.nm2}


def prices_of(components: Components, spec: MachineSpec) -> EnergyTable:
    """Price of each (component, action); actions that every machine has come first."""
    leaking = [each for each in components if each.leak is not None]
    others = [each for each in components if each.leak is None]
    leaks = [each.leak for each in leaking if each.leak is not None]
    first = [each for each in others if each.name == "requantizer"]
    return {
        ("dram", "byte"): price_list(spec).dram_byte(),
        **_actions(leaking),
        ("leakage", "cycle"): summed(leaks),
        **_actions(first),
        ("clock", "cycle"): CLOCK,
        **_actions(others),
    }


def _actions(components: Iterable[Component]) -> dict[tuple[str, str], Price]:
    return {
        (each.charged_as or each.name, action): cost
        for each in components
        for action, cost in each.actions.items()
    }
