"""options: fields become the options of the method that they name."""

from collections.abc import Mapping
from typing import Any

from escalate.compressors.compressor import Compressor
from escalate.compressors.options import KEPT, Options
from escalate.compressors.registry import FIRST, compressor, compressors
from escalate.errors import DecompositionError


def compress_options(**fields: Any) -> Options:
    """The options of a method, checked; ``method`` is escalate by default.

    Fields of other methods are refused unless they say what is so without them, as the provenance
    of models does; see ``escalate.compressors.options.KEPT``.

    Raises
    ------
    DecompositionError
        For a method that there is not, or a field that has no meaning for it.
    pydantic.ValidationError (a ValueError)
        For unknown fields, values out of range, and fields that exclude each other.

    Examples
    --------
    >>> compress_options(basis=5, density=0.2).model_dump()["basis"]
    5
    >>> compress_options(method="prune", basis=5)
    Traceback (most recent call last):
    escalate.errors.DecompositionError: basis has no meaning for method prune
    """
    name = fields.get("method", FIRST)
    kind = compressor(name).options
    without = meaningless(name)
    for field in without.intersection(fields):
        if fields[field] is not None and fields[field] != KEPT.get(field):
            raise DecompositionError(f"{field} has no meaning for method {name}")
    return kind(**{field: value for field, value in fields.items() if field not in without})


def option_fields() -> dict[str, dict[str, Compressor]]:
    """Every field of every method's options, and the methods that have it, by name."""
    found: dict[str, dict[str, Compressor]] = {field: {} for field in Options.model_fields}
    for name, method in compressors().items():
        for field in method.options.model_fields:
            found.setdefault(field, {})[name] = method
    return found


def meaningless(method: str) -> frozenset[str]:
    """The fields that mean nothing to a method.

    Examples
    --------
    >>> "basis" in meaningless("prune"), "basis" in meaningless("escalate")
    (True, False)
    """
    own: Mapping[str, object] = compressor(method).options.model_fields
    return frozenset(option_fields()).difference(own)
