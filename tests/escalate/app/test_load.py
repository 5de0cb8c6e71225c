"""Are results a tidy frame, whichever command wrote them?"""

import numpy as np
import pandas as pd
import pytest

from escalate.app.load import load
from escalate.app.machines import choose_all
from escalate.app.publish import publish
from escalate.app.results import ResultsError
from escalate.app.simulate import Request, simulate
from escalate.app.sources import resolve
from escalate.app.sweep import sweep
from reports.study import seed_spread, speedup_table
from reports.table import layer_frame, totals_frame

SWEEP = """networks = ["digits_cnn"]
machines = ["basis_first", "systolic"]
seed = [0, 1]
[synthetic]
coefficients = 0.2
activations = 0.5
[set.basis_first]
lookahead = [1, 4]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with six points."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "s.toml").write_text(SWEEP)
    sweep(folder / "s.toml", out=folder / "results")
    return folder / "results"


def test_rows_are_those_of_simulate(results):
    frame = load(results)
    mine = frame[(frame["machine"] == "basis_first") & (frame["axis_lookahead"] == 4)]
    mine = mine[mine["axis_seed"] == 1]
    theirs = simulate("digits_cnn", synthetic="coefficients=0.2,activations=0.5", seed=1)
    same = [
        name
        for name in theirs.columns
        if name not in ("provenance_json", "notes") and name in mine.columns
    ]
    assert len(same) > 60
    pd.testing.assert_frame_equal(
        mine[same].reset_index(drop=True), theirs[same], check_dtype=False
    )


def test_points_have_axes_and_stand_in_their_order(results):
    points = load(results, "points")
    assert points.attrs["axes"] == ["axis_seed", "axis_lookahead"]
    order = points[["machine", "axis_seed", "axis_lookahead"]].values.tolist()
    assert order[:4] == [["basis_first", s, n] for s in (0, 1) for n in (1.0, 4.0)]
    assert points["axis_lookahead"].isna().sum() == 2
    layers = load(results)
    sums = layers.groupby("point", sort=False)["cycles"].sum()
    assert (points.set_index("point")["cycles"] == sums).all()


def test_a_column_that_one_machine_lacks_is_0_where_it_counts(results):
    layers = load(results)
    counted = [name for name in layers.columns if name.endswith(("_cycles", "_bytes", "_j"))]
    assert not layers[counted].isna().any().any()
    assert layers["dram_basis_read_bytes"].dtype == np.int64


def test_folders_of_compare_are_read_too(tmp_path):
    choices = choose_all(["systolic", "systolic:scalesim"])
    runs = [s.run for s in Request(resolve(["digits_cnn"]), choices).run()]
    publish(tmp_path / "both", runs, title="test")
    points = load(tmp_path / "both", "points")
    assert points["cycles"].tolist() == totals_frame(runs)["cycles"].tolist()
    assert len(load(tmp_path / "both")) == len(layer_frame(runs))
    assert points["point"].nunique() == 2


def test_several_folders_and_the_same_twice(results, tmp_path):
    runs = [s.run for s in Request(resolve(["digits_cnn"]), choose_all(["systolic"])).run()]
    publish(tmp_path / "one", runs, title="test")
    both = load([results, tmp_path / "one", results], "points")
    assert len(both) == 7


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(ResultsError, match=f"{tmp_path}: holds no results"):
        load(tmp_path)


def test_studies_of_a_sweep(results):
    points = load(results, "points")
    spread = seed_spread(points, ["cycles"])
    assert spread["seeds"].tolist() == [2, 2, 2]
    seeds = points[points["axis_lookahead"] == 4]["cycles"]
    row = spread[spread["axis_lookahead"] == 4].iloc[0]
    assert row["cycles_mean"] == seeds.mean()
    assert row["cycles_std"] == pytest.approx(seeds.std())
    table = speedup_table(points, "systolic")
    mine = table[(table["machine"] == "basis_first") & (table["network"] == "digits_cnn")]
    latency = points.set_index(["machine", "axis_seed", "axis_lookahead"])["latency_s"]
    base = points[points["machine"] == "systolic"].set_index("axis_seed")["latency_s"]
    for _, row in mine.iterrows():
        own = latency["basis_first", row["axis_seed"], row["axis_lookahead"]]
        assert row["speedup"] == base[row["axis_seed"]] / own


def test_compressions_are_axes(tmp_path):
    (tmp_path / "s.toml").write_text(
        "machines = ['basis_first', 'systolic']\nmethods = ['escalate', 'prune']\n"
        "[compress]\nnetwork = 'digits_cnn'\nepochs = 0\nbasis = 4\ndensity = [0.3, 0.6]\n"
        "calibration_images = 32\nlimit = 64\n"
    )
    found = sweep(tmp_path / "s.toml", out=tmp_path / "results")
    assert (len(found.computed), found.refused) == (8, ())
    models = sorted(path.name for path in (tmp_path / "results" / "models").iterdir())
    assert len(models) == 4
    again = sweep(tmp_path / "s.toml", out=tmp_path / "results")
    assert (len(again.computed), len(again.there)) == (0, 8)
    points = load(tmp_path / "results", "points")
    assert {"axis_method", "axis_density"} <= set(points.attrs["axes"])
    assert points["stored_bytes"].between(1000, 250_000).all()
    small = points[points["axis_method"].eq("escalate") & points["machine"].eq("basis_first")]
    by_density = small.set_index("axis_density")["stored_bytes"]
    assert by_density[0.3] < by_density[0.6]
    assert points["accuracy"].between(0, 1).all()
