"""prices: a user's own energies per action, from a TOML file; they replace single prices.

    [[price]]
    component = "dram"     # names as in the page's list of prices
    action = "byte"
    pJ = 99.6              # picojoules of one action
    source = "our DRAM's data sheet"
    machine = "systolic"   # may be left out: then every machine that has the action

Values are exact decimals; each is rounded once to whole attojoules.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.cited import Figure
from arch.energy import EnergyTable, Price
from arch.errors import SpecError
from arch.machine import machine_names
from arch.prices import price
from workloads.read_file import read_text

if TYPE_CHECKING:
    from escalate.app.machines import Choice

WORDS = ("component", "action", "source")
KEYS = ("component", "action", "pJ", "source", "machine")
MOST_PJ = 10**12  # one joule for one action is a slip of the pen


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """One entry of a file; ``machine`` is None where every machine with the action is meant."""

    where: str
    machine: str | None
    component: str
    action: str
    price: Price


def read_prices(path: Path) -> tuple[OwnPrice, ...]:
    """The entries of a file, checked one by one.

    Raises
    ------
    SpecError
        One line: file, entry, field, value and what is allowed.
    """
    try:
        entries = tomllib.loads(read_text(path), parse_float=Decimal)
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file: {error}") from None
    for key in entries:
        if key != "price":
            raise SpecError(f"{path}: unknown field {key!r}, allowed is [[price]]")
    listed = entries.get("price")
    if not isinstance(listed, list) or not listed:
        raise SpecError(f"{path}: wanted at least one [[price]]")
    found: dict[tuple[str | None, str, str], OwnPrice] = {}
    for number, entry in enumerate(listed, 1):
        own = _own_price(f"{path}: price {number}", entry)
        what = (own.machine, own.component, own.action)
        if what in found:
            raise SpecError(f"{own.where}: {own.component} {own.action} stands there twice")
        found[what] = own
    return tuple(found.values())


def _own_price(where: str, entry: Any) -> OwnPrice:
    if not isinstance(entry, Mapping):
        raise SpecError(f"{where}: wanted a table [[price]]")
    for key in entry:
        if key not in KEYS:
            raise SpecError(f"{where}: unknown field {key!r}, allowed are {', '.join(KEYS)}")
    for word in WORDS:
        if not isinstance(entry.get(word), str) or not entry[word].strip():
            raise SpecError(f"{where}: {word} = {entry.get(word)!r}: wanted words in quotes")
    named = entry.get("machine")
    if named is not None and named not in machine_names():
        allowed = ", ".join(machine_names())
        raise SpecError(f"{where}: machine = {named!r}: unknown, allowed are {allowed}")
    figure = Figure(_picojoules(where, entry.get("pJ")), entry["source"].strip())
    return OwnPrice(where, named, entry["component"], entry["action"], price(figure))


def _picojoules(where: str, value: Any) -> Fraction:
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not number or not Decimal(value).is_finite() or not 0 <= value <= MOST_PJ:
        shown = "missing" if value is None else str(value)
        raise SpecError(f"{where}: pJ = {shown}: wanted picojoules, 0 to 1e12")
    return Fraction(value)


def priced(choices: "Sequence[Choice]", path: Path | None) -> "tuple[Choice, ...]":
    """The machines with the file's prices in place of their own; as they were without a file.

    Raises
    ------
    SpecError
        If the file cannot be used, or none of the machines has an action that it prices.
    """
    if path is None:
        return tuple(choices)
    entries = read_prices(path)
    tables = [choice.machine.prices(choice.spec) for choice in choices]
    names = [choice.machine.name for choice in choices]
    for own in entries:
        _check_action(own, [t for t, name in zip(tables, names, strict=True) if _meant(own, name)])
    return tuple(_with_prices(choice, entries, path) for choice in choices)


def _meant(own: OwnPrice, machine: str) -> bool:
    return own.machine in (None, machine)


def _check_action(own: OwnPrice, tables: Sequence[EnergyTable]) -> None:
    """Refuse an entry that prices nothing."""
    if not tables:
        raise SpecError(f"{own.where}: machine = {own.machine!r}: takes no part")
    actions = {pair for table in tables for pair in table}
    components = sorted({component for component, _ in actions})
    if own.component not in components:
        allowed = ", ".join(components)
        raise SpecError(
            f"{own.where}: component = {own.component!r}: unknown, allowed are {allowed}"
        )
    of_it = sorted(action for component, action in actions if component == own.component)
    if own.action not in of_it:
        allowed = ", ".join(dict.fromkeys(of_it))
        raise SpecError(
            f"{own.where}: action = {own.action!r}: {own.component} has none, allowed are {allowed}"
        )


def _with_prices(choice: "Choice", entries: Sequence[OwnPrice], path: Path) -> "Choice":
    """Entries that name the machine win over those for all."""
    meant = [own for own in entries if _meant(own, choice.machine.name)]
    ordered = sorted(meant, key=lambda own: own.machine is not None)
    table = {(own.component, own.action): own.price for own in ordered}
    return replace(
        choice,
        own_prices={**choice.own_prices, **table},
        energy_tables=(*choice.energy_tables, str(path)),
    )
