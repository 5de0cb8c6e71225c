"""Has every number of the options a lower and an upper bound, and is nothing else a number?"""

import pytest
from pydantic import BaseModel

from escalate.app.sweeps.axes import Range
from escalate.app.sweeps.compress import Fixed
from escalate.app.sweeps.file import SweepFile
from escalate.compressors.registry import compressors


def numbers(form):
    """The forms of numbers inside a JSON schema, with the way to each."""
    if form.get("type") in ("integer", "number") and "enum" not in form and "const" not in form:
        yield form
    for key, inside in form.items():
        if key in ("anyOf", "prefixItems", "allOf"):
            for each in inside:
                yield from numbers(each)
        elif key in ("items", "additionalProperties") and isinstance(inside, dict):
            yield from numbers(inside)


def bounded(form):
    lower = form.keys() & {"minimum", "exclusiveMinimum"}
    return lower and form.keys() & {"maximum", "exclusiveMaximum"}


OPTIONS = [method.options for method in compressors().values()]


@pytest.mark.parametrize("kind", [*OPTIONS, Fixed, Range, SweepFile])
def test_every_number_has_both_bounds(kind: type[BaseModel]):
    schema = kind.model_json_schema()
    parts = {"": schema, **schema.get("$defs", {})}
    for part in parts.values():
        for name, field in part.get("properties", {}).items():
            for form in numbers(field):
                assert bounded(form), f"{kind.__name__}.{name}: {form}"


NUMBERS = [
    (kind, name)
    for kind in OPTIONS
    for name, field in kind.model_json_schema()["properties"].items()
    if any(numbers(field))
]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
@pytest.mark.parametrize("value", [True, "1", "1_0", 1e30, 10**30, -1, float("nan")])
def test_numbers_are_numbers_alone(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})
