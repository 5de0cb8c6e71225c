"""Has every option of every method a flag, and does what is given reach the method?"""

import pytest
import typer

from escalate.cli.main import app
from escalate.cli.option_flags import kind_of, made_flags
from escalate.compressors.registry import compressors
from escalate.recipe.options import option_fields

FLAGS = {flag.name: flag for flag in made_flags()}
# What people have in scripts.
KNOWN = [
    "--method",
    "--ratio",
    "--mixed",
    "--basis",
    "--error",
    "--density",
    "--scope",
    "--threshold",
    "--objective",
    "--clusters",
    "--scales",
    "--weighting",
    "--epochs",
    "--learning-rate",
    "--batch",
    "--distillation",
    "--l1",
    "--updates",
    "--ramp",
    "--augment",
    "--precision",
    "--storage",
    "--seed",
]


def test_every_field_of_one_word_has_a_flag():
    fields = option_fields()
    several = {"keep_int8", "group", "tile"}
    assert set(FLAGS) == set(fields) - several
    for name in several:
        (info, *_) = (m.options.model_fields[name] for m in fields[name].values())
        assert kind_of(info.annotation) is None


def test_flags_of_scripts_stay():
    assert {each for flag in FLAGS.values() for each in flag.opts} >= set(KNOWN)


def test_a_flag_of_a_field_has_one_kind_and_a_help():
    for name, methods in option_fields().items():
        infos = [method.options.model_fields[name] for method in methods.values()]
        assert len({kind_of(info.annotation) for info in infos}) == 1, name
    assert all(flag.help and flag.rich_help_panel for flag in FLAGS.values())


@pytest.fixture
def given(monkeypatch, escalate):
    """What compress is called with."""
    told = {}

    def run(network, **values):
        told.update(values)
        raise typer.Exit(0)

    monkeypatch.setattr("escalate.app.compress.compress", run)

    def asked(*words):
        told.clear()
        code, _, err = escalate("compress", "digits_cnn", *words)
        assert code == 0, err
        own = {"checkpoint", "data", "out", "resume", "device", "progress", "watch"}
        own |= {"input", "output"}
        return {name: value for name, value in told.items() if name not in own}

    return asked


def test_what_is_given_is_passed_on_and_nothing_else(given):
    assert given() == {}
    assert given(
        "--mixed", "--basis", 3, "--scales", "filter", "--no-remove", "--ramp", "5e-1"
    ) == {
        "mixed": True,
        "basis": 3,
        "scales": "filter",
        "remove": False,
        "ramp": 0.5,
    }
    wpc = ("--method", "wpc", "--no-detached", "--clip", 1, "--set", "group=[8, 1]")
    assert given(*wpc) == {"method": "wpc", "detached": False, "clip": 1.0, "group": [8, 1]}


def test_set_goes_before_flags_and_flags_before_the_file(given, tmp_path):
    path = tmp_path / "all.toml"
    path.write_text("epochs = 1\nbatch = 2\nseed = 3\n")
    words = ("--config", path, "--epochs", 4, "--batch", 5, "--set", "epochs=6")
    assert given(*words) == {"epochs": 6, "batch": 5, "seed": 3}


NUMBERS = [f.opts[0] for f in FLAGS.values() if f.metavar in ("N", "X")]


@pytest.mark.parametrize("flag", NUMBERS)
def test_numbers_are_read_strictly(escalate, flag):
    for word in ("1_0", "true", "\u0663", "nan", "inf", ""):
        code, out, err = escalate("compress", "digits_cnn", flag, word)
        assert (code, out) == (2, "")
        assert f"error: Invalid value for '{flag}'" in err


def test_only_the_help_of_compress_has_them():
    commands = typer.main.get_command(app).commands
    context = commands["compress"].make_context("compress", ["digits_cnn"])
    assert {each.name for each in commands["compress"].get_params(context)} > set(FLAGS)
    assert "basis" not in {each.name for each in commands["score"].params}


def test_each_method_has_a_summary_in_the_help(escalate):
    _, out, _ = escalate("compress", "--help")
    text = " ".join(out.replace("│", " ").split())
    for name, method in compressors().items():
        assert f"{name}{' (default)' if name == 'escalate' else ''}: {method.summary}" in text
