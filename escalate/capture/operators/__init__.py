"""How torch.export and ONNX spell each operator; a file for each, which is found by itself.

A file says in ``ATEN``, by ATen name (without overload and the underscore of in-place forms), what
adds the operator to a graph, and in ``ONNX``, by ONNX's name, which torch function it is.  Only
spellings belong here: what an operator means is said in ``workloads/operators``.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from workloads.plug_ins import names_in

if TYPE_CHECKING:
    from escalate.capture.aten import Aten
    from escalate.capture.onnx_operator import Onnx


@cache
def aten() -> "Mapping[str, Aten]":
    """The ATen operators that are read, by name."""
    return _collected(0)


@cache
def onnx() -> "Mapping[str, Onnx]":
    """The ONNX operators that are read, by name."""
    return _collected(1)


def tables(name: str) -> "tuple[Mapping[str, Aten], Mapping[str, Onnx]]":
    """What the file of that name spells, in ATen and in ONNX; nothing where there is none.

    Examples
    --------
    >>> [list(table) for table in tables("pad")]
    [['pad', 'constant_pad_nd'], ['Pad']]
    """
    if name not in names_in(__name__):
        return {}, {}
    file = import_module(f"{__name__}.{name}")
    return getattr(file, "ATEN", {}), getattr(file, "ONNX", {})


def _collected(position: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names_in(__name__):
        own = tables(name)[position]
        assert not found.keys() & own, f"{name}: spells what another file spells"
        found |= own
    return found
