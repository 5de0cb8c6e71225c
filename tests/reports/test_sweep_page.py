import json
import re

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.pages import script
from reports.sweep_page import differences, sweep_page, sweep_svgs
from tests.reports.sweeps import AXES, HOSTILE, sweep
from tests.reports.test_html import read

LAYERS, POINTS = sweep()


@pytest.fixture(scope="module")
def swept() -> str:
    facts = {"sweep file": "blocks.toml", HOSTILE: HOSTILE}
    return sweep_page(LAYERS, POINTS, axes=AXES, title=HOSTILE, baseline="b", facts=facts)


def data(html: str, name: str) -> dict:
    return json.loads(html.split(f'id="{name}-data">')[1].split("</script>")[0])


def without_library(html: str) -> str:
    """The page without the largest of its scripts."""
    return html.replace(max(re.findall(r"<script>.*?</script>", html, re.DOTALL), key=len), "")


def test_both_tables_are_whole(swept: str) -> None:
    points, layers = data(swept, "points"), data(swept, "layers")
    assert points["rows"] == len(POINTS)
    assert layers["rows"] == len(LAYERS)
    names = [column["name"] for column in points["columns"]]
    shown = ["point", "network", "machine", "axis_pe_blocks", "axis_density", "axis_packing"]
    assert names[:8] == [*shown[:3], "front", "latency_s", "energy_j", *shown[3:5]]
    assert {"speedup", "cycles", "latency_s"} <= set(points["shown"])
    assert points["columns"][0]["opens"] == "layers"
    assert points["scatter"]["colour"] == "machine"
    assert layers["picks"] == ["network", "machine", "layer", *shown[3:]]


def test_the_page_is_well_formed_and_harmless() -> None:
    names = {"tiny": f"tiny {HOSTILE}", "a": f"a {HOSTILE}", "conv2": HOSTILE, "window": HOSTILE}
    layers, points = sweep(names)
    html = sweep_page(layers, points, axes=AXES, title=HOSTILE, facts={HOSTILE: HOSTILE})
    ours = without_library(html)
    assert "<script>alert" not in ours
    assert "<img" not in ours
    reader = read(ours)
    kinds = [attributes.get("type") for tag, attributes in reader.tags if tag == "script"]
    assert kinds == ["application/json", "application/json", None, None, None]
    assert HOSTILE in " ".join(reader.text)
    assert HOSTILE in data(html, "layers")["columns"][0]["words"]


def test_the_policy_names_every_script(swept: str) -> None:
    texts = re.findall(r"<script>(.*?)</script>", swept, re.DOTALL)
    assert len(texts) == 4
    assert re.findall(r"'(sha256-[^']+)'", swept[:2000]) == [script(t).digest for t in texts]
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", without_library(swept)))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_cards_name_the_best_points(swept: str) -> None:
    text = re.sub(r"\s+", " ", " ".join(read(without_library(swept)).text))
    best = POINTS[POINTS["network"] == "large"].sort_values("latency_s", kind="stable").iloc[0]
    assert "lowest latency" in text
    assert f"{best['point']}: {best['machine']}, PE blocks 16, density 5.0 %" in text
    assert "PE blocks 4, 8, 16" in text
    assert "blocks.toml" in text
    assert "ratios to b on the same network" in text


def test_synthetic_tensors_are_announced(swept: str) -> None:
    assert "Synthetic tensors" not in without_library(swept)
    layers, points = sweep(origin="synthetic")
    assert "Synthetic tensors" in sweep_page(layers, points, axes=AXES, title="made")


def test_machines_differ_in_what_the_sweep_does_not_vary() -> None:
    specs = [{"clock_hz": 1 if m == "a" else 2, "dram": "X"} for m in POINTS["machine"]]
    assert differences(POINTS, specs, AXES) == ["clock_hz differs: 1 on a, 2 on b"]
    assert differences(POINTS, specs, ["clock_hz"]) == []
    assert differences(POINTS, [{} for _ in specs], []) == []


def test_notes_count_their_points(swept: str) -> None:
    text = " ".join(read(without_library(swept)).text)
    assert re.search(r"no requantizer\s+— all points", text)
    noted = POINTS.assign(notes=["machine changed: x=1; odd"] + [""] * (len(POINTS) - 1))
    html = sweep_page(LAYERS, noted, axes=AXES, title="notes")
    assert f'odd <span class="dim">— 1 of {len(POINTS)} points' in html
    assert "<li>machine changed" not in html


def test_a_sweep_of_one_point_is_a_page() -> None:
    first = POINTS.iloc[[0]]
    html = sweep_page(LAYERS[LAYERS["point"] == "p00"], first, axes=AXES, title="one")
    assert data(html, "points")["rows"] == 1
    assert "One axis at a time" not in html


def test_bad_frames_are_refused() -> None:
    with pytest.raises(ReportError, match="points of a sweep lack the column 'axis_clock_hz'"):
        sweep_page(LAYERS, POINTS, axes=["clock_hz"], title="x")
    with pytest.raises(ReportError, match="layers of a sweep lack the column 'layer'"):
        sweep_page(LAYERS.drop(columns="layer"), POINTS, axes=AXES, title="x")
    with pytest.raises(ReportError, match="at least one point"):
        sweep_page(LAYERS, POINTS.iloc[:0], axes=AXES, title="x")
    with pytest.raises(ReportError, match="point 'p00' stands twice"):
        sweep_page(LAYERS, pd.concat([POINTS, POINTS]), axes=AXES, title="x")


def test_figures_stand_alone() -> None:
    figures = sweep_svgs(POINTS, AXES)
    assert len(figures) == 6
    assert all(svg.startswith("<svg") for svg in figures.values())
