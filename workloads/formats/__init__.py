"""Storage formats of ternary coefficients: one file per format, found by name.

Every format module has ``encode(coefficients) -> payload`` and ``decode(payload, shape)``, exact
inverses of each other for all ternary tensors.  Coefficients are int8 of shape (K, C/groups, M)
in C order; a payload is a uint8 vector, bit 0 of each byte first.  Front end and machines share
them: what a model file stores of a layer is what the machine's DRAM holds of it.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from workloads.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        name: f"workloads.formats.{name}"
        for name in ("two_bit", "bitmap", "two_level", "run_length", "entropy")
    }
)
BEST = "best"


class Format(Protocol):
    """What every format module offers."""

    def encode(self, coefficients: "np.ndarray") -> "np.ndarray":
        """Encode ternary int8 coefficients (K, C/groups, M) as a uint8 vector."""

    def decode(self, payload: "np.ndarray", shape: tuple[int, ...]) -> "np.ndarray":
        """Decode the tensor of ``shape``."""


def get(name: str) -> Format:
    """The format of that name.

    Raises
    ------
    WorkloadError
        If no format has that name.

    Examples
    --------
    >>> get("bitmap").__name__
    'workloads.formats.bitmap'
    """
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise WorkloadError(f"storage format {name!r} is unknown, wanted one of {known}")
    return cast(Format, importlib.import_module(FORMATS[name]))


def encode(coefficients: "np.ndarray", name: str = BEST) -> "tuple[str, np.ndarray]":
    """Name and payload of a format; for ``best``, of the smallest one (the first of equals).

    Examples
    --------
    >>> import numpy as np
    >>> name, payload = encode(np.zeros((64, 64, 6), np.int8))
    >>> name, payload.size
    ('run_length', 2)
    """
    if name != BEST:
        return name, get(name).encode(coefficients)
    candidates = {each: get(each).encode(coefficients) for each in FORMATS}
    smallest = min(candidates, key=lambda each: candidates[each].size)
    return smallest, candidates[smallest]
