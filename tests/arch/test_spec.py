"""Specs: frozen, integers only, and overridden by name with one line per mistake."""

from contextlib import suppress
from typing import get_args

import pytest
from pydantic import ValidationError

from arch.cited import rows
from arch.dram import kinds
from arch.errors import SpecError
from arch.machine import MACHINES, machine
from arch.prices import FAMILIES
from arch.spec import MachineSpec, override
from workloads.number import spelled


def test_override_replaces_named_fields_only():
    spec = override(MachineSpec(), {"clock_hz": 1_000_000_000, "dram_latency_ns": 0})
    assert spec.clock_hz == 1_000_000_000
    assert spec.dram_latency_ns == 0
    assert spec.dram_burst_bytes == MachineSpec().dram_burst_bytes
    assert override(MachineSpec(), {}) == MachineSpec()


def test_whole_numbers_may_have_an_exponent():
    assert override(MachineSpec(), {"clock_hz": 1e9}) == MachineSpec(clock_hz=1_000_000_000)
    assert isinstance(override(MachineSpec(), {"clock_hz": 1e9}).clock_hz, int)
    assert override(MachineSpec(), {"supply_v": 1}).supply_v == 1.0
    assert override(MachineSpec(supply_v=0.8), {"supply_v": "nominal"}).supply_v == "nominal"


def _specs():
    return [MachineSpec, *(machine(name).spec_type for name in MACHINES)]


@pytest.mark.parametrize("kind", _specs())
def test_every_number_has_a_lower_and_an_upper_bound(kind):
    for name, found in kind.model_json_schema()["properties"].items():
        for form in found.get("anyOf", [found]):
            if form["type"] in ("integer", "number") and "enum" not in form and "const" not in form:
                lower = form.keys() & {"minimum", "exclusiveMinimum"}
                assert lower, f"{kind.__name__}.{name}: {form}"
                assert form["maximum"] < 2**63, f"{kind.__name__}.{name}: {form}"


@pytest.mark.parametrize("kind", _specs())
def test_both_bounds_of_every_field_are_taken_and_nothing_beyond(kind):
    """Bounds that are only stated would be none; fields may still not go together."""
    for name, found in kind.model_json_schema()["properties"].items():
        low, high = found.get("minimum"), found.get("maximum")
        if low is None or name == "supply_v":
            continue
        for value in (low, high):
            with suppress(ApartError):
                assert getattr(_alone(kind, name, value), name) == value
        for value in (low - 1, high + 1, 1e30, True, str(low), None):
            with pytest.raises(
                SpecError, match=rf"^--set: {name} = .*: wanted a .*{spelled(high)}"
            ):
                override(kind(), {name: value})


class ApartError(Exception):
    """Fields that do not go together, each of which may be so."""


def _alone(kind, name, value):
    try:
        return override(kind(), {name: value})
    except SpecError as error:
        if "fields: " in str(error):
            raise ApartError from None
        raise


def test_the_units_of_a_machine_are_bounded_together():
    with pytest.raises(SpecError, match=r"rows x columns is 4294967296, wanted at most 1048576$"):
        override(machine("systolic").spec_type(), {"rows": 1 << 16, "columns": 1 << 16})


def test_the_choices_are_those_of_the_tables():
    def choices(field):
        return get_args(MachineSpec.model_fields[field].annotation)

    assert choices("dram") == kinds()
    assert choices("energy") == tuple(FAMILIES)
    assert choices("node_nm") == tuple(int(entry["node_nm"]) for entry in rows("nodes.csv"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clock": 1}, r"^x\.toml: unknown field 'clock', allowed are clock_hz, node_nm, supply_v"),
        ({"clock_hz": 1}, r"^x\.toml: clock_hz = 1: wanted a whole number 1e6 to 1e10$"),
        ({"clock_hz": 1.5e6 + 0.5}, r"^x\.toml: clock_hz = 1500000\.5: wanted a whole number 1e6"),
        ({"clock_hz": None}, r"^x\.toml: clock_hz = None: wanted a whole number 1e6 to 1e10$"),
        ({"clock_hz": "800000000"}, r"^x\.toml: clock_hz = '800000000': wanted a whole number"),
        ({"clock_hz": 10**3000}, r"^x\.toml: clock_hz = 10{59}\.\.\.: wanted a whole number"),
        ({"dram_bandwidth_bytes_per_s": 10}, r"^x\.toml: dram_band.* = 10: wanted .* 1e6 to 1e18$"),
        ({"dram_burst_bytes": 1 << 32}, r"^x\.toml: dram_burst_bytes = 4294967296: .* 1 to 65536$"),
        ({"node_nm": 8}, r"^x\.toml: node_nm = 8: wanted 130, 90, .*, 10 or 7$"),
        ({"dram": "HBM"}, r"^x\.toml: dram = 'HBM': wanted 'LPDDR4', .* or 'HMC'$"),
        ({"energy": "mine"}, r"^x\.toml: energy = 'mine': wanted 'horowitz_cacti' or "),
        (
            {"supply_v": 1.09},
            r"^x\.toml: supply_v = 1\.09: wanted 'nominal' or 0\.45 to 1\.08 volts at 45 nm$",
        ),
        (
            {"supply_v": 0.45, "node_nm": 65},
            r"^x\.toml: supply_v = 0\.45: wanted 'nominal' or 0\.586 to 1\.32 volts at 65 nm$",
        ),
        ({"supply_v": float("nan")}, r"^x\.toml: supply_v = nan: wanted a number above 0, to 5"),
        ({"supply_v": "high"}, r"^x\.toml: supply_v = 'high': wanted a .* to 5 or 'nominal'$"),
        ({"supply_v": True}, r"^x\.toml: supply_v = True: wanted a .* to 5 or 'nominal'$"),
        ({"supply_v": None}, r"^x\.toml: supply_v = None: wanted a .* to 5 or 'nominal'$"),
        ({"dram_latency_ns": -1}, r"^x\.toml: dram_latency_ns = -1: wanted a whole number 0 to"),
        ({"dram_burst_bytes": 0}, r"^x\.toml: dram_burst_bytes = 0: wanted a whole number 1 to"),
    ],
)
def test_a_mistake_takes_one_line(fields, message):
    with pytest.raises(SpecError, match=message) as caught:
        override(MachineSpec(), fields, where="x.toml")
    assert "\n" not in str(caught.value)


def test_specs_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        MachineSpec().clock_hz = 1


def test_unknown_fields_are_refused_at_birth():
    with pytest.raises(ValidationError, match="colour"):
        MachineSpec(colour="red")
