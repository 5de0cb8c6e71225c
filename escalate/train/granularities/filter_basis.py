"""filter_basis: one scale for each pair of output channel and basis kernel."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from escalate.ternary.scales import MOST_SCALE, ScaleFit, fit_pairs
from escalate.train.granularity import Granularity, positive
from escalate.train.straight_through import round_to_step

if TYPE_CHECKING:
    from escalate.ternary.ternary import TernaryLayer
    from escalate.train.convolutions import TernaryConvolution


class FilterBasis(Granularity):
    """A[k,m] = a[k] alpha[k,m], where alpha is an integer in 1..255."""

    basis = False
    trains_basis = True

    def fit(
        self, coefficients: np.ndarray, signs: np.ndarray, importance: np.ndarray | None = None
    ) -> ScaleFit:
        """All pairs at once."""
        return fit_pairs(coefficients, signs, importance)

    def parameters(self, fitted: "TernaryLayer") -> dict[str, nn.Parameter]:
        """``pair_scales``, shape (K, M)."""
        return {"pair_scales": nn.Parameter(torch.tensor(fitted.pairs))}

    def factors(self, layer: "TernaryConvolution") -> torch.Tensor:
        """alpha T."""
        return layer.signs() * self.pairs(layer)[:, None, :]

    def pairs(self, layer: "TernaryConvolution") -> torch.Tensor:
        """alpha[k,m] on its grid, at least one step."""
        step = self._step(layer)[:, None]
        return torch.maximum(round_to_step(layer.get_parameter("pair_scales"), step), step)

    def _step(self, layer: "TernaryConvolution") -> torch.Tensor:
        return positive(layer.get_parameter("pair_scales").detach().amax(dim=1)) / MOST_SCALE

    def steps(self, layer: "TernaryConvolution", scales: torch.Tensor) -> torch.Tensor:
        """a[k] times one step of alpha[k,m]."""
        return scales * self._step(layer)

    def integers(self, layer: "TernaryConvolution") -> dict[str, Any]:
        """``alpha``, uint8 (K, M)."""
        codes = torch.round(self.pairs(layer) / self._step(layer)[:, None])
        return {"alpha": codes.detach().cpu().numpy().copy().astype(np.uint8)}


GRANULARITY = FilterBasis()
