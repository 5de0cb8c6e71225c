"""Do the pages work in a browser: quiet, complete, by mouse and by keyboard, light and dark?"""

import csv
import io
import math

import numpy as np
import pandas as pd
import pytest

from reports.html import page
from reports.pages import write_whole
from reports.quantity import form, quantity
from reports.sweep_page import sweep_page
from tests.reports import fronts
from tests.reports.browsers import Opened, browser, needs_chromium
from tests.reports.runs import run
from tests.reports.sweeps import AXES, HOSTILE, sweep

pytestmark = needs_chromium
LAYERS, POINTS = sweep({"conv2": HOSTILE, "window": HOSTILE})
ROWS = 50_000


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [run(machine="slow"), run((("conv1", 50, 0), (HOSTILE, 45, 0)), machine="fast")]
    write_whole(folder / "compare.html", page(runs, title=HOSTILE, baseline="slow"))
    swept = sweep_page(LAYERS, POINTS, axes=AXES, title=HOSTILE, baseline="b")
    write_whole(folder / "sweep.html", swept)
    write_whole(folder / "front.html", fronts.page(fronts.rows(HOSTILE), title=HOSTILE))
    return folder


@pytest.fixture
def opened(chromium, files):
    """Opens a page; at the end it must have been quiet."""
    found = []

    def open_page(name: str, **settings) -> Opened:
        window = {"viewport": {"width": 1200, "height": 800}, **settings}
        found.append(Opened(chromium.new_page(**window), files / f"{name}.html"))
        return found[-1]

    yield open_page
    for each in found:
        each.check_quiet()
        each.page.close()


def numbers(texts: list[str]) -> list[float]:
    return [float(text.replace("\u202f", "")) for text in texts]


def test_a_comparison_opens_quietly(opened) -> None:
    seen = opened("compare")
    layers = seen.explorer("layers")
    assert layers.count == "4 rows"
    assert HOSTILE in layers.column("layer")
    assert seen.page.locator("figure svg").first.is_visible()
    tips = seen.page.locator("figure svg title").all_text_contents()
    assert any("conv1, MAC bound: " in tip for tip in tips)


def test_a_sweep_opens_quietly_with_its_figures(opened) -> None:
    seen = opened("sweep")
    assert seen.explorer("points").count == f"{len(POINTS)} rows"
    assert seen.explorer("layers").count == f"{len(LAYERS)} rows"
    marks = seen.page.locator(".scatter .scatterlayer .points path")
    assert marks.count() == len(POINTS)
    assert seen.page.locator(".scatter .main-svg").first.is_visible()
    assert seen.page.locator(".small-figures svg").count() == 6
    buttons = seen.page.locator(".scatter .modebar-btn")
    assert [each.get_attribute("data-title") for each in buttons.all()] == [
        "Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes",
    ]  # fmt: skip
    assert seen.page.locator("a[href]").count() == 0
    seen.page.locator(".scatter .main-svg").first.hover()
    with seen.page.expect_download() as waiting:
        buttons.first.click()
    assert waiting.value.suggested_filename == "points.svg"
    assert waiting.value.path().read_text("utf-8").startswith("<svg")
    assert seen.overflow() == 0


def test_methods_open_quietly_and_sort_by_their_headings(opened) -> None:
    seen = opened("front")
    assert seen.explorer("machines").count == "12 rows"
    assert seen.page.locator("figure .wide svg").count() == 2
    table = seen.page.locator("table.sortable")
    table.get_by_role("button", name="stored", exact=True).click()
    sizes = table.locator("tbody tr > :nth-child(3)").all_inner_texts()
    assert sizes[:2] == ["250\u00a0kB", "99.0\u00a0kB"]
    assert sizes[-1] == "–"
    assert seen.overflow() == 0


def test_headings_sort_numbers_and_words(opened) -> None:
    points = opened("sweep").explorer("points")
    assert points.sort("cycles") == "descending"
    shown = numbers(points.column("cycles"))
    assert shown == sorted(POINTS["cycles"].tolist(), reverse=True)[: len(shown)]
    assert points.sort("cycles") == "ascending"
    assert numbers(points.column("cycles")) == sorted(shown) or shown != numbers(
        points.column("cycles")
    )
    assert points.sort("network") == "ascending"
    assert points.head("cycles").get_attribute("aria-sort") == "none"
    assert points.column("network") == sorted(points.column("network"))
    assert points.sort("PE blocks") == "descending"
    assert points.column("PE blocks")[0] == "16"
    assert points.sort("PE blocks") == "ascending"
    assert points.column("PE blocks")[0] == "4"  # what has no value stands last, both times


def test_search_picks_and_ranges_filter(opened) -> None:
    seen = opened("sweep")
    points = seen.explorer("points")
    marks = seen.page.locator(".scatter .scatterlayer .points path")
    points.root.get_by_placeholder("search").fill("LARGE p2")
    wanted = POINTS[(POINTS["network"] == "large") & POINTS["point"].str.contains("p2")]
    assert points.column("point") == wanted["point"].tolist()
    assert points.count == f"{len(wanted)} of {len(POINTS)} rows"
    assert marks.count() == len(wanted)
    points.root.get_by_role("button", name="clear filters").click()
    assert points.count == f"{len(POINTS)} rows"
    points.menu("machine").get_by_label("a", exact=True).uncheck()
    assert set(points.column("machine")) == {"b"}
    assert points.menu("machine").locator(".told").inner_text() == "1 of 2"
    points.menu("PE blocks").get_by_role("button", name="none").click()
    assert points.root.locator("tbody").inner_text() == "no row passes the filters"
    points.root.get_by_role("button", name="clear filters").click()
    assert marks.count() == len(POINTS)
    points.menu("ranges").get_by_label("least cycles").fill("0.2k")
    wanted = POINTS[POINTS["cycles"] >= 200]
    assert 0 < len(wanted) < len(POINTS)
    assert points.count == f"{len(wanted)} of {len(POINTS)} rows"
    points.menu("ranges").get_by_label("most density").fill("10 %")
    wanted = wanted[wanted["axis_density"] <= 0.1]
    assert points.count == f"{len(wanted)} of {len(POINTS)} rows"
    points.menu("ranges").get_by_label("least cycles").fill("many")
    assert points.menu("ranges").get_by_label("least cycles").get_attribute("aria-invalid") == (
        "true"
    )


def test_columns_can_be_chosen_and_downloaded(opened) -> None:
    points = opened("sweep").explorer("points")
    menu = points.menu("columns")
    menu.get_by_role("button", name="none").click()
    assert points.headings() == ["point"]
    menu.get_by_label("find in this list").fill("energy")
    menu.get_by_label("energy", exact=True).check()
    assert points.headings() == ["point", "energy"]
    points.page.keyboard.press("Escape")
    assert not menu.locator("> div").is_visible()
    points.sort("energy")
    with points.page.expect_download() as waiting:
        points.root.get_by_role("button", name="CSV of what is shown").click()
    assert waiting.value.suggested_filename == "points.csv"
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8"))))
    assert list(rows[0]) == ["point", "energy_j"]
    wanted = sorted(POINTS["energy_j"], reverse=True)
    assert [float(row["energy_j"]) for row in rows] == pytest.approx(wanted, rel=1e-6)


def test_hostile_words_survive_a_download(opened) -> None:
    layers = opened("sweep").explorer("layers")
    with layers.page.expect_download() as waiting:
        layers.root.get_by_role("button", name="CSV of what is shown").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text("utf-8"))))
    assert [row["layer"] for row in rows] == LAYERS["layer"].tolist()
    assert [int(row["cycles"]) for row in rows] == LAYERS["cycles"].tolist()


def test_a_point_shows_its_layers(opened) -> None:
    seen = opened("sweep")
    seen.explorer("points").root.get_by_role("button", name="p05").click()
    layers = seen.explorer("layers")
    assert set(layers.column("point")) == {"p05"}
    back = layers.root.get_by_role("button", name="only point p05")
    assert back.evaluate("element => element === document.activeElement")
    back.click()
    assert layers.count == f"{len(LAYERS)} rows"


def test_everything_can_be_done_with_the_keyboard(opened) -> None:
    seen = opened("sweep", viewport={"width": 1200, "height": 500})
    layers = seen.explorer("layers")
    layers.root.get_by_placeholder("search").focus()
    for _ in range(40):
        seen.page.keyboard.press("Tab")
        if seen.page.evaluate("document.activeElement.dataset.part") == "rows":
            break
    rows = layers.root.locator(".rows")
    assert rows.evaluate("element => element === document.activeElement")
    assert rows.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    seen.page.keyboard.press("End")
    layers.root.locator(f'tr[aria-rowindex="{len(LAYERS) + 1}"]').wait_for()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Enter")
    assert layers.root.locator("thead th").first.get_attribute("aria-sort") == "ascending"
    layers.menu("network").locator("input").first.focus()
    seen.page.keyboard.press("Space")
    assert layers.menu("network").locator(".told").inner_text() == "1 of 2"


def test_arrow_keys_go_from_point_to_point(opened) -> None:
    seen = opened("sweep", viewport={"width": 1200, "height": 400})
    points = seen.explorer("points")
    points.root.locator("thead button").last.focus()
    seen.page.keyboard.press("Tab")
    focused = "document.activeElement.textContent"
    assert seen.page.evaluate(focused) == "p00"
    for _ in range(25):
        seen.page.keyboard.press("ArrowDown")
    assert seen.page.evaluate(focused) == "p25"
    box = points.root.locator(".rows").bounding_box()
    place = points.root.get_by_role("button", name="p25").bounding_box()
    assert box["y"] < place["y"] < box["y"] + box["height"]
    seen.page.keyboard.press("ArrowUp")
    assert seen.page.evaluate(focused) == "p24"
    seen.page.keyboard.press("Tab")  # leaves the table at once
    assert seen.page.evaluate("document.activeElement.closest('.rows')") is None
    seen.page.keyboard.press("Shift+Tab")
    seen.page.keyboard.press("Enter")
    assert set(seen.explorer("layers").column("point")) == {"p24"}


def test_a_click_in_the_figure_shows_the_layers_of_the_point(opened) -> None:
    seen = opened("sweep")
    seen.explorer("points").root.get_by_placeholder("search").fill("p07")
    mark = seen.page.locator(".scatter .scatterlayer .points path")
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.locator(".scatter .hoverlayer .hovertext").wait_for()
    seen.page.mouse.down()
    seen.page.mouse.up()
    seen.page.locator("button.limit:visible").wait_for()
    assert set(seen.explorer("layers").column("point")) == {"p07"}


def test_axes_and_colours_of_the_figure_can_be_chosen(opened) -> None:
    seen = opened("sweep")
    scatter = seen.page.locator(".scatter")
    scatter.locator("[data-part=x]").select_option("cycles")
    scatter.locator("[data-part=colour]").select_option("axis_packing")
    assert "cycles" in scatter.locator(".xtitle").text_content()
    legend = scatter.locator(".legendtext").all_text_contents()
    assert HOSTILE in legend
    scatter.locator("[data-part=colour]").select_option("latency_s")
    assert scatter.locator(".colorbar").count() == 1
    assert "latency" in scatter.locator("[data-part=plot]").get_attribute("aria-label")
    mark = scatter.locator(".scatterlayer .points path").first
    mark.hover(force=True)
    tip = scatter.locator(".hoverlayer .hovertext").text_content()
    assert "point: p" in tip
    assert "PE blocks" in tip or "machine: b" in tip


def test_light_and_dark(opened) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened("sweep").page, opened("sweep", color_scheme="dark").page
    assert light.evaluate(ground) == "rgb(251, 250, 248)"
    assert dark.evaluate(ground) == "rgb(19, 21, 24)"
    label = "document.querySelector('.scatter .xtick text').style.fill"
    assert light.evaluate(label) != dark.evaluate(label)
    before = light.evaluate(label)
    light.get_by_role("button", name="Switch between light and dark").click()
    assert light.evaluate(ground) == dark.evaluate(ground)
    assert light.evaluate(label) == dark.evaluate(label) != before


@pytest.mark.parametrize("name", ["compare", "sweep", "front"])
def test_nothing_is_wider_than_a_phone(opened, name: str) -> None:
    seen = opened(name, viewport={"width": 400, "height": 800})
    assert seen.overflow() == 0
    for menu in seen.page.locator("details.menu").all():
        menu.locator("summary").click()
        assert seen.overflow() == 0
        box = menu.locator("> div").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
        seen.page.keyboard.press("Escape")


def test_printing_shows_rows_that_are_not_in_sight(opened) -> None:
    seen = opened("sweep", viewport={"width": 1200, "height": 300})
    rows = seen.explorer("layers").root.locator("tbody tr:not(.gap)")
    before = rows.count()
    assert before < len(LAYERS)
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == len(LAYERS)
    seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows.count() < len(LAYERS)


NAMES = (
    "cycles", "macs", "latency_s", "dram_bytes", "peak_bandwidth_bytes_per_s", "area_mm2",
    "speedup", "latency_ratio", "multiplier_utilization", "effective_tops_per_w", "sqnr_db",
    "macs_per_cycle", "axis_density", "axis_coefficients", "axis_pe_blocks",
)  # fmt: skip


def test_numbers_are_written_as_python_writes_them(opened) -> None:
    random = np.random.default_rng(0)
    floats = 10.0 ** random.uniform(-21, 16, 300) * random.choice([-1, 1], 300)
    ties = [0.5, 1.5, 2.5, 12.25, 12.35, 0.125, 1234.5, 999.5, 99.95, 9.995, 0.0625, 1e-3, 1e6]
    values = [0.0, math.nan, *ties, *(float(f"{value:.7g}") for value in floats)]
    integers = [0, 7, 999, 1000, 9999, 10_000, 12_345_678, -4096, 999_500, 2**52]
    cases = [(name, value, False) for name in NAMES for value in values]
    cases += [(name, value, True) for name in NAMES for value in integers]
    asked = [
        [form(name).kind, form(name).unit, None if value != value else value, whole]
        for name, value, whole in cases
    ]
    found = opened("sweep").page.evaluate(
        """cases => cases.map(([kind, unit, value, whole]) =>
            written({ kind, unit }, value === null ? NaN : value, whole))""",
        asked,
    )
    wanted = [quantity(name, value).text for name, value, _ in cases]
    wrong = [(c, f, w) for c, f, w in zip(cases, found, wanted, strict=True) if f != w]
    assert wrong == []


def test_typed_numbers_are_understood(opened) -> None:
    typed = opened("sweep").page.evaluate(
        """[["1.5 ms", "s"], ["20k", ""], ["5 mm²", "mm²"], ["12.5 %", ""], ["3×", ""],
            ["2us", "s"], ["1e-3", "J"], ["-4", ""], ["fast", ""], ["1.2.3", ""]
           ].map(([t, u]) => typed(t, u))"""
    )
    assert typed[:8] == pytest.approx([1.5e-3, 2e4, 5, 0.125, 3, 2e-6, 1e-3, -4])
    assert all(math.isnan(value) for value in typed[8:])


def test_fifty_thousand_rows(opened, files) -> None:
    many = pd.concat([LAYERS] * -(-ROWS // len(LAYERS)), ignore_index=True).iloc[:ROWS]
    many["cycles"] = np.random.default_rng(0).permutation(ROWS) + 1
    write_whole(files / "many.html", sweep_page(many, POINTS, axes=AXES, title="many"))
    layers = opened("many").explorer("layers")
    assert layers.count == f"{ROWS} rows"
    assert layers.root.locator("tbody tr").count() < 120
    layers.sort("cycles")
    assert layers.column("cycles")[0] == "50\u202f000"
    layers.root.locator(".rows").press("End")
    layers.root.locator(f'tr[aria-rowindex="{ROWS + 1}"]').wait_for()
    assert layers.column("cycles")[-1] == "1"
    layers.root.get_by_placeholder("search").fill("conv1 large b")
    found = (many["layer"] == "conv1") & (many["network"] == "large") & (many["machine"] == "b")
    assert layers.count == f"{found.sum()} of {ROWS} rows"
