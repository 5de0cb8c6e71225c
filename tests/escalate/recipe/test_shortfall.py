"""Is it told where a model came out far smaller than asked, and why?"""

import pytest

from escalate.recipe.options import CompressOptions
from escalate.recipe.shortfall import far_below, why_below


@pytest.mark.parametrize(("asked", "reached", "far"), [(10, 11.0, False), (10, 11.01, True)])
def test_a_tenth_is_allowed(asked, reached, far):
    assert far_below(asked, reached) is far


CASES = [
    ({"method": "prune"}, {"density": 1.0}, "density = 1 is the largest setting of prune"),
    ({"method": "admm"}, {"density": 0.3}, "became smaller in training than its setting (density"),
    ({"method": "vbq"}, {"rate_penalty": 2.0**-16}, "rate_penalty = 1.52588e-05 is the largest"),
    ({"method": "rate_distortion"}, {"clusters": 255, "density": 1.0}, "clusters = 255, density ="),
    ({"method": "wpc"}, {}, "weights of wpc are that small before a group is dropped"),
    ({}, {}, "no layer had a larger form that fits when forms were chosen; mixed lets layers keep"),
]


@pytest.mark.parametrize(("options", "chosen", "told"), CASES)
def test_every_method_says_why(options, chosen, told):
    assert told in why_below(CompressOptions(ratio=2, **options), chosen)


def test_mixed_layers_have_no_further_choice():
    assert why_below(CompressOptions(ratio=2, mixed=True), {}).endswith("were chosen")
