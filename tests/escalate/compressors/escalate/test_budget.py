"""Sizes and curves: the hull is a hull, the greedy choice is the best one, and the model fits."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from escalate.compressors.compressor import Task
from escalate.compressors.escalate.budget import allocate, fitted, hull
from escalate.compressors.escalate.curves import Form, Point, sensitivity
from escalate.compressors.escalate.forms import with_forms
from escalate.errors import BudgetError
from escalate.recipe.compression import compress
from escalate.recipe.options import compress_options
from escalate.recipe.trials import quantized
from escalate.recipe.trim import trim
from escalate.store import model_file
from escalate.train.convolutions import TernaryConvolution
from escalate.train.modules import float_module
from tests.escalate.small_networks import (
    SETTINGS,
    every_operator,
    random_pixels,
    with_random_weights,
)

SIZES = st.lists(
    st.tuples(st.integers(1, 60), st.floats(0.0, 10.0)),
    min_size=1,
    max_size=6,
    unique_by=lambda p: p[0],
)


def curve(name, pairs):
    return tuple(Point(name, Form(1, 0.5), size, 0.0, gap, 1.0) for size, gap in pairs)


@given(pairs=SIZES)
def test_a_hull_is_convex_falls_and_has_nothing_below_it(pairs):
    points = hull(curve("a", pairs))
    assert points[0].bytes == min(size for size, _ in pairs)
    sizes, gaps = [p.bytes for p in points], [p.divergence for p in points]
    assert sizes == sorted(set(sizes))
    assert gaps == sorted(gaps, reverse=True)
    slopes = [
        (a - b) / (t - s) for (s, a), (t, b) in itertools.pairwise(zip(sizes, gaps, strict=True))
    ]
    assert all(left > right - 1e-12 for left, right in itertools.pairwise(slopes))
    for size, gap in pairs:
        if size <= sizes[-1]:
            assert gap >= np.interp(size, sizes, gaps) - 1e-9


@settings(max_examples=60)
@given(curves=st.lists(SIZES, min_size=1, max_size=3), room=st.integers(3, 150))
def test_the_choice_is_within_one_step_of_the_best_mixture(curves, room):
    named = {f"l{i}": curve(f"l{i}", pairs) for i, pairs in enumerate(curves)}
    hulls = [hull(points) for points in named.values()]
    if sum(points[0].bytes for points in hulls) > room:
        with pytest.raises(BudgetError, match=f"{room} are left for them"):
            allocate(named, room)
        return
    found = allocate(named, room)
    used = sum(point.bytes for point in found.values())
    assert used <= room
    total = sum(point.divergence for point in found.values())
    steps = [p.divergence - q.divergence for h in hulls for p, q in itertools.pairwise(h)]
    for choice in itertools.product(*hulls):  # nothing as small is better
        if sum(point.bytes for point in choice) <= used:
            gained = sum(point.divergence for point in choice)
            assert gained >= total - max(steps, default=0.0) - 1e-9


def test_what_is_not_in_the_curves_is_measured():
    curves = {"a": curve("a", [(10, 5.0), (20, 2.0), (40, 1.0)])}
    sizes = {0.5: 0}

    def measure(forms):
        return 100 + sizes[0.5] + {id(p.form): p.bytes for p in curves["a"]}[id(forms["a"])]

    assert fitted(curves, 125, measure)["a"].bytes == 20
    with pytest.raises(BudgetError, match=r"budget: .* bytes"):
        fitted(curves, 90, measure)


def test_what_removal_saves_is_used():
    curves = {"a": curve("a", [(10, 9.0), (20, 2.0), (40, 1.0)]), "b": curve("b", [(9, 1.0)])}

    def measure(forms):  # half of everything is removed
        return {id(p.form): p.bytes for p in curves["a"]}[id(forms["a"])] // 2 + 4

    assert fitted(curves, 24, measure)["a"].bytes == 40
    assert fitted(curves, 23, measure)["a"].bytes == 20


def test_room_that_no_step_of_the_hull_fits_into_is_filled():
    curves = {"a": curve("a", [(10, 9.0), (14, 8.9), (60, 1.0)]), "b": curve("b", [(9, 1.0)])}
    assert [point.bytes for point in hull(curves["a"])] == [10, 60]
    assert allocate(curves, 50)["a"].bytes == 14
    assert allocate(curves, 69)["a"].bytes == 60


@pytest.fixture(scope="module")
def job():
    network = with_random_weights(every_operator(), seed=3)
    pixels = random_pixels(network.graph, 48)
    image = SETTINGS.quantizer(pixels)
    return network, pixels, Task(network, image, pixels, float_module(network))


def test_moments_are_the_inputs_mean_squares(job):
    network, _, task = job
    moments = task.input_moments
    assert {name: m.shape for name, m in moments.items()} == {
        node.name: (node.layer.C,) for node in network.graph.convs
    }
    assert all((m >= 0).all() for m in moments.values())


def test_curves_fall_and_say_what_was_measured(job):
    network, _, task = job
    seen = []
    curves = sensitivity(task, compress_options(), watch=lambda *what: seen.append(what))
    assert list(curves) == [node.name for node in network.graph.convs]
    assert seen == [(name, i, 5) for i, name in enumerate(curves)]
    for name, points in curves.items():
        assert all(a.bytes < b.bytes for a, b in itertools.pairwise(points))
        assert all(a.squared_error > b.squared_error for a, b in itertools.pairwise(points))
        assert points[-1].divergence < points[0].divergence
        assert all(0 <= point.agreement <= 1 for point in points)
        kept = name in ("c1", "dw")
        assert all(bool(point.form.bits) == kept for point in points)
    mixed = sensitivity(task, compress_options(mixed=True))
    assert any(point.form.bits for point in mixed["c2"])


def test_the_original_is_unchanged_by_being_measured(job):
    task = job[2]
    original = task.original
    before = {name: values.clone() for name, values in original.state_dict().items()}
    sensitivity(task, compress_options())
    for name, values in original.state_dict().items():
        assert (values == before[name]).all()


@pytest.mark.parametrize("ratio", [1.6, 2.4])
def test_a_ratio_is_met_from_bytes_on_disk(job, tmp_path, ratio):
    network, pixels, _ = job
    options = compress_options(ratio=ratio, epochs=0)
    model = compress(network, options, pixels, None, SETTINGS)
    model_file.save(model, tmp_path)
    size = model_file.bytes_on_disk(tmp_path)
    # The provenance is not counted, but its digest in the manifest moves the size by a few bytes.
    assert size <= 4 * network.original_parameters / ratio + 8
    asked = model.provenance["asked"]
    chosen = model.provenance["options"]
    assert asked["ratio"] == ratio
    assert "ratio" not in chosen
    assert set(chosen["density"]) == {"c2", "c3", "fc"}
    again = compress(network, compress_options(**chosen), pixels, None, SETTINGS)
    for name, weights in model.weights.items():
        other = again.convs[name].weights
        for field in ("weights", "coefficients", "basis"):
            np.testing.assert_array_equal(getattr(other, field), getattr(weights, field))


def test_a_retrained_model_is_trimmed_to_its_ratio(job, tmp_path):
    """Training moves the size; the end of it meets the ratio from bytes on disk all the same."""
    network, pixels, _ = job
    labels = np.arange(len(pixels)) % 3
    options = compress_options(ratio=2.4, epochs=2, learning_rate=0.05)
    sizes = []
    model = compress(
        network,
        options,
        pixels,
        labels,
        SETTINGS,
        progress=lambda report: sizes.append(report.stored_bytes),
        size=model_file.packed_size,
    )
    budget = int(4 * network.original_parameters / 2.4)
    assert model_file.packed_size(model) <= budget
    task = Task(network, SETTINGS.quantizer(pixels), pixels, float_module(network))
    module = quantized(task, compress_options(density=0.9, epochs=0))

    def size():
        return sum(int(c.signs().bool().sum()) for c in ternary_of(module))

    before = size()
    trim(module, before // 2, size)
    assert before // 2 * 0.9 <= size() <= before // 2
    with pytest.raises(BudgetError, match="model in training takes 1000 bytes, wanted 10"):
        trim(module, 10, lambda: 1000, rounds=2)


def ternary_of(module):
    return [c for c in module.modules() if isinstance(c, TernaryConvolution)]


def test_an_impossible_ratio_is_refused(job):
    network, pixels, _ = job
    with pytest.raises(BudgetError, match="budget: "):
        compress(network, compress_options(ratio=1000, epochs=0), pixels, None, SETTINGS)


def test_forms_become_tables():
    graph = every_operator()
    forms = {
        "c1": Form(0, 1.0, 5),
        "c2": Form(3, 0.25),
        "c3": Form(1, 0.5),
        "dw": Form(0, 1.0, 8),
        "fc": Form(0, 1.0, 6),
    }
    options = with_forms(graph, compress_options(ratio=9, mixed=True), forms)
    assert options.basis == {"c2": 3}
    assert options.density == {"c2": 0.25, "c3": 0.5}
    assert set(options.keep_int8) == {"c1", "dw", "fc"}
    assert options.weight_bits == {"c1": 5, "dw": 8, "fc": 6}
    assert options.ratio is None


def test_weighting_by_inputs_goes_through(job):
    network, pixels, _ = job
    models = [
        compress(network, compress_options(weighting=kind, epochs=0), pixels, None, SETTINGS)
        for kind in ("none", "inputs")
    ]
    differ = [
        not np.array_equal(
            models[0].convs[n].weights.coefficients, models[1].convs[n].weights.coefficients
        )
        for n in ("c2", "c3")
    ]
    assert any(differ)
