"""Does a notebook show what an object of the Python API is, and nothing that runs?"""

from html.parser import HTMLParser

from arch.machine import MACHINES, machine
from escalate.app.display import html_table
from escalate.app.pareto import Pareto
from escalate.app.sensitivity import Sensitivity


class Tables(HTMLParser):
    """The cells of all tables, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags = [], set()
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._inside = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        elif self._inside:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self._inside:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        self._inside = self._inside and tag not in ("td", "th")


def test_what_is_not_ours_is_escaped():
    evil = "<script>alert(1)</script>"
    page = Tables(html_table(evil, [{"layer": evil}], ["layer"], [evil]))
    assert page.tags == {"p", "b", "table", "tr", "th", "td"}
    assert page.rows[1] == [evil]


def test_a_compressed_model(compressed):
    page = Tables(compressed._repr_html_())
    assert [row[0] for row in page.rows] == ["form", "original, FP32", "8 bit", "compressed"]
    assert len({len(row) for row in page.rows}) == 1


def test_a_machines_specification():
    for name in MACHINES:
        spec = next(iter(machine(name).presets.values()))
        page = Tables(spec._repr_html_())
        assert [row[0] for row in page.rows[1:]] == list(type(spec).model_fields)
        assert [row[1] for row in page.rows[1:]] == [str(v) for v in spec.model_dump().values()]


def test_curves_and_fronts():
    rows = ({"layer": "a", "stored_bytes": 3, "on_hull": True}, {"layer": "b", "on_hull": False})
    page = Tables(Sensitivity("net", 4, rows, ("told",))._repr_html_())
    assert [row[0] for row in page.rows] == ["layer", "a"]
    assert Tables(Sensitivity("net", 4, (), ())._repr_html_()).rows == [[]]
    page = Tables(Pareto("net", 1, ({"cycles": 3, "on_front": True},))._repr_html_())
    assert len(page.rows) == 2
