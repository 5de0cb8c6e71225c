"""The import contracts of setup.cfg hold, and importing a package stays cheap."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
