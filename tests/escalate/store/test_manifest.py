"""Does a manifest take every number within its limits, and none outside?"""

import pytest
from pydantic import TypeAdapter, ValidationError

from escalate.store import manifest


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("Size", 1, 1 << 24),
        ("Edge", 0, 1 << 16),
        ("Shift", 0, 62),
        ("Int32", -(1 << 31), (1 << 31) - 1),
        ("Scale", 1, 255),
        ("Level", -(1 << 15), (1 << 15) - 1),
    ],
)
def test_a_field_takes_both_ends_and_nothing_behind_them(field, low, high):
    kind = TypeAdapter(getattr(manifest, field))
    assert (kind.validate_python(low), kind.validate_python(high)) == (low, high)
    for outside in (low - 1, high + 1):
        with pytest.raises(ValidationError):
            kind.validate_python(outside)


def test_what_a_kernel_leaves_out_is_that_of_a_1x1_kernel():
    kernel = manifest.Kernel(K=3)
    assert kernel.model_dump() == {
        "K": 3,
        "R": 1,
        "S": 1,
        "stride": 1,
        "padding": (0, 0, 0, 0),
        "dilation": 1,
        "groups": 1,
    }
