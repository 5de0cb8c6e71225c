"""Does each model get the options that are meant for it, and is everything else refused?"""

import pytest

from escalate.app.fronts.points import PLAIN, Recipe, points_of, recipe_in
from escalate.app.recipe import options_of
from escalate.compressors.registry import compressors
from escalate.errors import DecompositionError
from escalate.recipe.compression import ratio_of

METHODS = compressors()
TRAINED = [name for name, method in METHODS.items() if method.trained]
CONFIG = """
method = "prune"
ratio = 7
scales = "filter"
epochs = 5
keep_int8 = ["first"]

[weight_bits]
first = 6

[prune]
scope = "layer"
epochs = 2

[rate_distortion]
objective = "baseline"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "all.toml"
    path.write_text(CONFIG)
    return path


def asked(recipe, method, ratio=10.0):
    (found,) = (p for p in points_of([method], [ratio], recipe) if p.method == method)
    return found


def test_shared_options_reach_the_methods_to_which_they_mean_something(config):
    recipe = recipe_in(config)
    kept = {"keep_int8": ["first"], "weight_bits": {"first": 6}}
    for name, fields in (
        ("escalate", {"scales": "filter", "epochs": 5, "ratio": 10.0}),
        ("prune", {"scope": "layer", "epochs": 2, "ratio": 10.0}),
        ("rate_distortion", {"objective": "baseline", "ratio": 10.0}),
        (PLAIN, {}),
    ):
        point = asked(recipe, name)
        assert dict(point.fields) == {**kept, **fields, "method": name}
        assert point.options == options_of(point.fields)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_takes_part_by_its_name_alone(name):
    point = asked(Recipe({"epochs": 3, "basis": None, "mixed": True}), name)
    assert point.options.method == name
    assert getattr(point.options, "epochs", 0) == (3 if METHODS[name].trained else 0)
    assert (ratio_of(point.options), point.name) == (
        (None, name) if name == PLAIN else (10, f"{name}-10")
    )


def test_what_is_given_goes_before_everything_in_the_file(config):
    recipe = recipe_in(config).over({"epochs": 1, "seed": 3})
    assert [asked(recipe, name).options.epochs for name in ("escalate", "prune")] == [1, 1]
    assert [asked(recipe, name).options.seed for name in METHODS] == [3] * len(METHODS)
    assert asked(recipe, "prune").options.scope == "layer"


def test_the_plain_network_stands_first_and_once():
    points = points_of([PLAIN, "prune", "prune"], [20.0, 10.0, 20.0], Recipe())
    assert [point.name for point in points] == [PLAIN, "prune-10", "prune-20"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "all.toml: colour: no such field, wanted one of method"),
        ("[prune]\ncolour = 1", r"all.toml: \[prune\]: colour: no such field"),
        ("prune = 1", "all.toml: prune = 1: wanted a table of options"),
        ("[prune]\nratio = 3", r"\[prune\] ratio: follows from the methods and ratios"),
        ("[prune]\nbasis = 3", "basis has no meaning for method prune"),
        ("[int8]\nratio = 3", r"\[int8\] ratio: follows from"),
        ("density = 0.5", "ratio and density are both given"),
        ("[prune", "all.toml: is no TOML"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "all.toml"
    path.write_text(text)
    with pytest.raises(DecompositionError, match=message):
        points_of(["prune"], [10], recipe_in(path))


def test_a_table_of_no_method_is_refused():
    with pytest.raises(DecompositionError, match="ghost: no such method, wanted one of escalate"):
        Recipe(own={"ghost": {}})
