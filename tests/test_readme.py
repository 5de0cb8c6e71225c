"""README.md and docs/ say what the code does: fields, defaults, targets, links, commands."""

import configparser
import re
from pathlib import Path

import pytest

from arch.machine import MACHINES, machine
from escalate.version import VERSION
from reports.assumptions import END, FILES, MARK, fields, renewed

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TABLES = "".join((ROOT / file).read_text("utf-8") for file in FILES)


@pytest.mark.parametrize("name", list(MACHINES))
def test_every_field_of_every_machine_is_listed_with_its_default(name: str) -> None:
    table = TABLES.partition(MARK.format(name=name))[2].partition(END)[0].strip()
    assert table == fields(machine(name).spec_type)
    for field, info in machine(name).spec_type.model_fields.items():
        assert f"| `{field}` | {info.default} |" in table


def test_the_tables_are_fresh() -> None:
    for file in FILES:
        text = (ROOT / file).read_text("utf-8")
        assert renewed(text) == text


def test_every_make_target_named_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"make (demo|test|check|docs|wheel|bench|clean)\b", README))
    assert {"demo", "test", "check", "docs", "wheel", "bench"} <= named <= targets


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_command_named_exists() -> None:
    from escalate.cli.main import app

    known = {command.name for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    named = set(re.findall(r"\bescalate ([a-z]+)\b(?= [A-Z|-]|`| \| | show)", README))
    assert {"compress", "simulate", "compare", "report"} <= named
    assert named <= known


def test_the_changelog_has_this_version_and_the_agreed_groups() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {VERSION}\n" in changelog
    groups = ["Machine models", "Method", "Workloads", "Reports", "Engineering"]
    assert re.findall(r"^### (.+)$", changelog, flags=re.MULTILINE)[:5] == groups


def test_constraints_pin_what_is_required() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    wanted = parser["options"]["install_requires"] + parser["options.extras_require"]["dev"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines}
    for requirement in wanted.split():
        assert re.split(r"[<>=]", requirement)[0].lower() in pinned, requirement
    assert "torch==2.13.0" in lines


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
