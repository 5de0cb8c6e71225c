"""run_entry: the types of everything in a results folder's ``run.json``, checked as it is read."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

Count = Annotated[int, Field(strict=True, ge=0)]
UNKNOWN = "effectual_ops"  # null where there were shapes only
Cell = tuple[str, str, str, Count]  # level or component, tensor or action, ..., and how often


def _fraction(text: str) -> str:
    Fraction(text)
    return text


def _counted(counts: dict[str, int | None]) -> dict[str, int | None]:
    missing = [name for name, count in counts.items() if count is None and name != UNKNOWN]
    if missing:
        raise ValueError(f"{missing[0]} is null, wanted a number")
    return counts


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LayerEntry(_Entry):
    """One layer: its shape, its counts, and what they were counted from."""

    layer: dict[str, Any]  # which ConvLayer checks
    images: Annotated[int, Field(ge=1)]
    mode: str
    counts: Annotated[dict[str, Count | None], AfterValidator(_counted)]
    causes: dict[str, Count]
    traffic: list[Cell]
    events: list[Cell]
    peak_bandwidth: Annotated[str, AfterValidator(_fraction)]
    extras: dict[str, JsonValue]
    provenance: dict[str, JsonValue]
    stored: dict[str, Count]


class ResourcesEntry(_Entry):
    """What the machine is made of."""

    multipliers: Count
    adders: Count
    sram_bytes: Count
    area: dict[str, Count]


class RunEntry(_Entry):
    """One network on one machine."""

    network: str
    machine: str
    preset: str
    spec: dict[str, Any]  # which the machine's Spec checks
    resources: ResourcesEntry
    provenance: dict[str, JsonValue]
    prices: list[tuple[str, str, Count, str]]
    layers: Annotated[list[LayerEntry], Field(min_length=1)]
