"""The allowed values of a field in words, made from the model itself so that both agree."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from workloads.number import spelled

WORDS = {"boolean": "true or false", "string": "text"}


def allowed(kind: type[BaseModel], field: str) -> str:
    """The allowed values of a field, in words.

    Examples
    --------
    >>> from arch.spec import MachineSpec
    >>> allowed(MachineSpec, "dram_burst_bytes"), allowed(MachineSpec, "energy")
    ('a whole number 1 to 65536', "'horowitz_cacti' or 'accelergy_aladdin'")
    """
    return _in_words(kind.model_json_schema()["properties"][field])


def _in_words(form: Mapping[str, Any]) -> str:
    """A form of a JSON schema."""
    if "anyOf" in form:
        forms = [each for each in form["anyOf"] if each.get("type") != "null"]
        return " or ".join(map(_in_words, forms))
    choices = form.get("enum", [form["const"]] if "const" in form else [])
    if choices:
        *before, last = map(repr, choices)
        return f"{', '.join(before)} or {last}" if before else last
    if form["type"] in ("integer", "number"):
        return _number(form)
    if form["type"] == "object":
        return f"a table of these by layer, each {_in_words(form['additionalProperties'])}"
    if form["type"] == "array":
        inside = form.get("prefixItems", [form.get("items", {"type": "string"})])
        many = "a list" if "items" in form else f"{len(inside)} values"
        return f"{many}, each {_in_words(inside[0])}"
    return WORDS.get(form["type"], form["type"])


def _number(form: Mapping[str, Any]) -> str:
    words = "a whole number" if form["type"] == "integer" else "a number"
    above, below = form.get("exclusiveMinimum"), form.get("exclusiveMaximum")
    low, high = form.get("minimum", above), form.get("maximum", below)
    if low is not None:
        words += f" above {spelled(low)}," if above is not None else f" {spelled(low)}"
    if high is not None:
        words += f" to below {spelled(high)}" if below is not None else f" to {spelled(high)}"
    return words.rstrip(",")
