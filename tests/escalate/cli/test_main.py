"""Does the command start fast, find its own packages, and tell bad input from defects?"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import escalate as package
from arch.errors import InvariantError
from escalate.version import VERSION

HEAVY = ("numba", "numpy", "pandas", "pydantic", "sklearn", "torch", "matplotlib", "arch")
COMMANDS = (
    ("demo",),
    ("compress",),
    ("simulate",),
    ("compare",),
    ("report",),
    ("machines",),
    ("machines", "show"),
    ("networks",),
    ("networks", "show"),
)


def python(code, *, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        cwd=cwd,
        check=False,
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys, json, escalate.cli.main as m\n"
        "sys.argv = ['escalate', '--help']\n"
        "try:\n    m.main()\n"
        "finally:\n    print('MODULES', json.dumps(sorted(sys.modules)))"
    )
    done = python(code)
    text, _, modules = done.stdout.partition("MODULES ")
    assert done.returncode == 0, done.stderr
    assert "simulate" in text
    assert not set(json.loads(modules)) & set(HEAVY)


def test_importing_the_package_is_cheap():
    done = python("import sys, escalate; print(sorted(m for m in sys.modules))")
    assert not [name for name in HEAVY if f"'{name}'" in done.stdout]
    assert "'escalate.app'" not in done.stdout


def test_the_python_interface_is_found_by_name():
    assert {"compress", "simulate", "compare"} <= set(dir(package))
    assert package.__version__ == VERSION
    with pytest.raises(AttributeError, match="no attribute 'teleport'"):
        _ = package.teleport


def test_version(escalate):
    assert escalate("--version") == (0, f"escalate {VERSION}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_with_examples(escalate, command):
    code, out, err = escalate(*command, "--help")
    assert (code, err) == (0, "")
    assert "Examples:" in out
    assert f"escalate {' '.join(command)}" in out


def test_no_arguments_print_the_help(escalate):
    code, out, err = escalate()
    assert (code, err) == (2, "")
    assert "Commands" in out


USAGE = [
    (("teleport",), "error: No such command 'teleport'."),
    (("simulate",), "error: Missing argument 'SOURCE...'."),
    (("simulate", "x", "--wat"), "error: No such option: --wat"),
    (("simulate", "x", "--count", "0"), "error: Invalid value for '--count'"),
    (("simulate", "x", "--count", "two"), "error: Invalid value for '--count'"),
    (("simulate", "x", "--format", "xml"), "error: Invalid value for '--format'"),
    (("compress", "digits_cnn", "--mean", "a,b"), "error: Invalid value for --mean"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_wrong_usage_is_one_line(escalate, arguments, message):
    code, out, err = escalate(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["arch", "reports", "workloads"])
def test_foreign_packages_of_our_names_are_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('ran foreign code')")
    home = Path(package.__file__).parent.parent
    path = f"{tmp_path}{os.pathsep}{home}"
    (tmp_path / "elsewhere").mkdir()
    code = "from escalate.cli.main import main; main()"
    done = python(code, cwd=tmp_path / "elsewhere", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"error: the package '{name}' should be" in done.stderr
    assert f"but {tmp_path / name} was found" in done.stderr
    assert "install escalate-sim in a virtual environment of its own" in done.stderr


def test_a_folder_without_init_does_not_hide_ours(tmp_path):
    (tmp_path / "arch").mkdir()
    home = Path(package.__file__).parent.parent
    path = f"{tmp_path}{os.pathsep}{home}"
    code = "import sys; sys.argv = ['e', '--version']; from escalate.cli.main import main; main()"
    done = python(code, cwd=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (0, f"escalate {VERSION}\n")


def test_defects_keep_their_traceback(escalate, monkeypatch):
    def broken():
        raise InvariantError("cycles add up to 3, not to 4")

    monkeypatch.setattr("escalate.app.networks.network_rows", broken)
    with pytest.raises(InvariantError, match="cycles add up to 3"):
        escalate("networks")


def test_foreign_value_errors_are_defects_too(escalate, monkeypatch):
    def broken():
        raise ValueError("not one of ours")

    monkeypatch.setattr("escalate.app.networks.network_rows", broken)
    with pytest.raises(ValueError, match="not one of ours"):
        escalate("networks")


def test_interrupts_and_files_that_cannot_be_written(escalate, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    def denied():
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr("escalate.app.networks.network_rows", interrupted)
    assert escalate("networks")[0] == 130
    monkeypatch.setattr("escalate.app.networks.network_rows", denied)
    assert escalate("networks") == (2, "", "error: /some/file: Permission denied\n")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m escalate.cli.main machines show systolic | true"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def proposals(words):
    """What bash is told for a command line that ends with the word to complete."""
    code = "import sys; sys.argv[0] = 'escalate'; from escalate.cli.main import main; main()"
    return python(
        code,
        _ESCALATE_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(words),
        COMP_CWORD=str(len(words) - 1),
    ).stdout.split()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("escalate", "simu"), ["simulate"]),
        (("escalate", "simulate", "resnet18_"), ["resnet18_cifar10"]),
        (("escalate", "simulate", "x", "--machine", "sys"), ["systolic"]),
        (("escalate", "compare", "x", "--machines", "scnn,sp"), ["scnn,sparten"]),
        (("escalate", "machines", "show", "bit"), ["bit_tactical"]),
        (("escalate", "simulate", "./some"), []),
    ],
)
def test_the_shell_completes_commands_machines_and_networks(words, wanted):
    assert proposals(words) == wanted


def test_the_shell_gets_a_script(escalate, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    code, out, err = escalate("--show-completion")
    assert (code, err) == (0, "")
    assert "complete -o default" in out


def test_the_help_names_the_exit_codes(escalate):
    _, out, _ = escalate("--help")
    assert "Exit codes: 0 success; 1 a bug in escalate" in " ".join(out.split())


def test_help_answers_in_half_a_second():
    code = "import sys; sys.argv = ['e', '--help']; from escalate.cli.main import main; main()"
    python(code)  # compiles what has changed
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


RENDERER = """
import sys
from escalate.cli.help_text import import_renderer
import_renderer()
print([name for name in ("markdown_it", "pygments", "rich.markdown") if name in sys.modules])
from typer import rich_utils
made = rich_utils.Markdown("*one*")
from rich.markdown import Markdown
print(type(made) is Markdown)
"""


def test_help_imports_no_parser_before_it_is_used():
    found = subprocess.run(
        [sys.executable, "-c", RENDERER], capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n") == ["[]", "True", ""]
