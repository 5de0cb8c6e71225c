"""What every machine's Spec shares: clock, node, energy tables, DRAM."""

from collections.abc import Mapping
from html import escape
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from arch.errors import SpecError
from arch.node import NOMINAL, node

DramKind = Literal["LPDDR4", "LPDDR", "DDR3", "DDR4", "GDDR5", "HBM2", "HMC"]
EnergyFamily = Literal["horowitz_cacti", "accelergy_aladdin"]
NodeNm = Literal[130, 90, 65, 45, 32, 20, 16, 14, 10, 7]


class MachineSpec(BaseModel):
    """Fields common to all machines; times are integers, so that every sum is exact.

    ``node_nm``, ``supply_v``, ``energy`` and ``dram`` price the actions; none changes a cycle.

    Examples
    --------
    >>> MachineSpec(clock_hz=1_000_000_000).dram_latency_cycles
    100
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    clock_hz: PositiveInt = Field(800_000_000, description="clock, Hz")
    node_nm: NodeNm = Field(
        45, description="process node; energy and area are scaled from the 45 nm tables, nm"
    )
    supply_v: float | Literal["nominal"] = Field(
        "nominal",
        description="Assumption: supply voltage, V; nominal is 0.9 at 45 nm (Horowitz's table), "
        "at other nodes that of the PTM models",
    )
    energy: EnergyFamily = Field(
        "horowitz_cacti", description="family of the energy tables; they are never mixed"
    )
    dram: DramKind = Field("LPDDR4", description="kind of DRAM, which sets its energy per byte")
    dram_bandwidth_bytes_per_s: PositiveInt = Field(
        25_600_000_000, description="DRAM bandwidth, bytes/s"
    )
    dram_latency_ns: int = Field(100, ge=0, description="DRAM latency of one request, ns")
    dram_burst_bytes: PositiveInt = Field(64, description="every run is rounded up to bursts, B")

    @field_validator("supply_v", mode="before")
    @classmethod
    def _volts(cls, value: object, info: ValidationInfo) -> object:
        """A voltage that the node can have; text from a command line becomes a number."""
        if value != NOMINAL and (isinstance(value, bool) or not _is_number(value)):
            raise ValueError(f"wanted {NOMINAL!r} or volts")
        volts = NOMINAL if value == NOMINAL else float(str(value))
        if "node_nm" in info.data:
            node(info.data["node_nm"], volts)
        return volts

    def _repr_html_(self) -> str:
        """What a notebook shows: every field with its value and meaning."""
        rows = "".join(
            f"<tr><td>{name}</td><td>{escape(str(getattr(self, name)))}</td>"
            f"<td>{escape(info.description or '')}</td></tr>"
            for name, info in type(self).model_fields.items()
        )
        return f"<table><tr><th>field</th><th>value</th><th>meaning</th></tr>{rows}</table>"

    @property
    def dram_latency_cycles(self) -> int:
        """Latency in whole cycles, rounded up."""
        return -(-self.dram_latency_ns * self.clock_hz // 1_000_000_000)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


S = TypeVar("S", bound=MachineSpec)


def own_spec(machine: str, spec: MachineSpec, kind: type[S]) -> S:
    """``spec``, known to be of the machine's own kind.

    Raises
    ------
    TypeError
        Naming the machine, what came and what was wanted.

    Examples
    --------
    >>> own_spec("abacus", MachineSpec(), MachineSpec).node_nm
    45
    """
    if not isinstance(spec, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(
            f"{machine}: spec is a {type(spec).__name__}, wanted {article} {kind.__name__}"
        )
    return spec


def override(spec: S, fields: Mapping[str, Any], *, where: str = "--set") -> S:
    """A copy of ``spec`` with some fields replaced and everything validated again.

    Raises
    ------
    SpecError
        One line: where the value came from, the field, the value, what is allowed.

    Examples
    --------
    >>> override(MachineSpec(), {"clock_hz": "1e3"}, where="my.toml")
    Traceback (most recent call last):
    arch.errors.SpecError: my.toml: clock_hz = '1e3': input should be a valid integer, unable to \
parse string as an integer
    """
    kind = type(spec)
    for name in fields:
        if name not in kind.model_fields:
            allowed = ", ".join(kind.model_fields)
            raise SpecError(f"{where}: unknown field {name!r}, allowed are {allowed}")
    try:
        return kind.model_validate({**spec.model_dump(), **fields})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "fields"
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        value = f" = {first['input']!r}" if first["loc"] else ""
        raise SpecError(f"{where}: {field}{value}: {message}") from None
