import re
import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from reports import curve_plot, figures, plot
from reports.svg import SENTINEL, elided
from tests.reports.runs import run

FRAME = pd.DataFrame({"busy": [3.0, 1.0], "idle": [1.0, 2.0]}, index=["conv1", "<b>$x$&\x07"])


def bars(frame: pd.DataFrame = FRAME, **rest: object) -> str:
    return plot.stacked_bars(frame, name="f", axis="cycles", description='a "figure"', **rest)  # type: ignore[arg-type]


def test_a_figure_is_one_well_formed_svg() -> None:
    root = ET.fromstring(bars())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == 'a "figure"'
    assert root.get("role") == "img"


def test_text_stays_text_and_takes_the_surrounding_colour() -> None:
    svg = bars()
    assert "currentColor" in svg
    assert SENTINEL not in svg
    assert "#ffffff" not in svg
    assert "&lt;b&gt;$x$&amp;?" in svg
    assert re.search(r"<text[^>]*>cycles</text>", svg)


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert bars() == bars()
    assert not re.search(r"\b20\d\d-\d\d", bars())


def test_figures_on_one_page_share_no_ids() -> None:
    points, roofs = figures.roofline_frame([run()]), figures.roofs_frame([run()])
    line = plot.roofline(points, roofs, name="g", description="roofline")
    first, second = (set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (bars(), line))
    assert first
    assert not first & second
    assert set(re.findall(r"url\(#([^)]+)\)", line)) <= second


def test_every_piece_says_what_it_is() -> None:
    titles = [
        e.text for e in ET.fromstring(bars(unit="J")).iter("{http://www.w3.org/2000/svg}title")
    ]
    assert "conv1, busy: 3.00\xa0J, 75.0 %" in titles
    assert len([title for title in titles if title]) == FRAME.size


def test_one_name_has_one_colour_in_all_figures() -> None:
    names = ["a", "idle", "b", *(f"c{i}" for i in range(20))]
    paint = plot.paints(names)
    assert paint["idle"][0] == plot.GREY
    assert len(set(paint.values())) == len([n for n in names if n != "idle"][:21]) + 1
    assert plot.paints(["a"])["a"] == paint["a"]


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("color", [*plot.PALETTE, plot.GREY])
def test_colours_are_seen_on_white_and_on_near_black(color: str) -> None:
    light = 1.05 / (luminance(color) + 0.05)
    dark = (luminance(color) + 0.05) / (luminance("#1b1e22") + 0.05)
    assert light > 2
    assert dark > 2.9


def test_long_labels_are_cut_in_the_middle() -> None:
    assert elided("conv1", 5) == "conv1"
    assert elided("conv12", 5) == "co…12"


def test_an_empty_frame_is_still_a_figure() -> None:
    assert bars(pd.DataFrame()).startswith("<svg")


def test_curves_leave_out_what_has_no_logarithm_and_write_plain_numbers():
    frame = pd.DataFrame(
        {
            "series": ["a", "a", "b", "b"],
            "x": [10, 1000, 20, 3000],
            "y": [1.0, 0.001, 0.0, 0.1],
            "tip": ["a1", "a2", "b1", "b2"],
        }
    )
    text = curve_plot.curves(
        frame, axes=("bytes", "loss"), name="c", description="loss over bytes", log=(True, True)
    )
    assert [tip for tip in ("a1", "a2", "b1", "b2") if f"<title>{tip}</title>" in text] == [
        "a1",
        "a2",
        "b2",
    ]
    assert "mathdefault" not in text
    assert ">0.001<" in text
    assert 'aria-label="loss over bytes"' in text


def curve(y: list[float], reference: list[bool]) -> str:
    xs = [10.0, 20.0, 40.0, 80.0]
    points = {"series": ["a", "a", "b", "b"], "x": xs, "y": y, "tip": ["t"] * 4}
    frame = pd.DataFrame({**points, "reference": reference})
    return curve_plot.curves(frame, axes=("x", "y"), name="c", description="c", log=(True, True))


def test_a_reference_is_a_grey_line_without_points() -> None:
    ys = [1.0, 2.0, 3.0, 4.0]
    plain, marked = curve(ys, [False] * 4), curve(ys, [False, False, True, True])
    assert marked.count("<title>t</title>") == plain.count("<title>t</title>") - 2
    assert plot.GREY in marked
    assert plot.GREY not in plain


def test_a_short_logarithmic_axis_has_ticks_between_powers_of_ten() -> None:
    assert ">50<" in curve([1.0, 2.0, 3.0, 4.0], [False] * 4)
    assert ">0.05<" not in curve([0.001, 0.01, 0.1, 1000.0], [False] * 4)


def test_dots_stand_at_their_ratio_and_tell_their_verdict() -> None:
    points = pd.DataFrame(
        {
            "series": ["cycles", "cycles", "energy"],
            "ratio": [1.0, 0.5, 3.0],
            "verdict": ["inside", "outside", "reported"],
            "tip": ["a: 1 & 1", "b", "c"],
        }
    )
    svg = plot.ratio_dots(points, name="d", axis="ours / published", description="dots")
    root = ET.fromstring(svg)
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[-3:] == ["a: 1 & 1", "b", "c"]
    for verdict in ("inside", "outside", "reported"):
        assert f">{verdict}<" in svg
    places = [float(use.get("x", "nan")) for use in root.iter("{http://www.w3.org/2000/svg}use")]
    dots = [x for x in places if x == x][-3:]
    assert len(dots) == 3
