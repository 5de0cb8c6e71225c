"""two_sided: beside a[k] and b[m] one scale for +1 and one for -1, as in TTQ."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from escalate.ternary.scales import MOST_SCALE
from escalate.train.granularity import Granularity, positive
from escalate.train.straight_through import round_to_step, two_sided

if TYPE_CHECKING:
    from escalate.ternary.ternary import TernaryLayer
    from escalate.train.convolutions import TernaryConvolution


class TwoSided(Granularity):
    """a[k], b[m] and one pair (p, n) are free: p counts where T = +1, n where T = -1."""

    sides = True

    def parameters(self, fitted: "TernaryLayer") -> dict[str, nn.Parameter]:
        """``positive`` and ``negative``, two numbers."""
        sides = torch.tensor(fitted.sides, dtype=torch.float32)
        return {"positive": nn.Parameter(sides[0]), "negative": nn.Parameter(sides[1])}

    def factors(self, layer: "TernaryConvolution") -> torch.Tensor:
        """p or -n, or 0."""
        step = self.step(layer)
        found = (round_to_step(side.clamp(min=float(step)), step) for side in _sides(layer))
        return two_sided(layer.latent, layer.thresholds, *found)

    def step(self, layer: "TernaryConvolution") -> torch.Tensor:
        """The grid of p and n."""
        largest = torch.maximum(*(side.detach() for side in _sides(layer)))
        return positive(largest) / MOST_SCALE

    def steps(self, layer: "TernaryConvolution", scales: torch.Tensor) -> torch.Tensor:
        """a[k] times one step of p and n."""
        return scales * self.step(layer)

    def integers(self, layer: "TernaryConvolution") -> dict[str, Any]:
        """``two_sided``, two integers in 1..255."""
        step = self.step(layer)
        sides = [torch.round(side / step) for side in _sides(layer)]
        return {"two_sided": tuple(max(1, int(side)) for side in sides)}


def _sides(layer: "TernaryConvolution") -> tuple[torch.Tensor, torch.Tensor]:
    """p and n."""
    return layer.get_parameter("positive"), layer.get_parameter("negative")


GRANULARITY = TwoSided()
