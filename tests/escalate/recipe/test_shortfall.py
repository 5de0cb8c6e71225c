"""Is it told where a model came out far smaller than asked, and why?"""

import pytest

from escalate.compressors.registry import compressor
from escalate.recipe.options import compress_options
from escalate.recipe.shortfall import far_below


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
    asked = compress_options(ratio=2, **options)
    assert told in compressor(asked.method).why_below(asked, chosen)


def test_mixed_layers_have_no_further_choice():
    asked = compress_options(ratio=2, mixed=True)
    assert compressor("escalate").why_below(asked, {}).endswith("were chosen")
