"""Does nothing change with who computes a point, and is nothing lost whoever dies?"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from escalate.app.sweep import sweep
from escalate.app.sweeps.axes import SweepError
from escalate.app.sweeps.work import run_batch
from escalate.store import model_file
from tests.escalate.app.sweeps.conftest import contents

LONG = """
networks = ["digits_cnn"]
machines = ["basis_first"]
seed = [0, 1, 2]

[synthetic]
coefficients = [0.1, 0.2, 0.3]
activations = [0.3, 0.5]

[set.basis_first]
lookahead = [1, 2, 4]
"""


@pytest.fixture
def long(tmp_path):
    """The file of a sweep of 54 points."""
    path = tmp_path / "long.toml"
    path.write_text(LONG)
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What an undisturbed run of it writes."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "long.toml").write_text(LONG)
    sweep(folder / "long.toml", out=folder / "results")
    return contents(folder / "results")


def start(file, out, *more):
    """The command in a process of its own, as the leader of a group."""
    words = [sys.executable, "-m", "escalate.cli.main", "sweep", str(file), "--out", str(out)]
    return subprocess.Popen(
        [*words, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stamps(folder):
    """When each point was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "points").glob("[!.]*")}


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 1), (2, None)])
def test_bytes_do_not_depend_on_workers(long, tmp_path, unbroken, workers, threads):
    found = sweep(long, out=tmp_path / "results", workers=workers, threads=threads)
    assert len(found.computed) == 54
    assert contents(tmp_path / "results") == unbroken


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing_and_repeats_nothing(long, tmp_path, unbroken):
    out, moments, kills, seen = tmp_path / "results", random.Random(0), 0, {}
    while len(seen) < len(unbroken):
        process = start(long, out, "--workers", str(1 + kills % 2))
        before = len(seen)
        while process.poll() is None and len(stamps(out) if out.exists() else {}) <= before:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.25)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        now = stamps(out)
        assert {name: now[name] for name in seen} == seen
        kills, seen = kills + 1, now
        assert kills < 100
    assert kills >= 3
    process = start(long, out)
    told, _ = process.communicate()
    assert process.returncode == 0
    assert "0 computed" in told
    assert stamps(out) == seen
    assert contents(out) == unbroken
    assert not list((out / "points").glob(".*"))


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(long, tmp_path, unbroken):
    import psutil

    out = tmp_path / "results"
    process = start(long, out, "--workers", "2")
    while not out.exists() or len(stamps(out)) < 4:
        time.sleep(0.01)
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    assert len(workers) == 1  # and the process itself
    workers[0].kill()
    told, errors = process.communicate()
    assert process.returncode == 0, errors
    assert contents(out) == unbroken
    assert "0 refused" in told


def dies(*_):
    os._exit(1)


def slowly(*arguments):
    time.sleep(3)  # by then the other process is dead
    return run_batch(*arguments)


def test_workers_that_keep_dying_are_named(long, tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.sweeps.run.in_child", dies)
    monkeypatch.setattr("escalate.app.sweeps.run.run_batch", slowly)
    with pytest.raises(SweepError, match="a worker process died 3 times"):
        sweep(long, out=tmp_path / "results", workers=2)
    assert contents(tmp_path / "results")


def test_what_dead_workers_leave_is_done_by_the_first(small, tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.sweeps.run.in_child", dies)
    found = sweep(small, out=tmp_path / "results", workers=2)
    assert len(found.computed) == 9


@pytest.mark.slow
def test_two_runs_share_a_folder(long, tmp_path, unbroken):
    out = tmp_path / "results"
    both = [start(long, out), start(long, out)]
    told = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    computed = [int(text.split(" computed")[0].split()[-1]) for text in told]
    assert sum(computed) == len(unbroken)
    assert contents(out) == unbroken


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # distributed's own, when a worker dies
def test_a_cluster_that_loses_a_worker(long, tmp_path, unbroken):
    from distributed import LocalCluster

    out = tmp_path / "results"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        process = start(long, out, "--scheduler", cluster.scheduler_address, "--format", "json")
        while not out.exists() or len(stamps(out)) < 4:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        told, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert '"refused": []' in told
    assert contents(out) == unbroken


def test_a_cluster_that_is_not_there_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setattr("escalate.app.sweeps.run.CONNECT_S", "0.3s")
    with pytest.raises(SweepError, match=r"--scheduler tcp://127\.0\.0\.1:9: cannot be reached"):
        sweep(small, out=tmp_path / "results", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SweepError, match="--scheduler nonsense"):
        sweep(small, out=tmp_path / "results", scheduler="nonsense://")


def test_a_model_is_loaded_once(tmp_path, monkeypatch, compressed):
    """Its name in a point needs no weights; all points of one machine's form share them."""
    path, loaded, own = tmp_path / "s.toml", [], model_file.load
    path.write_text(
        f"sources = '{compressed.folder}'\nmachines = 'basis_first'\ncount = 1\n"
        "[set.basis_first]\nlookahead = [1, 4]\n"
    )
    monkeypatch.setattr(model_file, "load", lambda folder: loaded.append(folder) or own(folder))
    sweep(path, out=tmp_path / "results")
    assert len(contents(tmp_path / "results")) == 2
    assert loaded == [compressed.folder.resolve()]
