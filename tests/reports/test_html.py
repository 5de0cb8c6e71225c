import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from arch.machine import Resources
from reports.errors import ReportError
from reports.html import page, svgs
from reports.pages import script, write_whole
from tests.reports.runs import run

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects the tags, their attributes and the text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def compared() -> str:
    slow = run(machine="slow")
    fast = run((("conv1", 50, 0), (EVIL, 45, 0)), machine="fast")
    return page(
        [slow, fast],
        title=f"Report {EVIL}",
        baseline="slow",
        summary=[{"model": "dense"}, {"model": EVIL, "top1_accuracy": 0.91}],
        facts={"network": EVIL, EVIL: "0"},
    )


@pytest.fixture(scope="module")
def alone() -> str:
    return page([run()], title="one")


def test_the_page_is_well_formed_and_has_every_layer(compared: str) -> None:
    text = " ".join(read(compared).text)
    for expected in ("conv1", "conv2", EVIL, "slow", "fast", "91.0\xa0%", "no requantizer"):
        assert expected in text


def test_what_users_supply_is_escaped(compared: str) -> None:
    assert EVIL not in compared
    scripts = [attributes for tag, attributes in read(compared).tags if tag == "script"]
    assert [each.get("type") for each in scripts] == ["application/json", None, None]


def test_the_page_runs_its_own_scripts_and_nothing_else(compared: str) -> None:
    policy = next(a for t, a in read(compared).tags if t == "meta" and "http-equiv" in a)["content"]
    allowed = re.findall(r"'(sha256-[^']+)'", policy or "")
    texts = re.findall(r"<script>(.*?)</script>", compared, re.DOTALL)
    assert [script(text).digest for text in texts] == allowed
    assert "default-src 'none'" in str(policy)
    assert "unsafe" not in str(policy).replace("style-src 'unsafe-inline'", "")


def test_the_page_needs_no_network(compared: str) -> None:
    for tag, attributes in read(compared).tags:
        assert tag not in ("link", "img", "iframe")
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith("#"), (tag, name, value)
    assert "@import" not in compared
    assert not re.search(r"url\((?!#)", compared)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", compared))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_ids_are_unique_and_labels_point_to_them(compared: str) -> None:
    tags = read(compared).tags
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_every_layer_is_embedded(compared: str) -> None:
    data = json.loads(compared.split('id="layers-data">')[1].split("</script>")[0])
    named = {column["name"]: column for column in data["columns"]}
    assert data["rows"] == 4
    assert named["cycles"]["values"] == [125, 309, 55, 50]
    assert EVIL in named["layer"]["words"]
    assert data["picks"] == ["run", "machine", "layer"]


def test_ratios_stand_in_the_summary(compared: str, alone: str) -> None:
    assert "1.00×" in compared
    assert "energy efficiency" in compared
    assert "speedup" not in alone


def test_synthetic_tensors_are_announced(alone: str) -> None:
    tiny = run()
    assert "Synthetic tensors" not in alone
    made = tuple(replace(r, provenance={"origin": "synthetic"}) for r in tiny.results)
    assert "Synthetic tensors" in page([replace(tiny, results=made)], title="made")


def test_changed_fields_are_marked_with_their_default(alone: str) -> None:
    tiny = run()
    changed = replace(tiny, spec=tiny.spec.model_copy(update={"pe_blocks": 8}))
    html = page([changed], title="one")
    assert '<mark>8</mark> <span class="dim">default 4</span>' in html
    assert "<mark>" not in alone
    assert "a made-up DRAM" in html


def test_the_same_runs_give_the_same_page(alone: str) -> None:
    assert page([run()], title="one") == alone


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ReportError, match="at least one run"):
        page([], title="none")
    with pytest.raises(ReportError, match=r"summary holds 2 rows, wanted one per run \(1\)"):
        page([run()], title="one", summary=[{}, {}])


def test_figures_stand_alone() -> None:
    figures = svgs([run(machine="a"), run(machine="b")])
    whole = ["cycles", "energy", "traffic", "area", "roofline"]
    assert list(figures) == [*whole, "layers0", "layers1"]
    assert all(svg.startswith("<svg") for svg in figures.values())


def test_machines_without_an_area_have_no_figure_of_it() -> None:
    assert "area" not in svgs([run(resources=Resources(1, 1, 64))])


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.html"
    write_whole(target, "first")
    write_whole(target, "sécond")
    assert target.read_text("utf-8") == "sécond"
    assert os.listdir(target.parent) == ["report.html"]
