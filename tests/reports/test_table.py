import json
import math
from dataclasses import replace

import pytest

from arch.energy import AJ_PER_J
from arch.machine import Resources
from reports.errors import ReportError
from reports.html import page
from reports.ratios import (
    compare_rows,
    differences,
    find_baseline,
    geometric_mean,
    mean_rows,
    ratios,
)
from reports.table import (
    cause_cycles,
    energy_by_component_aj,
    labels,
    layer_frame,
    layer_rows,
    run_notes,
    totals,
    totals_frame,
)
from tests.reports.runs import RESOURCES, run

ADDITIVE = ("cycles", "dram_bytes", "macs", "effectual_ops", "multiplies", "compute_cycles")


def test_a_layer_row_starts_with_layer_mode_cycles() -> None:
    row = layer_rows(run())[0]
    assert list(row)[:3] == ["layer", "mode", "cycles"]
    assert (row["layer"], row["mode"], row["cycles"]) == ("conv1", "decomposed", 125)
    assert row["latency_s"] == 125 / 800_000_000
    assert row["cause_mac_bound_cycles"] == 300
    assert row["dram_input_read_bytes"] == 480
    assert row["extra_loop_order"] == "input_outer"
    assert (row["origin"], row["notes"]) == ("captured", "no requantizer")


def test_totals_are_sums_of_layers() -> None:
    tiny = run()
    total, rows = totals(tiny), layer_rows(tiny)
    for name in ADDITIVE:
        assert total[name] == sum(int(row[name]) for row in rows)
    assert total["layers"] == 2
    assert total["multipliers"] == RESOURCES.multipliers
    for name, value in total.items():
        if name.endswith(("_cycles", "_bytes")) and name in rows[0]:
            assert value == sum(int(row[name]) for row in rows), name


def test_energy_adds_up_from_integers() -> None:
    tiny = run()
    parts = energy_by_component_aj(tiny)
    assert sum(parts.values()) == tiny.energy_aj
    total = totals(tiny)
    assert total["energy_j"] == tiny.energy_aj / AJ_PER_J
    components = [v for k, v in total.items() if k in {f"energy_{c}_j" for c in parts}]
    tensors = [v for k, v in total.items() if k.startswith("energy_for_")]
    assert math.isclose(math.fsum(map(float, components)), float(total["energy_j"]), rel_tol=1e-15)
    assert math.isclose(math.fsum(map(float, tensors)), float(total["energy_j"]), rel_tol=1e-15)


def test_causes_explain_every_unit_cycle() -> None:
    tiny = run()
    causes = cause_cycles([result.counters for result in tiny.results])
    assert sum(causes.values()) == 4 * tiny.cycles


def test_rows_are_json_with_exact_integers() -> None:
    row = json.loads(json.dumps(layer_rows(run())[0]))
    assert isinstance(row["cycles"], int)
    assert isinstance(row["dram_bytes"], int)
    assert isinstance(row["energy_j"], float)


def test_derived_columns() -> None:
    total = totals(run())
    energy, latency = float(total["energy_j"]), float(total["latency_s"])
    assert total["edp_j_s"] == energy * latency
    assert total["effective_tops_per_w"] == pytest.approx(2 * int(total["macs"]) / energy / 1e12)
    assert total["multiplier_utilization"] == int(total["multiplies"]) / (
        RESOURCES.multipliers * int(total["cycles"])
    )


def test_comparison_ratios() -> None:
    slow = run(machine="slow")
    fast = run((("conv1", 50, 0), ("conv2", 45, 0)), machine="fast")
    rows = compare_rows([slow, fast], baseline="slow")
    assert [row["machine"] for row in rows] == ["slow", "fast"]
    assert rows[0]["speedup"] == 1.0
    assert rows[1]["speedup"] == slow.latency_s / fast.latency_s
    assert rows[1]["energy_efficiency"] == slow.energy_aj / fast.energy_aj
    assert rows[0]["speedup_per_mm2"] == 1.0


def test_area_is_given_where_the_machine_gives_one() -> None:
    row = totals(run())
    assert row["area_mm2"] == 1.25
    assert row["area_buffer_mm2"] == 0.9
    bare = run(machine="bare", resources=Resources(1, 1, 64))
    assert not [name for name in totals(bare) if "mm2" in name]
    assert "speedup_per_mm2" not in compare_rows([run(), bare], baseline="toy")[1]
    large = Resources(1, 1, 64, {"all": 2_500_000_000_000})
    assert ratios(run(resources=large), run())["speedup_per_mm2"] == 0.5


def test_comparison_needs_the_same_work() -> None:
    other = run((("conv1", 1, 0),), machine="other")
    with pytest.raises(ReportError, match=r"other stands for \d+ MACs, .* need the same work"):
        compare_rows([run(), other], baseline="toy")


def test_baseline_must_name_one_run() -> None:
    both = [run(preset="published"), run(preset="iso")]
    assert find_baseline(both, "toy:iso") == 1
    assert find_baseline(both, "toy · published") == 0
    with pytest.raises(ReportError, match="'toy' names 2 runs, there are toy · published"):
        find_baseline(both, "toy")
    with pytest.raises(ReportError, match="'abacus' names no run"):
        find_baseline(both, "abacus")


def test_labels_say_just_enough() -> None:
    assert labels([run(machine="a"), run(machine="b")]) == ["a", "b"]
    assert labels([run(network="x"), run(network="y")]) == ["x · toy", "y · toy"]
    assert labels([run(), run()]) == ["toy · iso", "toy · iso #2"]
    changed = "iso with pe_blocks=8, clock_hz=1000000"
    assert labels([run(), run(preset=changed)]) == ["toy · iso", "toy · iso #2"]
    assert labels([run(), run(preset="iso with pe_blocks=8")])[1] == "toy · iso with pe_blocks=8"


def test_frames_carry_identity_and_fill_absent_counts() -> None:
    lean = run(machine="lean")
    without = replace(
        lean.results[0].counters,
        causes={"busy": 4 * 125},
        traffic={("dram", "weight", "read"): 64},
    )
    lean = replace(lean, results=(replace(lean.results[0], counters=without), lean.results[1]))
    frame = layer_frame([run(), lean])
    assert list(frame.columns)[:6] == ["network", "machine", "preset", "layer", "mode", "cycles"]
    assert len(frame) == 4
    assert frame["cause_busy_cycles"].tolist() == [0, 0, 500, 0]
    assert frame["dram_weight_read_bytes"].dtype == "int64"
    assert json.loads(frame["spec_json"][0])["pe_blocks"] == 4
    totals_ = totals_frame([run(), lean])
    assert totals_["cycles"].tolist() == [434, 434]
    assert json.loads(totals_["provenance_json"][0]) == {"seed": 0, "version": "0.1.0"}


def test_notes_appear_once() -> None:
    tiny = run(provenance={"notes": "synthetic masks"})
    assert run_notes(tiny) == ["synthetic masks", "no requantizer"]
    assert totals(tiny)["notes"] == "synthetic masks; no requantizer"


def test_geometric_mean_refuses_what_is_no_ratio() -> None:
    assert geometric_mean([3.0]) == pytest.approx(3.0)
    for bad in ([], [1.0, 0.0], [math.nan]):
        with pytest.raises(ReportError, match="geometric mean"):
            geometric_mean(bad)


def test_empty_run_has_no_ratios() -> None:
    total = totals(run(()))
    assert total["cycles"] == 0
    assert math.isnan(float(total["macs_per_cycle"]))


def test_every_network_has_its_own_baseline_and_ratios_have_means() -> None:
    slow, fast = run(), run()
    runs = [
        replace(each, network=network, machine=machine)
        for network in ("x", "y")
        for machine, each in (("slow", slow), ("fast", fast))
    ]
    rows = compare_rows(runs, "slow")
    assert [(row["network"], row["machine"]) for row in rows][2] == ("y", "slow")
    assert [row["speedup"] for row in rows[::2]] == [1.0, 1.0]
    means = mean_rows([{**rows[1], "speedup": 2.0}, {**rows[3], "speedup": 4.5}])
    assert means[0]["speedup"] == pytest.approx(3.0)
    assert (means[0]["machine"], means[0]["networks"]) == ("fast", 2)
    page_text = page(runs, title="both", baseline="slow")
    assert "Over all networks" in page_text
    assert f"slow · {slow.preset} on the same network" in page_text
    with pytest.raises(ReportError, match="names no run"):
        compare_rows([*runs, replace(slow, network="z", machine="other")], "slow")


def test_what_is_not_the_same_on_all_machines_is_told() -> None:
    slow = run()
    other = replace(slow, machine="other", spec=slow.spec.model_copy(update={"clock_hz": 1000}))
    assert differences([slow, slow]) == []
    (line,) = differences([slow, other])
    assert line == f"clock_hz differs: {slow.spec.clock_hz} on toy, 1000 on other"
