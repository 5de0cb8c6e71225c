"""Methods side by side: every row from its own folder, nothing made twice, a kill loses nothing."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.app.demo import one_thread
from escalate.app.feed import Feed
from escalate.app.fronts.points import Recipe, points_of
from escalate.app.fronts.publish import write_pareto
from escalate.app.fronts.stories import Story, differences
from escalate.app.machines import choose
from escalate.app.pareto import pareto
from escalate.app.results import ResultsError
from escalate.app.scores import interval
from escalate.app.simulate import run_source
from escalate.app.sources import SourceError, resolve
from escalate.errors import DecompositionError
from escalate.store import model_file
from escalate.store.footprint import compression_ratio, sizes
from escalate.store.model_file import load
from reports.table import totals
from tests.escalate.app import tiny as tiny_module

NETWORK = f"{tiny_module.__file__}:tiny"
METHODS = ("escalate", "prune", "rate_distortion")
RATIOS = (3.5, 60.0)
MACHINES = ("basis_first", "systolic", "eyeriss:published")
OPTIONS = {"epochs": 1, "calibration_images": 32}
FILES = [
    "distortion.svg",
    "machines.csv",
    "page.html",
    "pareto.csv",
    "pareto.svg",
    "points",
    "table.md",
    "table.tex",
]


def run(out, watch=None, ratios=RATIOS, methods=METHODS, network=NETWORK, **more):
    with one_thread():
        return pareto(
            network,
            ratios,
            methods=methods,
            data=Data("digits", limit=32),
            out=out,
            watch=watch,
            **{"machines": MACHINES, **OPTIONS, **more},
        )


def named(row):
    """The folder of a row's model."""
    return row["method"] if row["ratio"] is None else f"{row['method']}-{row['ratio']:g}"


def made_rows(found):
    return [row for row in found.rows if row["problem"] is None]


class KilledError(RuntimeError):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Killed after the first model was made and the second had trained an epoch, then gone on."""
    out = tmp_path_factory.mktemp("pareto") / "out"
    seen = []

    def kill(name, report):
        seen.append((name, report and report.epoch))
        if name == "prune-3.5" and report is not None:
            raise KilledError

    with pytest.raises(KilledError):
        run(out, kill)
    again = []
    found = run(out, lambda name, report: again.append((name, report and report.epoch)))
    return out, found, seen, again


def test_a_killed_comparison_goes_on(finished):
    _, _, seen, again = finished
    made = ["int8", "escalate-3.5", "escalate-60", "prune-3.5"]
    assert [name for name, epoch in seen if epoch is None] == made
    assert ("escalate-3.5", 1) in seen
    assert seen[-1] == ("prune-3.5", 1)
    assert all(epoch is None for _, epoch in again)  # nothing is trained twice


def test_every_row_is_its_folder(finished):
    out, found, _, _ = finished
    points = [("int8", None), *((method, ratio) for method in METHODS for ratio in RATIOS)]
    assert [(row["method"], row["ratio"]) for row in found.rows] == points
    for row in made_rows(found):
        folder = out / "points" / named(row)
        model, size = model_file.load(folder), model_file.bytes_on_disk(folder)
        about = model.provenance
        counts = sizes(model)
        assert (row["stored_bytes"], row["payload_bytes"]) == (size, counts.payload)
        assert row["ideal_bytes"] == counts.ideal <= row["payload_bytes"] < size
        ratio = compression_ratio(about["original_parameters"], size)
        assert row["compression_ratio"] == ratio
        assert row["ratio"] is None or (size <= row["budget_bytes"] and ratio >= row["ratio"])
        assert row["accuracy"] == about["accuracy"]["compressed"]
        assert row["accuracy_original"] == about["accuracy"]["original"]
        ends = interval(row["accuracy"], row["scored_images"])
        assert (row["accuracy_low"], row["accuracy_high"]) == ends
        assert row["scored_images"] == about["accuracy"]["images"]


def test_a_budget_that_cannot_be_met_is_a_row(finished):
    _, found, _, _ = finished
    unmet = [row for row in found.rows if row["problem"] is not None]
    assert [row["method"] for row in unmet if row["ratio"] == RATIOS[1]] == list(METHODS)
    for row in unmet:
        assert row["problem"].startswith("budget: the smallest ")
        assert row["budget_bytes"] == int(4 * 1668 / row["ratio"])
        empty = {"method", "ratio", "budget_bytes", "problem"}
        assert all(value is None for name, value in row.items() if name not in empty)


def test_models_run_on_the_machines_of_their_form(finished):
    out, found, _, _ = finished
    ran = {}
    for row in found.machine_rows:
        ran.setdefault(row["model"], []).append(f"{row['machine']}:{row['preset']}")
    everywhere = ["basis_first:default", "systolic:iso", "eyeriss:published"]
    assert ran.pop("escalate-3.5") == everywhere[:1]
    assert ran.pop("int8") == everywhere
    assert set(map(tuple, ran.values())) == {tuple(everywhere)}
    fed = {row["model"]: row["fed"] for row in found.machine_rows}
    assert fed["int8"] == "int8"
    assert fed["escalate-3.5"] == "compressed"
    row = next(r for r in found.machine_rows if (r["model"], r["machine"]) == ("int8", "systolic"))
    source = resolve([str(out / "points" / "int8")])
    alone = totals(run_source(source, choose("systolic")[0], Feed("digits", 1)).run)
    assert {name: row[name] for name in alone} == alone
    assert row["hardware_bytes"] == alone["dram_weight_read_bytes"]
    assert row["dram_coefficient_read_bytes"] == 0


def test_the_best_machine_has_the_lowest_product_of_energy_and_delay(finished):
    _, found, _, _ = finished
    for row in made_rows(found):
        mine = [each for each in found.machine_rows if each["model"] == named(row)]
        best = min(mine, key=lambda each: each["energy_j"] * each["latency_s"])
        assert [each["best"] for each in mine] == [each is best for each in mine]
        for column in ("machine", "cycles", "latency_s", "energy_j", "edp_j_s", "hardware_bytes"):
            assert row[column] == best[column]


def test_the_reference_falls_with_the_bytes(finished):
    _, found, _, _ = finished
    sizes, heights = np.array(found.curve).T
    assert (np.diff(sizes) < 0).all()
    assert (np.diff(heights) > 0).all()
    assert all(row["divergence"] >= 0 for row in made_rows(found))


def test_what_is_written(finished):
    out, found, _, _ = finished
    write_pareto(found, out)
    assert sorted(path.name for path in out.iterdir()) == FILES
    rows = list(csv.DictReader((out / "pareto.csv").read_text().splitlines()))
    assert [row["method"] for row in rows] == [row["method"] for row in found.rows]
    assert [row["cycles"] for row in rows] == [str(row["cycles"] or "") for row in found.rows]
    every = list(csv.DictReader((out / "machines.csv").read_text().splitlines()))
    assert len(every) == len(found.machine_rows)
    assert sum(row["best"] == "True" for row in every) == len({row["model"] for row in every})
    assert "| prune " in (out / "table.md").read_text()
    assert r"rate\_distortion" in (out / "table.tex").read_text()
    page = (out / "page.html").read_text()
    assert "budget: the smallest density makes" in page
    assert page.count("<svg") == 4


def test_models_of_compress_are_taken_as_they_are(finished, tmp_path):
    """A folder made beforehand, with the same options written in another way."""
    _, found, _, _ = finished
    made = tmp_path / "elsewhere"
    data = Data("digits", limit=32)
    options = {"method": "rate_distortion", "ratio": 3.5, "calibration_images": 32}
    with one_thread():
        compress(NETWORK, data=data, out=made, **options)
    points = tmp_path / "out" / "points"
    points.mkdir(parents=True)
    shutil.move(made, points / "rate_distortion-3.5")
    before = (points / "rate_distortion-3.5" / "manifest.json.gz").stat().st_mtime_ns
    again = run(tmp_path / "out", methods=["rate_distortion"], ratios=RATIOS[:1])
    assert (points / "rate_distortion-3.5" / "manifest.json.gz").stat().st_mtime_ns == before
    assert made_rows(again)[-1] | {"on_front": None} == made_rows(found)[-1] | {"on_front": None}


def test_models_of_another_making_are_refused(finished):
    out, _, _, _ = finished
    with pytest.raises(ResultsError, match=r"int8: was made with other options \(seed 0, now 5\)"):
        run(out, seed=5)
    with pytest.raises(
        ResultsError, match=r"escalate-3\.5: was made with other options \(epochs 1, "
    ):
        run(out, own={"escalate": {"epochs": 2}})


def test_models_of_another_network_are_refused(finished, tmp_path):
    out, _, _, _ = finished
    network = tmp_path / "other.py"
    network.write_text(
        "import torch\n\ndef build():\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    with pytest.raises(ResultsError, match="int8: was made from another trained network"):
        run(out, network=f"{network}:build")


def test_models_made_with_other_images_are_told(finished):
    out, found, _, _ = finished
    assert not [note for note in found.notes if "images" in note]
    story = Story.of(points_of(METHODS, RATIOS, Recipe(OPTIONS))[0], load(out / "points" / "int8"))
    assert differences({"a": story, "b": story}) == []
    other = replace(story, trained_on=("9 images of digits", "0"), scored_on=9)
    first, second = differences({"a": story, "b": other})
    assert first.endswith("a with 32 images of digits, b with 9 images of digits")
    assert second.endswith("a 359, b 9")


def test_bad_requests(tmp_path):
    with pytest.raises(DecompositionError, match="no ratio was given"):
        run(tmp_path, ratios=())
    with pytest.raises(DecompositionError, match="no method was given"):
        run(tmp_path, methods=())
    with pytest.raises(DecompositionError, match=r"--ratio 1\.0: "):
        run(tmp_path, ratios=(1.0,))
    with pytest.raises(DecompositionError, match="abacus: no such method, wanted one of escalate,"):
        run(tmp_path, methods=("abacus",))
    with pytest.raises(SourceError, match="escalate: wants a machine with a basis, none of syst"):
        run(tmp_path, machines=("systolic",))
    assert not list(tmp_path.iterdir())


def test_a_model_within_a_smaller_budget_is_not_made_twice(tmp_path):
    """Ternary weights are small as they come: those of the first budget fit the second, too."""
    own = {"wpc": {"group": (1, 1), "epochs": 0}}
    found = run(tmp_path, ratios=(1.5, 1.6), methods=("wpc",), machines=("systolic",), own=own)
    first, second = found.rows[1:]
    assert (first["ratio"], second["ratio"]) == (1.5, 1.6)
    assert second["stored_bytes"] <= second["budget_bytes"] < first["budget_bytes"]
    assert not (tmp_path / "points" / "wpc-1.6").exists()
    for name in ("stored_bytes", "accuracy", "cycles", "energy_j"):
        assert first[name] == second[name] is not None
    assert "wpc-1.6: is wpc-1.5, which is that small" in found.notes
    assert {row["ratio"] for row in found.machine_rows} == {None, 1.5}
