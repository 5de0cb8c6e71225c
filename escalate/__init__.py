"""escalate: from a trained network to basis, coefficients, cycles and energy, on real tensors.

``escalate.compress``, ``sensitivity``, ``pareto``, ``simulate``, ``compare``, ``sweep``, ``diff``,
``validate``, ``encode``, ``decode`` and ``latents`` are the commands of the same names, ``load``
reads what they wrote; they are loaded when first used, so that importing this package costs
nothing.  What to ask of a frame of results: :mod:`reports.study`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from escalate.version import VERSION as __version__

if TYPE_CHECKING:
    from escalate.app.compare import compare
    from escalate.app.compress import compress
    from escalate.app.decode import decode
    from escalate.app.diff import diff
    from escalate.app.encode import encode
    from escalate.app.latents import latents
    from escalate.app.load import load
    from escalate.app.pareto import pareto
    from escalate.app.sensitivity import sensitivity
    from escalate.app.simulate import simulate
    from escalate.app.sweep import sweep
    from escalate.app.validate import validate

__all__ = [
    "__version__",
    "compare",
    "compress",
    "decode",
    "diff",
    "encode",
    "latents",
    "load",
    "pareto",
    "sensitivity",
    "simulate",
    "sweep",
    "validate",
]
API = tuple(name for name in __all__ if not name.startswith("_"))


def __getattr__(name: str) -> Any:
    """A function of the Python API, loaded at first use."""
    if name in API:
        return getattr(import_module(f"escalate.app.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *API})
