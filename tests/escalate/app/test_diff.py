"""Is it said what changed between two results, and why?"""

import json

import pytest

from arch.energy import AJ_PER_J
from escalate.app.diff import diff
from escalate.app.machines import choose
from escalate.app.publish import publish
from escalate.app.results import ResultsError
from escalate.app.simulate import Request
from escalate.app.sources import resolve
from escalate.app.sweep import sweep


def written(folder, machine="systolic", *settings, network="digits_cnn"):
    runs = [s.run for s in Request(resolve([network]), choose(machine, settings=settings)).run()]
    publish(folder, runs, title="test")
    return runs[0]


def test_a_changed_field_is_the_cause(tmp_path):
    a = written(tmp_path / "a")
    b = written(tmp_path / "b", "systolic", "dram_bandwidth_bytes_per_s=1000000000")
    found = diff(tmp_path / "a", tmp_path / "b")
    (causes,) = found.causes.values()
    assert "machine: dram_bandwidth_bytes_per_s 25600000000 -> 1000000000" in causes
    assert not any(cause.startswith("tensors") for cause in causes)
    layers = found.layers.set_index("layer")
    for mine, theirs in zip(a.results, b.results, strict=True):
        row = layers.loc[mine.layer.name]
        assert (row["cycles_a"], row["cycles_b"]) == (mine.counters.cycles, theirs.counters.cycles)
        assert row["cycles_ratio"] == theirs.counters.cycles / mine.counters.cycles
        assert row["changed"] == (mine.counters != theirs.counters)
    assert layers["energy_j_b"].sum() == pytest.approx(b.energy_aj / AJ_PER_J, rel=1e-12)
    assert set(layers.loc[layers["changed"], "why"]) == {"preset, machine"}


def test_equal_results_have_no_causes(tmp_path):
    written(tmp_path / "a")
    written(tmp_path / "b")
    found = diff(tmp_path / "a", tmp_path / "b")
    assert list(found.causes.values()) == [()]
    assert not found.layers["changed"].any()
    assert set(found.layers["why"]) == {""}


SWEEP = """networks = "digits_cnn"
[synthetic]
coefficients = 0.2
activations = {activations}
[set.basis_first]
lookahead = {lookahead}
"""


def test_points_of_sweeps_are_paired_by_their_axes(tmp_path):
    for name, activations, lookahead in (("a", 0.5, [1, 2, 4]), ("b", 0.6, [2, 4, 8])):
        file = tmp_path / f"{name}.toml"
        file.write_text(SWEEP.format(activations=activations, lookahead=lookahead))
        sweep(file, out=tmp_path / name)
    found = diff(tmp_path / "a", tmp_path / "b")
    assert list(found.causes) == [
        f"digits_cnn · basis_first · default · lookahead {n}" for n in (2, 4)
    ]
    for causes in found.causes.values():
        assert causes[0] == "tensors: synthetic.activations 0.5 -> 0.6"
        assert causes[1].startswith("tensors: other integers in ")
    assert (len(found.only_a), len(found.only_b)) == (1, 1)
    changed = found.layers[found.layers["changed"]]
    assert changed["why"].str.contains("other integers").all()


def test_results_without_a_pair_are_refused(tmp_path):
    sweep_file = tmp_path / "a.toml"
    sweep_file.write_text(SWEEP.format(activations=0.5, lookahead=[1, 2]))
    sweep(sweep_file, out=tmp_path / "a")
    written(tmp_path / "b")
    with pytest.raises(ResultsError, match="no point of one has a partner in the other"):
        diff(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ResultsError, match="holds no results"):
        diff(tmp_path, tmp_path / "b")


def test_the_command(tmp_path, monkeypatch, capsys):
    from escalate.cli.main import main

    written(tmp_path / "a")
    written(tmp_path / "b", "systolic", "node_nm=32")

    def run(*more):
        words = ["escalate", "diff", str(tmp_path / "a"), str(tmp_path / "b"), *more]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return capsys.readouterr().out

    text = run()
    assert "machine: node_nm 45 -> 32" in text
    assert "all layers" in text
    assert max(map(len, text.splitlines())) <= 100
    assert (
        len(json.loads(run("--format", "json"))["layers"])
        == len(run("--format", "csv").splitlines()) - 1
    )
