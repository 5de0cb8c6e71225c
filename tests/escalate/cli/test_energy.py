"""Do the options that price a run reach it, and are their mistakes one line?"""

import json

import pytest

PRICE = '[[price]]\ncomponent = "dram"\naction = "byte"\npJ = 99.6\nsource = "a data sheet"\n'
RUN = ("digits_cnn", "--machine", "systolic", "--format", "json")


def totals(escalate, *options):
    code, out, err = escalate("simulate", *RUN, *options)
    assert code == 0, err
    return json.loads(out)["totals"]


def test_families_nodes_and_tables_change_energy_not_time(escalate, tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(PRICE)
    plain = totals(escalate)
    assert plain["area_mm2"] == pytest.approx(3.443, abs=0.001)
    parts = [plain[name] for name in plain if name.startswith("area_") and name != "area_mm2"]
    assert sum(parts) == pytest.approx(plain["area_mm2"], rel=1e-12)
    changed = [
        totals(escalate, "--set", "energy=accelergy_aladdin"),
        totals(escalate, "--set", "node_nm=7", "--set", "supply_v=0.65"),
        totals(escalate, "--energy-table", path),
        totals(escalate, "--set", "dram=HBM2"),
    ]
    for each in changed:
        assert each["cycles"] == plain["cycles"]
        assert each["energy_j"] != plain["energy_j"]
    assert changed[1]["area_mm2"] == pytest.approx(plain["area_mm2"] * 0.0575, rel=1e-7)
    assert changed[3]["energy_dram_j"] == pytest.approx(plain["energy_dram_j"] * 3.9 / 8)


def test_comparisons_take_a_table_and_print_area(escalate, tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(PRICE)
    machines = ("--machines", "systolic,systolic:tiny", "--format", "json")
    code, out, _ = escalate("compare", "digits_cnn", *machines, "--energy-table", path)
    assert code == 0
    rows = json.loads(out)["rows"]
    for row in rows:
        assert row["energy_dram_j"] == pytest.approx(row["dram_bytes"] * 99.6e-12)
    ratio = rows[1]["speedup"] * rows[0]["area_mm2"] / rows[1]["area_mm2"]
    assert rows[1]["speedup_per_mm2"] == pytest.approx(ratio)
    code, out, _ = escalate("compare", "digits_cnn", *machines[:2])
    assert code == 0
    assert "mm²" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PRICE.replace("99.6", "-1"), "prices.toml: price 1: pJ = -1: wanted picojoules"),
        (PRICE.replace("dram", "flux"), "prices.toml: price 1: component = 'flux': unknown"),
    ],
)
def test_mistakes_in_a_table_are_one_line(escalate, tmp_path, text, message):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    code, out, err = escalate("simulate", *RUN, "--energy-table", path)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_family_that_does_not_fit_is_refused_before_the_first_layer(escalate, tmp_path):
    big = ("--set", "energy=accelergy_aladdin", "--set", "bank_bytes=1048576")
    fields = ("--set", "ifmap_bytes=2097152", "--set", "port_bytes=1")
    code, out, err = escalate("simulate", *RUN, *big, *fields)
    assert (code, out) == (2, "")
    assert "no memory of 1048576 B with a 1 B port in Accelergy's tables" in err
