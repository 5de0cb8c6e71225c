"""Is what the pages and the README say to type right, and do the pages make a site?

Fenced blocks of shell and Python run, page by page, in a folder with a compressed network in
demo/model and the page's own TOML files.  Lines of indented blocks that call escalate must be
understood by its parser.
"""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from escalate.app.validate import validate
from escalate.cli.main import app
from tests.escalate.app.tiny import tiny_folder
from workloads.network import network
from workloads.operators import NAMES
from workloads.topology import overhang

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# Their Python is an example of its own, which test_own_machine.py and test_own_compressor.py run.
LEFT_OUT = {"own_machine.md", "own_compressor.md"}
OWN_FLAGS = "own_compressor.md"  # its calls are understood where its example is installed
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A compressed model folder."""
    return tiny_folder(tmp_path_factory.mktemp("pages") / "tiny").folder


def fenced(page, *languages):
    return [(kind, text) for kind, text in FENCE.findall(page.read_text()) if kind in languages]


RUN = [page for page in PAGES if page.name not in LEFT_OUT and fenced(page, "shell", "python")]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_fenced_blocks_run(page, model, escalate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, tmp_path / "demo" / "model")
    names = {}
    for kind, text in fenced(page, "shell", "python", "toml"):
        if kind == "toml":  # its first line names the file
            Path(text.partition("\n")[0].removeprefix("# ")).write_text(text, "utf-8")
            continue
        if kind == "python":
            exec(compile(text, page.name, "exec"), names)
            continue
        for line in text.splitlines():
            command, _, file = line.partition(" > ")
            program, *arguments = shlex.split(command)
            assert program == "escalate", line
            code, out, err = escalate(*arguments)
            assert code == 0, f"{line}: {err}"
            assert out
            if file:
                Path(file).write_text(out, "utf-8")


def called(text):
    """Calls of escalate in indented lines; what stands two blanks behind them is a remark."""
    whole = re.sub(r"\\\n\s*", " ", FENCE.sub("", text))
    for line in re.findall(r"^ {4}(escalate .*)$", whole, flags=re.MULTILINE):
        for call in re.split(r"\s+(?:&&|\||>)\s+", re.split(r" {2,}", line)[0]):
            if call.startswith("escalate "):
                yield call


def understand(call):
    """Parse a call without running it; usage errors are raised."""
    command, words = typer.main.get_command(app), shlex.split(call)[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if "--install-completion" not in words:
        command.make_context(call, words)


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != OWN_FLAGS], ids=lambda p: p.name)
def test_indented_calls_are_understood(page):
    for call in called(page.read_text("utf-8")):
        understand(call)


def test_examples_of_every_command_are_understood():
    root = typer.main.get_command(app)
    leaves = [*root.commands.values()]
    leaves += [c for group in leaves for c in getattr(group, "commands", {}).values()]
    for command in leaves:
        calls = re.findall(r"^\s+(escalate .*)$", command.help, flags=re.MULTILINE)
        assert calls, command.name
        for line in calls:
            for call in re.split(r"\s+(?:&&|>)\s+", line):
                if call.startswith("escalate "):
                    understand(call)


def test_a_call_that_is_wrong_would_be_found():
    with pytest.raises(typer.TyperException, match="No such option"):
        understand("escalate simulate x --colour red")


def test_the_multiply_accumulates_of_the_page_are_ours():
    text = (DOCS / "faq.md").read_text("utf-8")
    layers = network("resnet18").shapes
    bare = [replace(layer, padding=(0, 0, 0, 0)) for layer in layers]
    bare = [replace(layer, padding=overhang(layer)) for layer in bare]
    for some in (layers, bare):
        total = sum(layer.macs for layer in some)
        sizes = " | ".join(f"{layer.P} x {layer.Q}" for layer in some[:2])
        assert f"| {total:,} | {sizes} |" in text
    share = sum(layer.macs for layer in bare) / sum(layer.macs for layer in layers)
    assert f"{share:.0%}".replace("%", " %") + " of the work" in text


@pytest.fixture(scope="module")
def made():
    """The module that makes pages."""
    spec = importlib.util.spec_from_file_location("made_pages", DOCS / "made_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_has_words(made):
    text = made.commands()
    for command in app.registered_commands:
        assert f"\n## escalate {command.name}\n" in text
    assert "\n## escalate networks show\n" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows
    assert [line for line in rows if line.split("|")[3].strip() == ""] == []


def test_every_operator_has_words(made):
    text = made.operators()
    listed = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert [line[0] for line in listed] == [f"| `{name}`" for name in NAMES]
    assert all(len(line[1]) > 20 for line in listed)
    assert "`kernel` (2), `stride` (2), `padding` (4), `dilation` (2), `rows` (any)" in text
    assert "`lefts` (any) | `rescales`, `bounds` | `avg_pool2d`" in text
    assert "| `formula` | `arrays`, `bounds` |" in text


def test_limits_come_from_the_readme(made):
    text = made.limits()
    assert "ESCALATE's own sizes are not public" in text
    assert "| `pe_blocks`" not in text


def test_cells_break_no_table(made):
    assert made.cell("a|b\n<c>") == "a\\|b &lt;c>"
    assert [made.cell(value) for value in (None, 12345, 1234.5, 0.123456)] == [
        "",
        "12,345",
        "1,234",
        "0.1235",
    ]


@pytest.fixture
def configuration(tmp_path):
    """The site's configuration with few numbers, all that a machine may have."""
    rows = validate(["systolic"]).to_dict("records")
    rows.append({**rows[0], "verdict": "outside", "reason": "a test", "ours": 1.5, "ratio": 0.5})
    (tmp_path / "few.json").write_text(json.dumps({"numbers": rows}), "utf-8")
    text = (
        f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: {DOCS}\nsite_dir: {tmp_path / 'site'}\n"
        f"hooks: ['{DOCS / 'made_pages.py'}']\nextra: {{validation: few.json}}\n"
    )
    (tmp_path / "mkdocs.yml").write_text(text, "utf-8")
    return tmp_path / "mkdocs.yml"


def build(configuration):
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", configuration],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


def test_the_site_is_made_and_fetches_nothing(configuration, tmp_path):
    done = build(configuration)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    pages = {str(page.relative_to(site)): page.read_text("utf-8") for page in site.rglob("*.html")}
    written = [*DOCS.glob("*.md"), *DOCS.glob("specification/*.md")]
    assert {str(page.relative_to(DOCS).with_suffix(".html")) for page in written} <= set(pages)
    assert {"commands.html", "limits.html", "operators.html", "validation.html"} <= set(pages)
    for name, text in pages.items():
        assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?https?:", text), (
            name
        )
    assert not list(site.rglob("*.py"))
    assert "pe_blocks" in pages["machines.html"]
    assert "--level-bits" in pages["commands.html"]
    assert "a test" in pages["validation.html"]


def test_numbers_that_were_not_computed_are_named(configuration, tmp_path):
    (tmp_path / "few.json").unlink()
    done = build(configuration)
    assert done.returncode != 0
    assert "few.json" in done.stderr
    assert "`make docs` writes it" in done.stderr
