"""Do the figures of methods have a point for every model, and the reference where models are?"""

from reports.front_figures import (
    ORIGINAL,
    REFERENCE,
    accuracy_frame,
    divergence_frame,
    front_panels,
)
from tests.reports.fronts import CURVE, PARAMETERS_BYTES, row, rows

METHODS = ["int8", "escalate", "prune", "rate_distortion"]


def test_every_model_is_a_point_and_the_original_stands_at_its_size():
    frame = accuracy_frame(rows())
    assert list(dict.fromkeys(frame["series"])) == [*METHODS, ORIGINAL]
    made = [each for each in rows() if each["stored_bytes"]]
    assert frame["x"].tolist() == [*(each["stored_bytes"] for each in made), PARAMETERS_BYTES]
    assert frame["y"].tolist() == [*(100 * each["accuracy"] for each in made), 95.0]
    assert "90.0\xa0kB, 11.1×, 93.0\xa0% (92.0 to 94.0), divergence 0.0900" in frame["tip"][1]
    assert frame["tip"][1].endswith(" on fast")


def test_without_labels_agreement_is_shown_and_the_original_agrees_with_itself():
    some = [{**row("int8", None, 9, 0.5), "accuracy": None, "accuracy_low": None}]
    frame = accuracy_frame(some)
    assert frame["y"].tolist() == [90.0, 100.0]
    assert front_panels(some, CURVE, "net")[0].heading == "Agreement over bytes"


def test_the_reference_is_drawn_where_models_are():
    frame = divergence_frame(rows(), CURVE)
    line = frame[frame["reference"]]
    assert set(line["series"]) == {REFERENCE}
    sizes = [each["stored_bytes"] for each in rows() if each["stored_bytes"]]
    assert min(line["x"]) >= 0.7 * min(sizes)
    assert max(line["x"]) <= 1.4 * max(sizes)
    assert len(line) == sum(0.7 * min(sizes) <= x <= 1.4 * max(sizes) for x, _ in CURVE) > 3
    assert (frame[~frame["reference"]]["y"] == [1e-6 * size for size in sizes]).all()


def test_methods_stand_in_one_order_so_that_each_has_one_colour():
    frames = accuracy_frame(rows()), divergence_frame(rows(), CURVE)
    assert [list(dict.fromkeys(frame["series"]))[:-1] for frame in frames] == [METHODS, METHODS]
    assert [each.name for each in front_panels(rows(), CURVE, "net")] == ["pareto", "distortion"]
    assert front_panels([row("prune", 9.0, None, None)], CURVE, "net") == []
