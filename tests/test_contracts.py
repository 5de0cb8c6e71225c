"""The import contracts of setup.cfg hold, and importing a package stays cheap."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("arch", "workloads", "escalate", "reports", "benchmarks")
MOST_LINES = 60  # of a function
MOST_KERNEL_LINES = 80  # of one that is compiled, which names every array
MOST_FILE_LINES = 400
HEAVY = ("torch", "pandas", "matplotlib", "numba", "sklearn", "pyarrow", "jinja2")


def contracts() -> dict[str, configparser.SectionProxy]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    prefix = "importlinter:contract:"
    return {name.removeprefix(prefix): parser[name] for name in parser if name.startswith(prefix)}


def test_all_contracts_stand_in_setup_cfg() -> None:
    found = contracts()
    rooms = found.pop("rooms")
    assert (rooms["type"], rooms["exhaustive"]) == ("layers", "True")
    assert sorted(found) == ["arch", "escalate", "reports", "workloads"]
    for package, section in found.items():
        assert section["source_modules"].split() == [package]
    assert "torch" in found["arch"]["forbidden_modules"].split()
    assert "workloads.operators" in found["arch"]["forbidden_modules"].split()
    assert "torch" in found["reports"]["forbidden_modules"].split()


def test_the_contracts_hold() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kept, 0 broken" in done.stdout


@pytest.mark.parametrize("package", ["escalate", "arch", "workloads", "reports"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # whoever imports it gets an ImportError
from importlib import import_module
from pkgutil import walk_packages
for package in ("arch", "workloads", "reports", "escalate.store"):
    for each in walk_packages(import_module(package).__path__, package + "."):
        import_module(each.name)
import escalate.app.simulate, escalate.app.compare
print("escalate" in sys.modules)
"""


def test_nothing_that_simulates_needs_torch() -> None:
    """Machines, operators, networks, reports and model files, each of their modules."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_escalate_has_few_rooms() -> None:
    """Files at its top count as rooms; every room says what belongs in it."""
    found = [path for path in (ROOT / "escalate").iterdir() if not path.name.startswith("__")]
    assert len(found) + 1 <= 13
    for room in found:
        if room.is_dir():
            text = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8")))
            assert len((text or "").split()) > 10, room


def too_long(source: str) -> list[str]:
    """The functions of a file that have more lines than they may, from ``def`` to their end."""
    found = []
    for each in ast.walk(ast.parse(source)):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = {ast.unparse(mark).partition("(")[0] for mark in each.decorator_list}
            most = (
                MOST_KERNEL_LINES if marks & {"kernel", "parallel_kernel", "helper"} else MOST_LINES
            )
            lines = (each.end_lineno or 0) - each.lineno + 1
            if lines > most:
                found.append(f"{each.name} has {lines} lines, wanted at most {most}")
    return found


def test_functions_and_files_fit_on_a_screen() -> None:
    """Split where a noun of the field appears, not where the line happens to be."""
    found = []
    for path in sorted(each for package in PACKAGES for each in (ROOT / package).rglob("*.py")):
        source, name = path.read_text("utf-8"), path.relative_to(ROOT)
        found += [f"{name}: {line}" for line in too_long(source)]
        if source.count("\n") > MOST_FILE_LINES:
            found.append(f"{name}: has {source.count(chr(10))} lines")
    assert found == []


@pytest.mark.parametrize(("mark", "most"), [("", 60), ("@helper\n", 80)])
def test_a_function_of_one_line_too_many_is_found(mark: str, most: int) -> None:
    lines = "    a = 1\n" * (most - 1)
    assert too_long(f"{mark}def long():\n{lines}") == []
    assert too_long(f"{mark}def long():\n    a = 1\n{lines}") == [
        f"long has {most + 1} lines, wanted at most {most}"
    ]
