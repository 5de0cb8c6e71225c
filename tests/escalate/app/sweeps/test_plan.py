"""Are points what the file says, and is everything that is wrong named with its line?"""

import shutil
from collections import Counter

import pytest

from escalate.app.sweep import planned
from escalate.app.sweeps.axes import SweepError
from tests.escalate.app.sweeps.conftest import SMALL

MACHINES = ("basis_first", "scnn")


def plan_of(tmp_path, text):
    path = tmp_path / "s.toml"
    path.write_text(text)
    return planned(path, tmp_path / "results").found


def test_fields_of_a_machine_multiply_its_own_points_only(tmp_path):
    found = plan_of(tmp_path, SMALL)
    names = [point.choice.machine.name for point in found.points]
    assert (names.count("basis_first"), names.count("scnn")) == (8, 1)
    assert found.twice == 0
    specs = {
        (p.choice.spec.lookahead, p.choice.spec.intermediate_fifo)
        for p in found.points
        if p.choice.machine.name == "basis_first"
    }
    assert specs == {(1, 2), (1, 4), (4, 2), (4, 4)}


def test_the_name_of_a_point_is_made_of_what_it_is(tmp_path):
    first = plan_of(tmp_path, SMALL)
    again = plan_of(tmp_path, SMALL.replace("0.5", "0.50"))
    other = plan_of(tmp_path, SMALL.replace("seed = 0", "seed = 1"))
    keys = [point.key for point in first.points]
    assert keys == [point.key for point in again.points]
    assert not set(keys) & {point.key for point in other.points}
    assert len(set(keys)) == 9


def test_several_seeds_and_presets(tmp_path):
    text = 'networks = "digits_cnn"\nmachines = "scnn"\npresets = ["iso", "published"]\n'
    text += "seed = [0, 1, 2]\nsynthetic = { weights = 0.4, activations = 0.5 }\n"
    found = plan_of(tmp_path, text)
    pairs = [(point.choice.preset, point.feed.synthetic.seed) for point in found.points]
    assert pairs == [(preset, seed) for preset in ("iso", "published") for seed in (0, 1, 2)]


def test_samples_that_fall_on_one_point_count_once(tmp_path):
    text = 'networks = "digits_cnn"\nmachines = "systolic"\nmode = "random"\npoints = 20\n'
    text += "[set.systolic]\nrows = [8, 16]\n"
    found = plan_of(tmp_path, text)
    assert (len(found.points), found.twice) == (2, 18)


def test_lists_go_together(tmp_path):
    text = 'mode = "list"\nnetworks = ["digits_cnn", "resnet20_cifar10"]\nmachines = "systolic"\n'
    text += "[set.systolic]\nrows = [8, 16]\n"
    found = plan_of(tmp_path, text)
    pairs = [(point.texts[0], point.choice.spec.rows) for point in found.points]
    assert pairs == [("digits_cnn", 8), ("resnet20_cifar10", 16)]


WRONG = """networks = ["resnet18", "resnet99"]
machines = ["scnn", "abacus"]
seed = [0, -1]
colour = "red"
"""
ALSO_WRONG = """networks = ["resnet18", "resnet99"]
machines = ["basis_first", "abacus"]
basis = 0
[set.basis_first]
lookahead = [1,
  -1]
fifo = 3
[set.systolic]
rows = 8
[synthetic]
activations = 1.5
colours = 3
"""


def test_forms_are_checked_first(tmp_path):
    with pytest.raises(SweepError) as error:
        plan_of(tmp_path, WRONG)
    start = f"{tmp_path / 's.toml'}:"
    lines = [line.removeprefix(start) for line in error.value.lines]
    assert lines == [
        "3: seed = -1: wanted a whole number 0 to 1e18 or a list of them",
        lines[1],
    ]
    assert lines[1].startswith("4: unknown key 'colour', allowed are networks, sources, ")


def test_then_every_value_on_its_own(tmp_path):
    with pytest.raises(SweepError) as error:
        plan_of(tmp_path, ALSO_WRONG)
    start = f"{tmp_path / 's.toml'}:"
    found = dict(line.removeprefix(start).split(": ", 1) for line in error.value.lines)
    assert found["1"].startswith("resnet99: no such network, folder or file")
    assert found["2"].startswith("unknown machine 'abacus', allowed are")
    assert found["6"].startswith("lookahead = -1: ")
    assert found["7"].startswith("unknown field 'fifo', allowed are")
    assert found["8"] == "set.systolic: takes no part, allowed are basis_first"
    assert found["11"].startswith("synthetic: activations is 1.5, wanted a density 0..1")
    assert found["12"].startswith("unknown key synthetic.colours, allowed are coefficients")
    assert len(found) == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("machines = 'scnn'", "networks, sources or [compress]: wanted one of them"),
        ("networks = 'digits_cnn'", "digits_cnn: basis_first needs tensors, not only shapes"),
        (
            "networks = 'digits_cnn'\n[synthetic]\nactivations = 0.5",
            "digits_cnn: down.0 needs the density of its coefficients",
        ),
        ("networks = 'digits_cnn'\nmachines = 'systolic'\nseed = 1", "seed: goes with [synthetic]"),
        (
            "networks = 'digits_cnn'\nmachines = 'systolic'\nimages = 'digits'",
            "images: no source is a compressed model",
        ),
        ("networks = 'digits_cnn'\nmethods = ['prune']", "methods: goes with [compress]"),
        ("[compress]\nbasis = [4, 6]", "compress.network: missing, wanted a name or file"),
        (
            "[compress]\nnetwork = 'digits_cnn'\nbasis = [4, 0]",
            "basis 0: wanted a whole number 1 to 65536",
        ),
        (
            "[compress]\nnetwork = 'digits_cnn'\ncheckpoint = 'none.pt'",
            "compress.checkpoint = 'none.pt': no such file",
        ),
        ("networks = 'digits_cnn'\nmode = 'random'", "points: missing, mode = 'random' wants"),
        ("networks = [", "not a TOML file"),
    ],
)
def test_one_line_each(tmp_path, text, told):
    with pytest.raises(SweepError) as error:
        plan_of(tmp_path, text)
    assert told in error.value.lines[0]
    assert len(error.value.lines) == 1


SCNN = """networks = 'digits_cnn'
machines = 'scnn'
synthetic = { weights = 0.3, activations = 0.5 }
[set.scnn]
activation_vector = [4, 64]
weight_vector = 4
"""


def test_fields_that_do_not_agree_are_named_where_they_come_together(tmp_path):
    with pytest.raises(SweepError) as error:
        plan_of(tmp_path, SCNN)
    assert "s.toml:4: set.scnn: fields: activation_vector x weight_vector is 256" in str(
        error.value
    )
    assert len(error.value.lines) == 1


def test_values_that_are_legal_only_together_are_taken(tmp_path):
    text = "networks = 'digits_cnn'\nmachines = 'bit_tactical'\nmode = 'list'\n"
    text += "synthetic = { weights = 0.3, activations = 0.5 }\n"
    text += "[set.bit_tactical]\nlookahead = [0, 2]\nlookaside = [0, 1]\n"
    assert len(plan_of(tmp_path, text).points) == 2


def test_compressions_with_defaults_alone_are_one_model(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text("[compress]\nnetwork = 'digits_cnn'\n")
    assert len(planned(path, tmp_path).compressions) == 1
    path.write_text("[compress]\nnetwork = 'digits_cnn'\nsize = 'x'\nheld_out = 'abc'\n")
    with pytest.raises(SweepError) as error:
        planned(path, tmp_path)
    assert [line.split(": ")[0][-2:] for line in error.value.lines] == [":3", ":4"]


@pytest.mark.parametrize(
    "text", ["synthetic = { weights = [] }", "points = 1000000000000", "count = 0", "seed = []"]
)
def test_nothing_and_too_much_are_refused(tmp_path, text):
    with pytest.raises(SweepError, match=r"s\.toml:2: "):
        plan_of(tmp_path, f"networks = 'digits_cnn'\n{text}\n")


def test_a_point_is_the_same_from_any_folder(tmp_path, monkeypatch, compressed):
    shutil.copytree(compressed.folder, tmp_path / "mine")
    (tmp_path / "deeper").mkdir()
    keys = []
    for folder, source in ((tmp_path, "mine"), (tmp_path / "deeper", "../mine")):
        monkeypatch.chdir(folder)
        (point,) = plan_of(tmp_path, f"sources = '{source}'\n").points
        assert point.source.folder.is_absolute()
        keys.append(point.key)
    assert keys[0] != keys[1]  # rows tell the source as it was named


WAITING = """
machines = ["basis_first", "scnn"]
methods = ["escalate", "prune"]
count = [1, 2]
images = "sklearn:digits"
[compress]
network = "digits_cnn"
epochs = 0
density = [0.3, 0.6]
[set.basis_first]
lookahead = [1, 4]
"""


def test_models_that_are_not_made_are_sources_of_a_list(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(f'mode = "list"\n{WAITING}')
    with pytest.raises(SweepError, match="wanted lists of one length, source has 4, machine has 2"):
        planned(path, tmp_path / "results")


def test_points_of_models_that_are_not_made_are_counted(tmp_path, compressed):
    path, out = tmp_path / "s.toml", tmp_path / "results"
    path.write_text(WAITING)
    wanted = planned(path, out)
    names = [each.name for each in wanted.compressions]
    assert len(names) == 4
    assert wanted.found.points == ()
    counted = Counter(wanted.found.waiting)
    # counts x lookahead on one machine, counts on the other
    assert counted == {(n, m): 4 if m == "basis_first" else 2 for n in names for m in MACHINES}
    shutil.copytree(compressed.folder, out / "models" / names[0])
    some = planned(path, out).found
    assert {waiting[0] for waiting in some.waiting} <= set(names[1:])
    for name in names[1:]:
        shutil.copytree(compressed.folder, out / "models" / name)
    whole = planned(path, out).found
    assert whole.waiting == ()
    assert len(whole.points) == len(some.points) + len(some.waiting) == sum(counted.values())
    assert whole.twice == wanted.found.twice
