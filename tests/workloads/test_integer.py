"""Is a model refused that lacks the integers of one of its nodes?"""

import dataclasses

import numpy as np
import pytest

from tests.workloads.models import every_operator, random_integers
from workloads.errors import WorkloadError


@pytest.mark.parametrize(
    ("table", "name", "op"),
    [
        ("convs", "point", "conv"),
        ("rescales", "add", "add"),
        ("bounds", "concat", "concat"),
        ("rescales", "mean", "avg_pool"),
        ("bounds", "relu", "relu"),
    ],
)
def test_missing_integers_are_named(table, name, op):
    model = random_integers(np.random.default_rng(0), every_operator())
    rest = {key: value for key, value in getattr(model, table).items() if key != name}
    with pytest.raises(WorkloadError, match=rf"every: {name} \({op}\) has no integers"):
        dataclasses.replace(model, **{table: rest})
