"""Does every rule of the specification have a test, and every reference to a rule a rule?

The pages are those of docs/specification.  A rule is a heading such as ``### BF-22 Window``; below
its text stand a line ``Origin: ...`` and the tests that guard it, ``Tests: `path::name`, ...``.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from arch.machine import MACHINES
from tests.reference.basis_first_golden import GOLDEN, LAYERS, NARROW, WINDOWS

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "specification"
SOURCES = ("arch", "tests", "escalate", "reports", "workloads", "docs", "benchmarks")
ORIGINS = ("published", "derived", "followed", "assumption")
HEADING = re.compile(r"^### ([A-Z][A-Z0-9]+)-\d+ ", flags=re.MULTILINE)
PREFIXES = {
    each for page in PAGES.glob("*.md") for each in HEADING.findall(page.read_text("utf-8"))
}
RULE = re.compile(rf"\b(?:{'|'.join(sorted(PREFIXES))})-\d+\b")
PAGE = re.compile(r"specification/(\w+\.(?:md|svg))")
SECTION = re.compile(r"\b(?:sections?|readings?) \d", flags=re.IGNORECASE)
PAPER = re.compile(r"et al\.|Stillmaker and Baas")


@dataclass(frozen=True)
class Rule:
    """One rule of a page; ``tests`` are (file, name)."""

    page: str
    name: str
    title: str
    origin: str
    tests: tuple[tuple[str, str], ...]


def parsed(page: str, text: str) -> list[Rule]:
    """The rules of a page."""
    found = []
    for part in re.split(r"^(?=##)", text, flags=re.MULTILINE):
        heading = re.match(rf"### ({RULE.pattern}) (.+)", part)
        if heading is None:
            continue
        origin = re.search(r"^Origin: (\w+)", part, flags=re.MULTILINE)
        named = re.search(r"^Tests:\s(.+?)(?=\n\n|\Z)", part, flags=re.MULTILINE | re.DOTALL)
        tests = re.findall(r"`([\w/]+\.py)::(\w+)`", named[1] if named else "")
        found.append(Rule(page, *heading.groups(), origin[1] if origin else "", tuple(tests)))
    return found


RULES = [
    rule for page in sorted(PAGES.glob("*.md")) for rule in parsed(page.name, page.read_text())
]
NAMES = {rule.name: rule for rule in RULES}


@cache
def functions(file: str) -> frozenset[str]:
    """Names of the functions at the top of a file; none where there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    body = ast.parse(path.read_text("utf-8")).body
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef))


def test_rules_are_found() -> None:
    pages = {rule.page for rule in RULES}
    assert pages == {page.name for page in PAGES.glob("*.md")} - {"index.md"}
    assert len(RULES) == sum(len(HEADING.findall((PAGES / page).read_text())) for page in pages)


def test_every_machine_has_a_page_that_the_first_one_names() -> None:
    index = (PAGES / "index.md").read_text("utf-8")
    for page in PAGES.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index
    assert {f"{name}.md" for name in MACHINES} <= {rule.page for rule in RULES}


def test_no_two_rules_have_one_name() -> None:
    assert len(NAMES) == len(RULES)


def test_rules_stand_in_the_order_of_their_numbers() -> None:
    for page in {rule.page for rule in RULES}:
        numbers = [int(rule.name.split("-")[1]) for rule in RULES if rule.page == page]
        assert numbers == sorted(numbers), page
        assert len({rule.name.split("-")[0] for rule in RULES if rule.page == page}) == 1, page


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_an_origin_and_tests_that_exist(rule: Rule) -> None:
    assert rule.origin in ORIGINS
    assert rule.tests
    for file, name in rule.tests:
        assert name.startswith("test_")
        assert name in functions(file), f"{file} has no {name}"


def lines(folder: str) -> list[tuple[str, list[str]]]:
    """Python files and pages of a folder, or of the root, line by line."""
    files = sorted(path for kind in ("py", "md") for path in (ROOT / folder).rglob(f"*.{kind}"))
    return [(str(path.relative_to(ROOT)), path.read_text("utf-8").splitlines()) for path in files]


def wrong(file: str, text: list[str]) -> list[str]:
    """References of a file that lead nowhere."""
    found = []
    for number, line in enumerate(text):
        around = " ".join(text[max(number - 1, 0) : number + 2])
        pages, names = PAGE.findall(line), RULE.findall(line)
        found += [f"{file}: {page}" for page in pages if not (PAGES / page).is_file()]
        found += [f"{file}: {name}" for name in names if name not in NAMES]
        if len(pages) == 1:
            away = [name for name in names if name in NAMES and NAMES[name].page != pages[0]]
            found += [f"{file}: {name} is not in {pages[0]}" for name in away]
        if SECTION.search(line) and not PAPER.search(around):
            found.append(f"{file}: {line.strip()} (of which paper?)")
    return found


@pytest.mark.parametrize("folder", SOURCES)
def test_references_lead_to_a_rule(folder: str) -> None:
    mine = Path(__file__).relative_to(ROOT)
    files = [(file, text) for file, text in lines(folder) if file != str(mine)]
    assert files
    assert [one for file, text in files for one in wrong(file, text)] == []


def test_a_wrong_reference_would_be_found() -> None:
    for line in (
        "See specification/basis_first.md, BF-999.",
        "See specification/nothing.md.",
        "See specification/memory.md, BF-1.",
        "C_t of section 2.",
        "The tallest tile (reading 8).",
    ):
        assert len(wrong("arch/some.py", [line])) == 1, line
    for line in ("See specification/basis_first.md, BF-1.", "Jouppi et al., section 2"):
        assert wrong("arch/some.py", [line]) == [], line


def test_a_rule_without_a_test_would_be_found() -> None:
    page = "### BF-1 One\n\nText.\n\nOrigin: derived.\nTests: `a.py::test_b`,\n`c.py::test_d`\n"
    one, two = parsed("x.md", page + "\n### BF-2 Two\n\nText `a.py::test_b`.\n")
    assert one.tests == (("a.py", "test_b"), ("c.py", "test_d"))
    assert (two.origin, two.tests) == ("", ())
    assert functions("a.py") == frozenset()


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(heads: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([row(*heads), "|" + "---|" * len(heads), *rows])


def changed(fields: dict) -> str:
    """Fields that are no defaults, in words."""
    if fields == NARROW:
        return "narrow"
    return ", ".join(f"`{name}` {value}" for name, value in fields.items())


def layers_table() -> str:
    """BF-81."""
    heads = ("C, K, H, M, U", "density X, T", "fields", "compute cycles", "pairs")
    rows = [
        row(", ".join(map(str, shape)), f"{x}, {t}", changed(fields), *golden)
        for shape, x, t, _, fields, golden in LAYERS
    ]
    return table((*heads, "sum of t_CA", "sum of psums"), rows)


def windows_table() -> str:
    """BF-82."""
    rows = [row(" ".join(f"{r:#x}" for r in words), *cycles) for words, cycles in WINDOWS]
    return table(("validity rows", "(4, 1)", "(1, 0)", "(2, 2)"), rows)


def golden_table() -> str:
    """BF-83."""
    heads = ("layer", "fields", "plan", "cycles", "DRAM bytes", "pairs, t_CA, psums", "causes")
    rows = []
    for one in GOLDEN:
        (height, width), *counts = one.shape
        plan = f"{one.order}, {height}x{width}, " + ", ".join(map(str, counts))
        numbers = (
            ", ".join(map(str, each)) for each in (one.cycles, one.dram, one.sums, one.causes)
        )
        rows.append(row(one.name, changed(one.fields), plan, *numbers))
    return table(heads, rows)


@pytest.mark.parametrize("made", [layers_table, windows_table, golden_table])
def test_golden_tables_are_those_of_the_tests(made) -> None:
    assert made() in (PAGES / "basis_first_counts.md").read_text("utf-8"), "\n" + made()
