"""What every machine's spec shares: clock, node, energy tables, DRAM, and kinds of numbers."""

from collections.abc import Mapping
from html import escape
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from arch.allowed import allowed
from arch.dram import kinds
from arch.errors import SpecError
from arch.node import node
from workloads.number import shown

if TYPE_CHECKING:
    DramKind = str
else:
    DramKind = Literal[kinds()]  # every row of the table
EnergyFamily = Literal["horowitz_cacti", "accelergy_aladdin"]
NodeNm = Literal[130, 90, 65, 45, 32, 20, 16, 14, 10, 7]

# Every number of a Spec has a lower and an upper bound.  The upper ones are far above any chip, and
# so low that cycles times units stay below 2^63 and that no field alone makes a run endless.
Count = Annotated[int, Field(ge=1, le=1 << 16)]  # of units, words, entries
Bytes = Annotated[int, Field(ge=1, le=1 << 34)]  # of a memory
Halves = Annotated[int, Field(ge=2, le=1 << 34)]  # bytes of a memory of two halves
PortBytes = Annotated[int, Field(ge=1, le=64)]  # of a port of a memory
PsumBits = Annotated[int, Field(ge=8, le=32)]
Cycles = Annotated[int, Field(ge=0, le=10**6)]
Hertz = Annotated[int, Field(ge=10**6, le=10**10)]
BytesPerSecond = Annotated[int, Field(ge=10**6, le=10**18)]
Nanoseconds = Annotated[int, Field(ge=0, le=10**7)]
MOST_UNITS = 1 << 20  # lanes, multipliers or PEs of a machine


class MachineSpec(BaseModel):
    """Fields common to all machines; times are integers, so that every sum is exact.

    ``node_nm``, ``supply_v``, ``energy`` and ``dram`` price the actions; none changes a cycle.

    Numbers are taken as numbers alone: neither True nor text is one.  Of ``UNITS`` the product is
    bounded, too.

    Examples
    --------
    >>> MachineSpec(clock_hz=1_000_000_000).dram_latency_cycles
    100
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, strict=True)

    UNITS: ClassVar[tuple[str, ...]] = ()

    clock_hz: Hertz = Field(800_000_000, description="clock frequency, Hz")
    node_nm: NodeNm = Field(
        45, description="process node; energy and area are scaled to it from the 45 nm tables, nm"
    )
    supply_v: Annotated[float, Field(gt=0, le=5)] | Literal["nominal"] = Field(
        "nominal",
        description="Assumption: supply voltage, V; nominal is 0.9 V at 45 nm (Horowitz's table) "
        "and that of the PTM models at other nodes",
    )
    energy: EnergyFamily = Field(
        "horowitz_cacti", description="family of energy tables; the two families are never mixed"
    )
    dram: DramKind = Field("LPDDR4", description="kind of DRAM; it sets the energy per byte")
    dram_bandwidth_bytes_per_s: BytesPerSecond = Field(
        25_600_000_000, description="DRAM bandwidth, bytes/s"
    )
    dram_latency_ns: Nanoseconds = Field(100, description="latency of one DRAM request, ns")
    dram_burst_bytes: int = Field(
        64,
        ge=1,
        le=1 << 16,
        description="size of a DRAM burst; each run of bytes is rounded up to whole bursts, B",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object, info: ValidationInfo) -> object:
        """A whole number may be written 1e9; True is no 1, which a Literal would not mind."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and annotation is not bool:
            raise ValueError(f"wanted {allowed(cls, info.field_name or '')}")
        if isinstance(value, float) and value.is_integer() and annotation is not float:
            return int(value)
        return value

    @field_validator("supply_v", mode="after")
    @classmethod
    def _volts(cls, value: float | str, info: ValidationInfo) -> float | str:
        """A voltage that the node can have."""
        if "node_nm" in info.data:
            node(info.data["node_nm"], value)
        return value

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        count = prod(getattr(self, name) for name in self.UNITS)
        if count > MOST_UNITS:
            raise ValueError(f"{' x '.join(self.UNITS)} is {count}, wanted at most {MOST_UNITS}")
        return self

    def _repr_html_(self) -> str:
        """What a notebook shows: every field with its value and meaning."""
        rows = "".join(
            f"<tr><td>{name}</td><td>{escape(str(getattr(self, name)))}</td>"
            f"<td>{escape(info.description or '')}</td></tr>"
            for name, info in type(self).model_fields.items()
        )
        return f"<table><tr><th>field</th><th>value</th><th>meaning</th></tr>{rows}</table>"

    @property
    def sram_bytes(self) -> int:
        """Bytes of all memories on chip, as comparisons count them."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its memories hold")

    @property
    def dram_latency_cycles(self) -> int:
        """Latency in whole cycles, rounded up."""
        return -(-self.dram_latency_ns * self.clock_hz // 1_000_000_000)


S = TypeVar("S", bound=MachineSpec)


def own_spec(machine: str, spec: MachineSpec, kind: type[S]) -> S:
    """``spec``, after a check that it has the machine's type.

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
    """A copy of ``spec`` with some fields replaced; everything is validated again.

    Raises
    ------
    SpecError
        One line: where the value came from, the field, the value, what is allowed.

    Examples
    --------
    >>> override(MachineSpec(), {"clock_hz": "fast"}, where="my.toml")
    Traceback (most recent call last):
    arch.errors.SpecError: my.toml: clock_hz = 'fast': wanted a whole number 1e6 to 1e10
    """
    kind = type(spec)
    for name in fields:
        if name not in kind.model_fields:
            there = ", ".join(kind.model_fields)
            raise SpecError(f"{where}: unknown field {shown(name)}, allowed are {there}")
    try:
        return kind.model_validate({**spec.model_dump(), **fields})
    except ValidationError as error:
        first = error.errors()[0]
        own = first["type"] == "value_error"  # of a validator of ours
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SpecError(f"{where}: fields: {message}") from None
        field = str(first["loc"][0])
        told = message if own else f"wanted {allowed(kind, field)}"
        value = fields.get(field, getattr(spec, field))
        raise SpecError(f"{where}: {field} = {shown(value)}: {told}") from None
