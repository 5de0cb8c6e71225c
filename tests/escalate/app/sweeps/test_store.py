"""Is every file of the folder what it seems, whatever happened to it?"""

import errno
import json
import os
import subprocess
import sys

import pytest

from arch.errors import SpecError
from escalate.app.load import LeftOut, load
from escalate.app.results import ResultsError
from escalate.app.sweep import sweep
from escalate.app.sweeps import store as module
from escalate.app.sweeps.axes import SweepError
from escalate.app.sweeps.store import Store
from tests.escalate.app.sweeps.conftest import contents


@pytest.fixture
def results(small, tmp_path):
    """The folder of a finished sweep."""
    sweep(small, out=tmp_path / "results")
    return tmp_path / "results"


def test_a_finished_sweep_computes_nothing_again(small, results):
    before = contents(results)
    found = sweep(small, out=results)
    assert (len(found.computed), len(found.there)) == (0, 9)
    assert contents(results) == before
    assert not list((results / "locks").iterdir())


def test_a_torn_point_is_named_and_computed_again(small, results):
    before = contents(results)
    torn = results / "points" / next(iter(before))
    torn.write_bytes(torn.read_bytes()[:-100])
    with pytest.warns(LeftOut, match=f"{torn.name}: torn or foreign"):
        assert load(results, "points")["point"].nunique() == 8
    found = sweep(small, out=results)
    assert len(found.computed) == 1
    assert found.torn[0].startswith(str(torn))
    assert contents(results) == before


def test_foreign_files_are_named_and_left_alone(small, results):
    strange = results / "points" / "mine.parquet"
    strange.write_text("not a table")
    (results / "points" / "notes.txt").write_text("keep me")
    with pytest.warns(LeftOut, match="mine.parquet: torn or foreign"):
        load(results)
    sweep(small, out=results)
    assert strange.read_text() == "not a table"
    assert (results / "points" / "notes.txt").read_text() == "keep me"


def test_points_of_another_version_are_counted_and_left_out(small, results, monkeypatch):
    for name in ("escalate.app.load", "escalate.app.sweeps.store", "escalate.app.sweeps.points"):
        monkeypatch.setattr(f"{name}.VERSION", "9.9.9")
    with pytest.raises(ResultsError, match=r"9 points of other versions or code than 9\.9\.9"):
        load(results)
    assert len(load(results, "points", every_version=True)) == 9
    found = sweep(small, out=results)
    assert len(found.computed) == 9
    with pytest.warns(LeftOut, match="9 points of other versions"):
        assert len(load(results, "points")) == 9


def test_an_edit_of_the_program_makes_points_stale(small, results, monkeypatch):
    for name in ("load", "sweeps.points", "sweeps.work"):
        monkeypatch.setattr(f"escalate.app.{name}.part_digest", lambda machine: "edited")
    assert len(sweep(small, out=results).computed) == 9
    with pytest.warns(LeftOut, match="9 points of other versions or code"):
        assert len(load(results, "points")) == 9
    assert len(load(results, "points", every_version=True)) == 18


def test_a_worker_with_other_code_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.sweeps.work.part_digest", lambda machine: "older")
    with pytest.raises(SweepError, match="this worker has other code of escalate"):
        sweep(small, out=tmp_path / "results")
    assert not contents(tmp_path / "results")


def test_what_the_user_asked_wrongly_is_no_result(small, tmp_path):
    with pytest.raises(SpecError, match="--threads: 999, wanted"):
        sweep(small, out=tmp_path / "results", threads=999)
    with pytest.raises(SweepError, match="--workers: 0, wanted at least 1"):
        sweep(small, out=tmp_path / "results", workers=0)
    assert not (tmp_path / "results").exists()


def test_a_point_with_broken_rows_is_torn(small, results):
    before = contents(results)
    path = results / "points" / next(iter(before))
    path.write_bytes(path.read_bytes()[:4] + bytes(396) + path.read_bytes()[400:])
    found = sweep(small, out=results)
    assert len(found.computed) == len(found.torn) == 1
    assert contents(results) == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_ours_is_left_alone(small, tmp_path, kind):
    target = tmp_path / "mine"
    if kind == "file":
        target.write_text("keep me")
    else:
        target.mkdir()
        (target / "thesis.tex").write_text("keep me")
    with pytest.raises(ResultsError, match="is a file" if kind == "file" else "thesis.tex"):
        sweep(small, out=target)
    kept = target if kind == "file" else target / "thesis.tex"
    assert kept.read_text() == "keep me"


def test_a_full_disk_loses_no_finished_point(small, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    write, calls = pq.write_table, []

    def full(table, file):
        calls.append(file)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(table, file)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space left") as error:
        sweep(small, out=tmp_path / "results")
    assert error.value.filename.endswith(".parquet")
    assert len(contents(tmp_path / "results")) == 3
    assert not list((tmp_path / "results" / "points").glob(".*"))
    monkeypatch.setattr(pq, "write_table", write)
    found = sweep(small, out=tmp_path / "results")
    assert (len(found.computed), len(found.there)) == (6, 3)


HOLD = """
import sys, time
from pathlib import Path
from escalate.app.sweeps.store import Store
with Store(Path(sys.argv[1])).locked("abc") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_a_lock_is_free_once_its_process_is_dead(tmp_path):
    store = Store(tmp_path / "results")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "True\n"
    with store.locked("abc") as mine:
        assert not mine
    holder.kill()
    holder.communicate()
    with store.locked("abc") as mine:
        assert mine


def test_halves_of_files_are_swept_up(small, results):
    half = results / "points" / f".{'0' * 64}.xyz.tmp"
    half.write_bytes(b"half")
    (results / "locks" / ("1" * 64)).touch()
    sweep(small, out=results)
    assert not half.exists()
    assert not list((results / "locks").iterdir())


def test_a_machine_that_refuses_is_a_result(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        "networks = 'digits_cnn'\n[synthetic]\ncoefficients = 0.1\nactivations = 0.5\n"
        "[set.basis_first]\ninput_glb_bytes = [64, 65536]\n"
    )
    found = sweep(path, out=tmp_path / "results")
    assert [reason for _, reason in found.refused]
    assert len(found.computed) == 2
    again = sweep(path, out=tmp_path / "results")
    assert (len(again.computed), len(again.there)) == (0, 2)
    frame = load(tmp_path / "results", "points")
    assert len(frame) == 1
    assert list(frame.attrs["refused"].values()) == [found.refused[0][1]]


def test_the_format_is_checked(results):
    path = next((results / "points").iterdir())
    assert isinstance(module.about_of(path), dict)
    assert module.about_of(results / "sweep.toml").startswith("torn or foreign")


@pytest.mark.parametrize("lost", ["totals", "provenance", "spec"])
def test_a_point_without_what_a_point_says_is_foreign(results, lost):
    import pyarrow.parquet as pq

    path = next((results / "points").iterdir())
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"escalate"])
    del about[lost]
    pq.write_table(table.replace_schema_metadata({b"escalate": json.dumps(about)}), path)
    lacks = lost if lost == "spec" else "totals"
    assert module.about_of(path) == f"foreign: lacks {lacks}"


def test_a_count_that_only_some_layers_have_is_0_in_the_others(tmp_path):
    """The demo network on Basis-First: only decomposed layers read a basis."""
    path = tmp_path / "s.toml"
    path.write_text(
        "networks = 'digits_cnn'\nmachines = 'basis_first'\n"
        "[synthetic]\ncoefficients = 0.1\nactivations = 0.5\n"
    )
    sweep(path, out=tmp_path / "results")
    frame = load(tmp_path / "results", "layers")
    basis = frame["dram_basis_read_bytes"]
    assert (basis == 0).any()
    assert (basis > 0).any()
    assert not frame[[name for name in frame if name.endswith("_bytes")]].isna().any().any()
