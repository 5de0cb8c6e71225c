"""Is a speedup between a good network and a bad one told as that?"""

from dataclasses import replace

from reports.quality import in_words, quality, shown, unlike, with_intervals
from reports.ratios import compare_rows, differences
from tests.reports.runs import run

GOOD = {"accuracy": 0.88, "accuracy_low": 0.85, "accuracy_high": 0.91, "scored_images": 300}
BAD = {"accuracy": 0.39, "accuracy_low": 0.35, "accuracy_high": 0.43, "scored_images": 300}


def fed(machine, stored):
    found = run(machine=machine)
    return replace(found, provenance={**found.provenance, "quality": stored})


def test_rows_carry_what_the_model_keeps():
    good, bad, none = fed("a", GOOD), fed("b", {**BAD, "colour": 1}), run(machine="c")
    rows = compare_rows([good, bad, none], "a")
    assert [row.get("accuracy") for row in rows] == [0.88, 0.39, None]
    assert quality(bad) == BAD
    assert quality(none) == {}
    assert with_intervals(rows[1])["accuracy_interval"] == "35.0 to 43.0"
    assert shown([with_intervals(row) for row in rows]) == ["accuracy", "accuracy_interval"]
    assert in_words({}) == ""


def test_models_whose_intervals_are_apart_are_not_compared_in_silence():
    told = "models of different accuracy are compared: 39.0 % (35.0 to 43.0) on b against 88.0 %"
    assert any(note.startswith(told) for note in differences([fed("a", GOOD), fed("b", BAD)]))
    near = {**GOOD, "accuracy": 0.86, "accuracy_low": 0.83, "accuracy_high": 0.89}
    assert unlike({"a": fed("a", GOOD), "b": fed("b", near)}) == []
    assert unlike({"a": fed("a", GOOD), "b": run(machine="b")}) == []


def test_without_labels_agreement_is_compared():
    ends = {"agreement_low": 0.9, "agreement_high": 1.0, "scored_images": 40}
    low = {"agreement": 0.5, "agreement_low": 0.4, "agreement_high": 0.6, "scored_images": 40}
    (note,) = unlike({"a": fed("a", {"agreement": 0.97, **ends}), "b": fed("b", low)})
    assert "different agreement" in note
