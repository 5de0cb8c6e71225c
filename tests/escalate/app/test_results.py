"""Is what was written what was simulated, and is nobody else's folder touched?"""

import json
from dataclasses import replace
from fractions import Fraction

import pandas as pd
import pytest

from escalate.app.machines import choose, choose_all
from escalate.app.publish import NAMES, publish, write_tables
from escalate.app.results import NewFolder, ResultsError, dumps, read_runs, run_object, write_runs
from escalate.app.simulate import Feed, Request, run_source
from escalate.app.sources import resolve
from reports.table import layer_frame, totals


@pytest.fixture(scope="module")
def runs(compressed):
    source = resolve([str(compressed.folder)])
    request = Request(source, choose_all(["basis_first", "systolic"]), Feed(count=2))
    return [simulation.run for simulation in request.run()]


@pytest.fixture(scope="module")
def published(runs, tmp_path_factory):
    """A whole results folder."""
    folder = tmp_path_factory.mktemp("results") / "out"
    publish(folder, runs, title="both", baseline="systolic")
    return folder


def test_runs_read_back_exactly(runs, published):
    again = read_runs(published)
    for before, after in zip(runs, again, strict=True):
        assert after.charges == before.charges
        assert (after.spec, after.resources) == (before.spec, before.resources)
        for one, other in zip(before.results, after.results, strict=True):
            assert other.counters == one.counters
            assert other.layer == one.layer
        assert totals(after) == totals(before)
        assert isinstance(after.peak_bandwidth, Fraction)
    pd.testing.assert_frame_equal(layer_frame(again), layer_frame(runs))
    assert sorted(path.name for path in published.iterdir()) == sorted(NAMES)
    assert published.stat().st_mode & 0o777 == 0o755


def test_tables_hold_the_same_numbers_in_both_forms(runs, published):
    frame = pd.read_parquet(published / "layers.parquet")
    text = pd.read_csv(published / "layers.csv")
    assert (
        frame["cycles"].tolist() == text["cycles"].tolist() == layer_frame(runs)["cycles"].tolist()
    )
    page = (published / "report.html").read_text()
    assert "<html" in page
    assert (published / "totals.md").read_text().startswith("| network | machine")
    assert r"\toprule" in (published / "totals.tex").read_text()
    figures = sorted(path.name for path in (published / "figures").iterdir())
    assert {"cycles.svg", "energy.svg", "layers0.svg", "layers1.svg"} <= set(figures)
    assert all((published / "figures" / name).read_text().strip() in page for name in figures)


def test_the_same_work_gives_the_same_bytes(compressed, tmp_path):
    written = []
    for name in ("a", "b"):
        found = run_source(resolve([str(compressed.folder)]), choose("basis_first")[0], Feed())
        (tmp_path / name).mkdir()
        write_runs(tmp_path / name / "run.json", [found.run])
        write_tables(tmp_path / name, [found.run])
        written.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert written[0] == written[1]
    assert len(written[0]) == 7


def test_json_holds_what_was_promised(runs):
    thing = json.loads(dumps(run_object(runs[0], 1.25)))
    assert list(thing) == [
        "network", "machine", "source", "totals", "layers", "simulation_seconds",
    ]  # fmt: skip
    wanted = {
        "cycles", "latency_s", "energy_j", "dram_bytes", "peak_bandwidth_bytes_per_s", "macs",
        "effectual_ops", "area_mm2",
    }  # fmt: skip
    assert wanted <= set(thing["totals"])
    assert {"layer", "mode", "cycles"} <= set(thing["layers"][0])
    assert thing["totals"]["cycles"] == sum(layer["cycles"] for layer in thing["layers"])
    assert thing["simulation_seconds"] == 1.25
    assert thing["source"]["spec"]["pe_blocks"] == 32


def test_a_ratio_that_does_not_exist_is_null(runs):
    empty = replace(runs[0], results=(), charges=())
    text = dumps(run_object(empty, 0.0))
    assert json.loads(text)["totals"]["macs_per_cycle"] is None


def test_torn_and_foreign_results_are_named(runs, tmp_path):
    with pytest.raises(ResultsError, match=r"run.json: No such file or directory, wanted a folder"):
        read_runs(tmp_path)
    path = tmp_path / "run.json"
    write_runs(path, runs[:1])
    whole = path.read_text()
    cases = {
        whole[: len(whole) // 2]: "torn or foreign",
        "[1]": "wanted the format 'escalate results 1'",
        '{"format": "other"}': "wanted the format",
        '{"format": "escalate results 1"}': "written by another version: KeyError: 'runs'",
        whole.replace('"pe_blocks"', '"colour"'): "unknown field 'colour'",
        whole.replace('"machine": "basis_first"', '"machine": "abacus"'): "unknown machine",
    }
    for text, message in cases.items():
        path.write_text(text)
        with pytest.raises(ResultsError, match=message) as refused:
            read_runs(tmp_path)
        assert str(refused.value).startswith(str(path))


def test_new_folders_replace_only_our_own(tmp_path):
    target, names = tmp_path / "deep" / "out", ("a.json", "b.csv")
    for text in ("first", "second"):
        with NewFolder(target, names) as folder:
            (folder / "a.json").write_text(text)
        assert [(p.name, p.read_text()) for p in target.iterdir()] == [("a.json", text)]
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    (target / "thesis.tex").write_text("mine")
    with pytest.raises(ResultsError, match=r"out: holds 'thesis.tex', which we did not write"):
        NewFolder(target, names)
    (target / "thesis.tex").rename(tmp_path / "thesis.tex")
    (target / "a.json").rename(target / "b.csv")
    with pytest.raises(ResultsError, match=r"out: holds no a.json"):
        NewFolder(target, names)
    with pytest.raises(ResultsError, match=r"thesis.tex: is a file"):
        NewFolder(tmp_path / "thesis.tex", names)
    (tmp_path / "empty").mkdir()
    with NewFolder(tmp_path / "empty", names) as folder:
        (folder / "a.json").write_text("filled")
    assert (tmp_path / "empty" / "a.json").read_text() == "filled"


def test_links_to_folders_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with NewFolder(tmp_path / "link", ("a.json",)) as folder:
        (folder / "a.json").write_text("new")
    assert (tmp_path / "real" / "a.json").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def write_half(target):
    with NewFolder(target, ("a.json",)) as folder:
        (folder / "a.json").write_text("half")
        raise KeyboardInterrupt


def test_an_interrupted_folder_leaves_the_old_one(tmp_path):
    with NewFolder(tmp_path / "out", ("a.json",)) as folder:
        (folder / "a.json").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "a.json").read_text() == "old"


def test_runs_of_shapes_alone_read_back_too(tmp_path):
    """Pairs that are effectual are not known of them, and null; no other count may be."""
    simulated = Request(resolve(["digits_cnn"]), choose_all(["systolic"]), Feed()).run()
    runs = [simulation.run for simulation in simulated]
    path = tmp_path / "run.json"
    write_runs(path, runs)
    assert runs[0].results[0].counters.effectual_ops is None
    for before, after in zip(runs[0].results, read_runs(tmp_path)[0].results, strict=True):
        assert after.counters == before.counters
    content = json.loads(path.read_text())
    content["runs"][0]["layers"][0]["counts"]["multiplies"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="multiplies is null"):
        read_runs(tmp_path)
