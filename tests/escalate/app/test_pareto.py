"""A front: every row from its own folder, nothing made twice, a kill loses nothing."""

import numpy as np
import pytest

from escalate import model_file
from escalate.app.compress import Data
from escalate.app.demo import one_thread
from escalate.app.pareto import front, pareto, write_pareto
from escalate.app.results import ResultsError
from escalate.app.sources import SourceError
from escalate.errors import DecompositionError
from escalate.footprint import compression_ratio

RATIOS = (10.0, 150.0)


def run(out, watch=None, ratios=RATIOS, **options):
    with one_thread():
        return pareto(
            "digits_cnn",
            ratios,
            data=Data("digits", limit=32),
            out=out,
            watch=watch,
            **{"epochs": 1, "calibration_images": 32, **options},
        )


class KilledError(RuntimeError):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Killed after the first size was made and the second had trained an epoch, then gone on."""
    out = tmp_path_factory.mktemp("pareto") / "out"
    seen = []

    def kill(ratio, report):
        seen.append((ratio, report and report.epoch))
        if ratio == RATIOS[1] and report is not None:
            raise KilledError

    with pytest.raises(KilledError):
        run(out, kill)
    again = []
    found = run(out, lambda ratio, report: again.append((ratio, report and report.epoch)))
    return out, found, seen, again


def test_a_killed_front_goes_on(finished):
    _, _, seen, again = finished
    assert seen == [(10.0, None), (10.0, 1), (150.0, None), (150.0, 1)]
    assert again == [(10.0, None), (150.0, None)]  # nothing is trained twice


def test_every_row_is_its_folder(finished):
    out, found, _, _ = finished
    assert [row["ratio"] for row in found.rows] == list(RATIOS)
    for row in found.rows:
        folder = out / "points" / f"ratio-{row['ratio']:g}"
        model = model_file.load(folder)
        size = model_file.bytes_on_disk(folder)
        assert row["stored_bytes"] == size
        assert row["compression_ratio"] == compression_ratio(
            model.provenance["original_parameters"], size
        )
        assert row["compression_ratio"] >= row["ratio"] * 0.999
        assert row["accuracy"] == model.provenance["accuracy"]["compressed"]
    assert found.rows[0]["cycles"] > found.rows[1]["cycles"]
    assert found.rows[0]["energy_j"] > found.rows[1]["energy_j"]


def test_what_is_written(finished):
    out, found, _, _ = finished
    write_pareto(found, out)
    assert sorted(path.name for path in out.iterdir()) == ["pareto.csv", "pareto.svg", "points"]
    assert (out / "pareto.csv").read_text().count("\n") == 3


def test_points_of_other_options_are_refused(finished):
    out, _, _, _ = finished
    with pytest.raises(ResultsError, match=r"ratio-10: was made with other options"):
        run(out, seed=5)


def test_bad_requests(tmp_path):
    with pytest.raises(DecompositionError, match="no ratio was given"):
        run(tmp_path, ratios=())
    with pytest.raises(DecompositionError, match=r"--ratio 1\.0: "):
        run(tmp_path, ratios=(1.0,))
    with pytest.raises(SourceError, match="systolic: is fed the plain 8-bit network"):
        run(tmp_path, machine="systolic")


def test_the_front_by_brute_force():
    random = np.random.default_rng(0)
    rows = [
        {
            "accuracy": float(random.integers(0, 4)),
            "agreement": 0.5,
            "stored_bytes": int(random.integers(0, 4)),
            "cycles": int(random.integers(0, 4)),
            "energy_j": float(random.integers(0, 4)),
        }
        for _ in range(40)
    ]

    def vector(row):
        return np.array([-row["accuracy"], row["stored_bytes"], row["cycles"], row["energy_j"]])

    for row, marked in zip(rows, front(rows), strict=True):
        mine = vector(row)
        beaten = any((vector(o) <= mine).all() and (vector(o) < mine).any() for o in rows)
        assert marked["on_front"] == (not beaten)


def test_without_labels_agreement_counts():
    rows = [
        {"accuracy": None, "agreement": a, "stored_bytes": 1, "cycles": 1, "energy_j": 1.0}
        for a in (0.9, 0.8)
    ]
    assert [row["on_front"] for row in front(rows)] == [True, False]
