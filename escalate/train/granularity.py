"""granularity: which scales ternary coefficients have, from their fit to their integers.

Ce[k,c,m] ~ a[k] b[m] s T[k,c,m], where T is -1, 0 or +1 and s is what a granularity adds. The
granularities are the files of ``escalate.train.granularities``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from escalate.errors import DecompositionError
from escalate.ternary.scales import ScaleFit, fit_scales
from workloads.plug_ins import names_in

if TYPE_CHECKING:
    import torch
    from torch import nn

    from escalate.ternary.ternary import TernaryLayer
    from escalate.train.convolutions import TernaryConvolution

FOLDER = "escalate.train.granularities"


class Granularity:
    """One choice of free scales; here a[k] and b[m], and s is 1.

    Attributes
    ----------
    common : all a[k] move by one common factor; the channels keep their sizes
    basis : b[m] is fitted; without it b is 1 and the kernels take up its value
    trains_basis : b[m] is trained; by default where it is fitted
    sides : p and n are fitted
    """

    common: ClassVar[bool] = False
    basis: ClassVar[bool] = True
    trains_basis: ClassVar[bool | None] = None
    sides: ClassVar[bool] = False

    def fit(
        self, coefficients: np.ndarray, signs: np.ndarray, importance: np.ndarray | None = None
    ) -> ScaleFit:
        """Least-squares scales for given signs; arguments as for ``scales.fit_scales``."""
        free = {"common": self.common, "basis": self.basis, "sides": self.sides}
        return fit_scales(coefficients, signs, importance, **free)

    def parameters(self, fitted: "TernaryLayer") -> "dict[str, nn.Parameter]":
        """What s is made of, by name; it is trained."""
        return {}

    def factors(self, layer: "TernaryConvolution") -> "torch.Tensor":
        """s T on the grid of s, (K, C/groups, M).

        The gradient passes to the layer's ``latent`` and to what s is made of.
        """
        return layer.signs()

    def steps(self, layer: "TernaryConvolution", scales: "torch.Tensor") -> "torch.Tensor":
        """``scales`` (K,) times the value of one step of s."""
        return scales

    def integers(self, layer: "TernaryConvolution") -> dict[str, Any]:
        """The integers of s: fields of ``LayerWeights`` by name."""
        return {}


def granularities() -> tuple[str, ...]:
    """The names of all granularities.

    Examples
    --------
    >>> "separable" in granularities()
    True
    """
    return names_in(FOLDER)


def granularity(name: str) -> Granularity:
    """The granularity of a name.

    Raises
    ------
    DecompositionError
        If there is none; lists those there are.

    Examples
    --------
    >>> granularity("layer").common, granularity("separable").common
    (True, False)
    """
    if name not in granularities():
        known = ", ".join(granularities())
        raise DecompositionError(f"scales: granularity {name!r}, wanted one of {known}")
    found: Granularity = import_module(f"{FOLDER}.{name}").GRANULARITY
    return found


def positive(values: "torch.Tensor") -> "torch.Tensor":
    """The values, 1 where they are not above 0, so that one can divide by them."""
    return values.where(values > 0, values.new_ones(()))
