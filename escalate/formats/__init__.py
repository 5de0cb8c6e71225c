"""Storage formats of ternary coefficients: one file per format, found by name.

Every format module has ``encode(coefficients) -> payload`` and ``decode(payload, shape)``, exact
inverses of each other for all ternary tensors.  Coefficients are int8 of shape (K, C/groups, M)
in C order; a payload is a uint8 vector, bit 0 of each byte first.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from escalate.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np

FORMATS: Mapping[str, str] = MappingProxyType(
    {"bitmap": "escalate.formats.bitmap", "two_bit": "escalate.formats.two_bit"}
)


class Format(Protocol):
    """What every format module offers."""

    def encode(self, coefficients: "np.ndarray") -> "np.ndarray":
        """Ternary int8 (K, C/groups, M) to a uint8 vector."""

    def decode(self, payload: "np.ndarray", shape: tuple[int, ...]) -> "np.ndarray":
        """The tensor of ``shape`` that was encoded."""


def get(name: str) -> Format:
    """The format of that name.

    Raises
    ------
    CheckpointError
        If no format has that name.

    Examples
    --------
    >>> get("bitmap").__name__
    'escalate.formats.bitmap'
    """
    if name not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise CheckpointError(f"storage format {name!r} is unknown, wanted one of {known}")
    return cast(Format, importlib.import_module(FORMATS[name]))
