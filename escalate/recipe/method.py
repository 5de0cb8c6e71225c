"""Method: what tells one way to compress from another, apart from how it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Name = Literal["escalate", "prune", "int8", "rate_distortion", "wpc", "vbq", "admm"]
RETRAINING = (
    "epochs",
    "learning_rate",
    "batch",
    "distillation",
    "optimizer",
    "ramp",
    "augment",
    "precision",
)


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Parameters
    ----------
    kind : what its tensors are called in results
    layers : what a layer that it changes is called
    form : its models in a table of forms
    takes : the options of ``CompressOptions`` that mean something to it and not to every method
    replaced : those of them that follow from ``ratio`` where it is given
    trained : whether it retrains
    basis : whether its weights have a basis; all others are 8-bit weights
    """

    kind: str
    layers: str
    form: str
    takes: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    trained: bool = False
    basis: bool = False


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "escalate": Method(
            "compressed",
            "ternary layer",
            "compressed",
            (
                "basis",
                "error",
                "ratio",
                "mixed",
                "density",
                "threshold",
                "scales",
                "weighting",
                "l1",
                "updates",
                "storage",
                *RETRAINING,
            ),
            replaced=("basis", "error", "density", "threshold"),
            trained=True,
            basis=True,
        ),
        "prune": Method(
            "pruned",
            "pruned layer",
            "pruned, 8 bit",
            ("ratio", "density", "scope", "weighting", *RETRAINING),
            replaced=("density",),
            trained=True,
        ),
        "int8": Method("int8", "8-bit layer", "8 bit", ()),
        "rate_distortion": Method(
            "clustered",
            "clustered layer",
            "clustered, 8 bit",
            ("ratio", "density", "objective", "clusters"),
        ),
        "wpc": Method(
            "grouped",
            "ternary layer",
            "ternary groups",
            ("ratio", "group", "penalty", "clip", "detached", *RETRAINING),
            trained=True,
        ),
        "vbq": Method(
            "variational",
            "variational layer",
            "variational, 8 bit",
            ("ratio", "rate_penalty", "uncertainty", "variances"),
            replaced=("rate_penalty",),
        ),
        "admm": Method(
            "levels",
            "mapped layer",
            "levels",
            ("ratio", "density", "structure", "tile", "level_bits", "rho", *RETRAINING),
            replaced=("density",),
            trained=True,
        ),
    }
)
SPECIAL = frozenset(name for method in METHODS.values() for name in method.takes)


def meaningless(method: str) -> tuple[str, ...]:
    """The options that mean nothing to a method, by name.

    Examples
    --------
    >>> "basis" in meaningless("prune"), "basis" in meaningless("escalate")
    (True, False)
    """
    return tuple(sorted(SPECIAL.difference(METHODS[method].takes)))
