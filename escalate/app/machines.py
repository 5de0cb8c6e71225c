"""machines: choose a machine by name or by a user's TOML file, and print one as TOML."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arch.energy import EnergyTable
from arch.errors import SpecError
from arch.machine import Machine, machine, machine_names, preset
from arch.spec import MachineSpec, override
from escalate.app.prices import priced
from workloads.number import number, shown
from workloads.read_file import read_text

FILE_KEYS = ("machine", "preset")
ENERGY_TABLE = "energy_table"  # in a machine's file: another file, with prices
CHANGES_SPELLED_OUT = 3
ALL = "all"  # stands for every machine there is
UNUSABLE = "cannot be used"  # what is listed of a machine that an installed distribution breaks


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A machine with its numbers.

    ``asked`` is what the user called it; ``label`` names the preset and what was changed in it.
    ``own_prices`` replace single ones and come from the files ``energy_tables``.
    """

    machine: Machine
    preset: str
    spec: MachineSpec
    asked: str = ""
    own_prices: EnergyTable = field(default_factory=dict)
    energy_tables: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """The fields that differ from the preset, as ``field=value``, and tables of prices."""
        base = self.machine.presets[self.preset].model_dump()
        fields = tuple(
            f"{name}={value}"
            for name, value in self.spec.model_dump().items()
            if value != base[name]
        )
        return fields + tuple(f"{ENERGY_TABLE}={file}" for file in self.energy_tables)

    @property
    def label(self) -> str:
        """The preset's name, with the fields that differ from it."""
        if not self.changes:
            return self.preset
        if len(self.changes) > CHANGES_SPELLED_OUT:
            return f"{self.preset} with {len(self.changes)} fields changed"
        return f"{self.preset} with {', '.join(self.changes)}"

    @property
    def notes(self) -> list[str]:
        """What a row from this machine has to say about it."""
        return [f"machine changed: {', '.join(self.changes)}"] if self.changes else []


def choose(
    asked: str,
    presets: Sequence[str] = (),
    settings: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> tuple[Choice, ...]:
    """One machine, once per preset.

    Parameters
    ----------
    asked : a machine's name, ``name:preset``, or the path of a ``.toml`` file
    presets : names of presets; none for the file's, or else for the machine's first
    settings : ``field=value`` or ``machine.field=value``; the latter only counts for its machine,
        and wins there over the former
    beside : names of other machines that ``settings`` may be meant for

    Raises
    ------
    SpecError
        One line naming file, field, value and what is allowed.

    Examples
    --------
    >>> choose("abacus")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    arch.errors.SpecError: unknown machine 'abacus', allowed are basis_first, systolic, ...
    """
    name, where = asked, "--machine"
    fields: Mapping[str, Any] = {}
    table: Path | None = None
    if asked.endswith(".toml"):
        where = asked
        name, own, fields = read_file(Path(asked))
        table, fields = _energy_table(Path(asked), fields)
        presets = presets or own
    elif ":" in asked:
        name, _, preset_name = asked.partition(":")
        presets = (preset_name,)
    found = machine(name)
    changes = parse_settings(settings, name, beside)
    chosen = presets or (next(iter(found.presets)),)
    specs = [override(preset(found, each), fields, where=where) for each in chosen]
    choices = [
        Choice(found, each, override(spec, changes), asked)
        for each, spec in zip(chosen, specs, strict=True)
    ]
    return priced(choices, table)


def choose_all(
    machines: Sequence[str], presets: Sequence[str] = (), settings: Sequence[str] = ()
) -> tuple[Choice, ...]:
    """Every machine, once per preset; parameters as for :func:`choose`, ``all`` for every one.

    Raises
    ------
    SpecError
        If there is none, or one cannot be as told.
    """
    if not machines:
        raise SpecError("--machines: wanted at least one name")
    if ALL in machines:
        if len(machines) > 1:
            raise SpecError(f"--machines: {ALL} stands alone, with it came {', '.join(machines)}")
        machines = machine_names()
    names = [
        read_file(Path(asked))[0] if asked.endswith(".toml") else asked.partition(":")[0]
        for asked in machines
    ]
    return tuple(each for asked in machines for each in choose(asked, presets, settings, names))


def baseline_index(choices: Sequence[Choice], baseline: str | None) -> int:
    """Which of the machines ratios refer to: the first, or the one that ``baseline`` names.

    Raises
    ------
    SpecError
        If ``baseline`` fits none of them, or several.
    """
    if baseline is None:
        return 0
    known = [
        {c.asked, c.machine.name, f"{c.machine.name}:{c.preset}", f"{c.machine.name}:{c.label}"}
        for c in choices
    ]
    hits = [i for i, words in enumerate(known) if baseline in words]
    if len(hits) != 1:
        there = ", ".join(f"{c.machine.name}:{c.label}" for c in choices)
        count = "none" if not hits else f"{len(hits)}"
        raise SpecError(f"--baseline {baseline!r} names {count} of the machines, which are {there}")
    return hits[0]


def read_file(path: Path) -> tuple[str, tuple[str, ...], dict[str, Any]]:
    """Machine, preset (none or one) and fields of a user's TOML file.

    Raises
    ------
    SpecError
        If it cannot be read as TOML, or names no machine.
    """
    try:
        entries = tomllib.loads(read_text(path))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file: {error}") from None
    for key in FILE_KEYS:
        if not isinstance(entries.get(key, ""), str):
            raise SpecError(f"{path}: {key} = {entries[key]!r}: wanted a name in quotes")
    if "machine" not in entries:
        raise SpecError(f"{path}: machine missing, allowed are {', '.join(machine_names())}")
    named = entries["machine"]
    if named not in machine_names():
        allowed = ", ".join(machine_names())
        raise SpecError(f"{path}: machine = {named!r}: unknown, allowed are {allowed}")
    own = (entries["preset"],) if "preset" in entries else ()
    if own and own[0] not in machine(named).presets:
        allowed = ", ".join(machine(named).presets)
        raise SpecError(f"{path}: preset = {own[0]!r}: unknown, allowed are {allowed}")
    fields = {key: value for key, value in entries.items() if key not in FILE_KEYS}
    return named, own, fields


def _energy_table(path: Path, fields: Mapping[str, Any]) -> tuple[Path | None, Mapping[str, Any]]:
    """The table of prices that a machine's file names, beside it, and the other fields."""
    if ENERGY_TABLE not in fields:
        return None, fields
    named = fields[ENERGY_TABLE]
    if not isinstance(named, str):
        raise SpecError(f"{path}: {ENERGY_TABLE} = {named!r}: wanted a file in quotes")
    rest = {name: value for name, value in fields.items() if name != ENERGY_TABLE}
    return path.parent / named, rest


def parse_settings(
    settings: Sequence[str], name: str, beside: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields that ``settings`` change in the machine ``name``.

    Raises
    ------
    SpecError
        If an entry is no ``field=value``, names a machine that takes no part, or comes twice.

    Examples
    --------
    >>> parse_settings(["pe_blocks=16", "systolic.rows=8"], "basis_first", ["systolic"])
    {'pe_blocks': 16}
    """
    taking_part = dict.fromkeys((name, *beside))
    everywhere: dict[str, Any] = {}
    here: dict[str, Any] = {}
    named: set[str] = set()
    for setting in settings:
        field, equals, text = setting.partition("=")
        if not equals or not field.strip():
            raise SpecError(f"--set: {shown(setting)}: wanted field=value or machine.field=value")
        field = field.strip()
        owner, dot, rest = field.partition(".")
        if dot and owner not in taking_part:
            raise SpecError(
                f"--set: {shown(setting)}: {shown(owner)} takes no part, allowed are "
                f"{', '.join(taking_part)}"
            )
        if field in named:
            raise SpecError(f"--set: {shown(setting)}: {shown(field)} is set twice")
        named.add(field)
        if not dot:
            everywhere[field] = parsed(text)
        elif owner == name:
            here[rest] = parsed(text)
    return everywhere | here


def parsed(text: str) -> bool | int | float | str:
    """What a text stands for: a number, true or false, or itself.

    Examples
    --------
    >>> parsed("12"), parsed("1e3"), parsed("true"), parsed("ideal"), parsed("1_0")
    (12, 1000.0, True, 'ideal', '1_0')
    """
    text = text.strip()
    value = number(text)
    if value is None:
        return {"true": True, "false": False}.get(text.lower(), text)
    return value


def to_toml(choice: Choice) -> str:
    """The whole machine as a file that ``choose`` reads back, each field with its meaning."""
    lines = [
        f"# {choice.machine.name}: {choice.machine.summary}",
        f"# Source: {choice.machine.source}",
        f"machine = {json.dumps(choice.machine.name)}",
        f"preset = {json.dumps(choice.preset)}",
        "",
    ]
    descriptions = type(choice.spec).model_fields
    entries = {
        field: f"{field} = {json.dumps(value)}"
        for field, value in choice.spec.model_dump(mode="json").items()
    }
    width = max(map(len, entries.values()))
    for name, entry in entries.items():
        lines.append(f"{entry:<{width}}  # {descriptions[name].description or ''}".rstrip(" #"))
    return "\n".join(lines) + "\n"


def machine_rows() -> list[dict[str, str | None]]:
    """Name, presets, summary and source of every machine there is.

    ``problem`` is None, or what is wrong with a machine that an installed distribution brings;
    nothing else is known of that one.
    """
    return [_machine_row(name) for name in machine_names()]


def _machine_row(name: str) -> dict[str, str | None]:
    try:
        found = machine(name)
    except SpecError as problem:
        told = str(problem)
        return {"machine": name, "presets": "", "what": UNUSABLE, "source": "", "problem": told}
    return {
        "machine": found.name,
        "presets": ", ".join(found.presets),
        "what": found.summary,
        "source": found.source,
        "problem": None,
    }
