"""Specs: frozen, integers only, and overridden by name with one line per mistake."""

from typing import get_args

import pytest
from pydantic import ValidationError

from arch.cited import rows
from arch.dram import kinds
from arch.errors import SpecError
from arch.prices import FAMILIES
from arch.spec import MachineSpec, override


def test_override_replaces_named_fields_only():
    spec = override(MachineSpec(), {"clock_hz": 1_000_000_000, "dram_latency_ns": 0})
    assert spec.clock_hz == 1_000_000_000
    assert spec.dram_latency_ns == 0
    assert spec.dram_burst_bytes == MachineSpec().dram_burst_bytes
    assert override(MachineSpec(), {}) == MachineSpec()


def test_text_from_a_command_line_becomes_a_number():
    assert override(MachineSpec(), {"clock_hz": "1000"}).clock_hz == 1000
    assert override(MachineSpec(), {"supply_v": "0.8"}).supply_v == 0.8
    assert override(MachineSpec(supply_v=0.8), {"supply_v": "nominal"}).supply_v == "nominal"


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
        ({"clock_hz": 0}, r"^x\.toml: clock_hz = 0: input should be greater than 0$"),
        ({"clock_hz": 1.5}, r"^x\.toml: clock_hz = 1\.5: input should be a valid integer"),
        ({"clock_hz": None}, r"^x\.toml: clock_hz = None: input should be a valid integer"),
        ({"node_nm": 8}, r"^x\.toml: node_nm = 8: input should be 130, 90, .*, 10 or 7$"),
        ({"dram": "HBM"}, r"^x\.toml: dram = 'HBM': input should be 'LPDDR4', .* or 'HMC'$"),
        ({"energy": "mine"}, r"^x\.toml: energy = 'mine': input should be 'horowitz_cacti' or "),
        (
            {"supply_v": 1.09},
            r"^x\.toml: supply_v = 1\.09: wanted 'nominal' or 0\.45 to 1\.08 volts at 45 nm$",
        ),
        (
            {"supply_v": 0.45, "node_nm": 65},
            r"^x\.toml: supply_v = 0\.45: wanted 'nominal' or 0\.586 to 1\.32 volts at 65 nm$",
        ),
        ({"supply_v": float("nan")}, r"^x\.toml: supply_v = nan: wanted 'nominal' or 0\.45 to "),
        ({"supply_v": "high"}, r"^x\.toml: supply_v = 'high': wanted 'nominal' or volts$"),
        ({"supply_v": True}, r"^x\.toml: supply_v = True: wanted 'nominal' or volts$"),
        ({"supply_v": None}, r"^x\.toml: supply_v = None: wanted 'nominal' or volts$"),
        ({"dram_latency_ns": -1}, r"^x\.toml: dram_latency_ns = -1: input should be greater than"),
        ({"dram_burst_bytes": 0}, r"^x\.toml: dram_burst_bytes = 0: input should be greater"),
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
