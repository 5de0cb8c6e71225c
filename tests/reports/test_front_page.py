"""Does the page of methods hold every row, say how it is counted, and fetch nothing?"""

import re

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.front_page import BEST, MODELS, TABLE, front_page, problems, readable
from reports.pages import script
from reports.tables import latex, markdown
from tests.reports.fronts import page, row, rows
from tests.reports.test_html import EVIL, read


@pytest.fixture(scope="module")
def whole():
    return page(rows(EVIL), title=f"net {EVIL}", notes=["trained on few images"])


def test_every_row_stands_in_the_table(whole):
    table = whole.partition('<table class="sortable">')[2].partition("</table>")[0]
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    assert len(lines) == len(rows())
    assert "93.0\xa0%" in lines[1]
    assert "92.0 to 94.0" in lines[1]
    assert "–" in lines[6]
    assert "rate_distortion 40×: budget: rate_distortion makes too much" in whole
    assert BEST in whole


def test_columns_are_explained_and_nothing_is_left_unsaid(whole):
    text = " ".join(read(whole).text)
    assert "what it reads twice counts twice" in text
    assert "the entropy of the coefficients and weights times their number" in text
    assert "trained on few images" in text
    assert "no requantizer" in text
    assert "output channels in flight" in text  # a field of the machine
    assert "a made-up DRAM" in text
    assert "not a bound" in text
    assert "epochs = 3" in text


def test_what_users_supply_is_escaped(whole):
    assert EVIL not in whole


def test_the_page_runs_its_own_scripts_and_fetches_nothing(whole):
    reader = read(whole)
    policy = next(a for t, a in reader.tags if t == "meta" and "http-equiv" in a)["content"]
    allowed = re.findall(r"'(sha256-[^']+)'", policy)
    assert [script(t).digest for t in re.findall(r"<script>(.*?)</script>", whole, re.S)] == allowed
    assert "default-src 'none'" in policy
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", whole))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_ids_are_unique_and_labels_point_to_them(whole):
    tags = read(whole).tags
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_sizes_that_nothing_came_to_make_a_page_too():
    alone = page([row("prune", 900.0, None, None)])
    assert "prune 900×: budget: prune makes too much" in alone
    assert "<svg" not in alone
    assert 'id="machines"' not in alone
    with pytest.raises(ReportError, match="at least one row"):
        front_page([], pd.DataFrame(), title="", facts={}, panels=[], models=[], runs=[], notes=[])


def test_tables_for_papers_have_units_and_reasons():
    shown = pd.DataFrame(readable(rows()))
    text = markdown(shown, TABLE)
    assert "stored [kB]" in text
    assert "| 92.0 to 94.0" in text
    assert "budget: rate_distortion makes too much" in text
    assert r"rate\_distortion" in latex(shown, TABLE)
    assert set(MODELS) >= {"model", "options"}
    assert problems(readable(rows())[:-1]) == []
