"""convolution: weights on their way to crossbars: ADMM towards a structure, then towards levels.

Yuan et al. (ISLPED 2019, arXiv 1908.11691), in three stages of a retraining:

1. Train with the penalty rho/2 ||W - Z + U||^2 added to the loss.  Z is the nearest matrix of the
   structure to W + U, and U sums up what they differ by; both are renewed ten times.
2. Masked mapping: W is projected, its mask stays from here on, and the survivors are trained.
3. The first stage again, with levels in place of the structure; what is 0 stays 0.

Assumptions of ours: Weights are divided by their filter's root mean square first, because folded
batch norms give every filter a size of its own; that size is a scale of the requantizer, and is
trained.  So rho counts squares of typical weights, in all layers alike.  Rows are ranked by the
weights as they came, because divided ones are all equally long.  Each stage begins with U = 0.
What a level is worth follows from the weights when the third stage begins.  There the network
computes with levels already, the gradient passing straight through to W: the learning rate is too
small by then for weights to reach their levels, and mapping them in the end loses more.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from escalate.compressors.admm.compressor import BITS, RHO
from escalate.compressors.admm.projections import Structure, filter_levels, filter_rms
from escalate.errors import DecompositionError
from escalate.train.convolutions import LayerIntegers, QuantizedConvolution
from workloads.layer import ConvLayer
from workloads.weights import LayerWeights

STRUCTURE, MASKED, LEVELS = range(3)
RENEWALS = 10  # of Z and U in a stage; public code of ADMM pruning has one every 20 of 200 epochs
ALMOST = 1e-9  # shares of a retraining that differ by less are the same


@dataclass(frozen=True, slots=True)
class Target:
    """What a layer's weights are to become, and when.

    Parameters
    ----------
    structure : Structure
    density : share of rows, columns or tiles that stay, at least one; in (0, 1]
    bits : of a level with its sign, 2..7
    rho : weight of the squared distance, of weights whose root mean square is 1
    ramp : share of a retraining, 0..1, after which the structure stays; half of what is left goes
        to the survivors, the rest to levels

    Raises
    ------
    DecompositionError
        If a value is out of range.
    """

    structure: Structure
    density: float
    bits: int = BITS
    rho: float = RHO
    ramp: float = 0.5

    def __post_init__(self) -> None:
        wanted = {
            "density": 0 < self.density <= 1,
            "bits": 2 <= self.bits <= 7,
            "rho": 0 < self.rho < np.inf,
            "ramp": 0 <= self.ramp <= 1,
        }
        for field, fine in wanted.items():
            if not fine:
                raise DecompositionError(f"mapping: {field} is {getattr(self, field)}")

    def stage(self, done: float) -> int:
        """The stage that a retraining is in when the share ``done`` of it lies behind.

        Examples
        --------
        >>> target = Target(Structure(), 0.5, ramp=0.5)
        >>> [target.stage(done) for done in (0.0, 0.5, 0.75, 1.0)]
        [0, 1, 2, 2]
        """
        return (done >= self.ramp) + (done >= (1 + self.ramp) / 2)

    def period(self, stage: int) -> float:
        """Share of a retraining between two renewals of Z and U.

        Examples
        --------
        >>> Target(Structure(), 0.5, ramp=0.5).period(0)
        0.05
        """
        return (self.ramp if stage == STRUCTURE else (1 - self.ramp) / 2) / RENEWALS


class AdmmConvolution(QuantizedConvolution):
    """weight[k] = scales[k] * weights[k], in the end with levels times one step for weights[k].

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    target : Target
    trained : whether a retraining follows; without one everything is projected at once
    """

    towards: torch.Tensor  # Z
    dual: torch.Tensor  # U
    mask: torch.Tensor
    share: torch.Tensor  # of the density, below 1 where a budget asks for fewer
    level_steps: torch.Tensor  # what a level is worth, settled when the third stage begins
    stage: torch.Tensor
    behind: torch.Tensor  # share of the retraining at the last renewal

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        target: Target,
        *,
        trained: bool = True,
    ) -> None:
        super().__init__(layer, bias)
        self.rule = target
        sizes = filter_rms(weights)
        even = torch.tensor((weights / sizes[:, None, None, None]).astype(np.float32))
        self.weights = nn.Parameter(even)
        self.scales = nn.Parameter(torch.tensor(sizes.astype(np.float32)))
        for name, start in (
            ("towards", torch.zeros_like(even)),
            ("dual", torch.zeros_like(even)),
            ("mask", torch.ones(even.shape, dtype=torch.bool)),
            ("share", torch.ones((), dtype=torch.float64)),
            ("level_steps", torch.zeros(layer.K)),
            ("stage", torch.zeros((), dtype=torch.int64)),
            ("behind", torch.zeros((), dtype=torch.float64)),
        ):
            self.register_buffer(name, start)
        with torch.no_grad():
            self._enter(STRUCTURE)
        self.advance(0.0 if trained else 1.0)

    def latent(self) -> torch.Tensor:
        """W: the trained weights, 0 where they are masked."""
        return self.weights * self.mask

    def weight(self) -> torch.Tensor:
        """The weights as they are trained, in the third stage on their levels."""
        weights = self.latent()
        if self.stage == LEVELS:
            weights = weights + (self._on_levels(weights) - weights).detach()
        return weights * self.scales[:, None, None, None]

    def steps(self) -> torch.Tensor:
        """What a level is worth; before the third stage what it was at the last renewal."""
        return (self.level_steps * self.scales).detach()

    def integers(self) -> LayerIntegers:
        """Levels and their scales, of the projected weights where these are not on levels yet."""
        levels, steps = self._projected()
        scales = _numpy(steps) * _numpy(self.scales)
        return LayerIntegers(LayerWeights(weights=levels.to(torch.int8).cpu().numpy()), scales)

    def survivors(self) -> torch.Tensor:
        """The mask."""
        return self.mask

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale the filters' sizes."""
        with torch.no_grad():
            self.scales.mul_(gains)

    def penalty(self) -> torch.Tensor | None:
        """rho/2 ||W - Z + U||^2 in the stages that have a Z."""
        if self.stage == MASKED:
            return None
        return self.rule.rho / 2 * (self.latent() - self.towards + self.dual).square().sum()

    def advance(self, done: float) -> None:
        """Renew Z and U where it is time, or go on to the next stage."""
        stage = self.rule.stage(done)
        with torch.no_grad():
            if stage == self.stage and done - self.behind > self.rule.period(stage) - ALMOST:
                self._renew()
                self.behind.fill_(done)
            while stage > self.stage:
                self._enter(int(self.stage) + 1)
                self.behind.fill_(done)

    def thin(self, share: float) -> None:
        """Let fewer rows, columns or tiles stay."""
        self.share.mul_(share)
        if self.stage != STRUCTURE:
            with torch.no_grad():
                self._cut()

    def _enter(self, stage: int) -> None:
        """Begin a stage, with Z of the weights as they are and U = 0."""
        if stage == MASKED:
            self._cut()
        self.stage.fill_(stage)
        self.dual.zero_()
        self._renew()
        self.dual.zero_()

    def _renew(self) -> None:
        """Z becomes what is nearest to W + U, and U what is left of them."""
        if self.stage != LEVELS:
            self.level_steps.copy_(self._projected()[1])
        moved = self.latent() + self.dual
        near = moved
        if self.stage == STRUCTURE:
            near = moved * self._strongest(moved)
        elif self.stage == LEVELS:
            near = self._on_levels(moved)
        self.towards.copy_(near)
        self.dual.copy_(moved - near)

    def _cut(self) -> None:
        """Mask what the structure does not keep of the weights as they are now."""
        self.mask.copy_(self._strongest(self.latent()) & (self.latent() != 0))
        for values in (self.weights, self.towards, self.dual):
            values.mul_(self.mask)

    def _strongest(self, values: torch.Tensor) -> torch.Tensor:
        """What the structure keeps of the weights, bool of their shape."""
        ranked = _numpy(values)
        if self.rule.structure.kind == "rows":
            ranked = ranked * _numpy(self.scales)[:, None, None, None]
        matrices = ranked.reshape(self.layer.groups, self.layer.K // self.layer.groups, -1)
        share = self.rule.density * float(self.share)
        keep = max(1, round(share * self.rule.structure.count(matrices.shape)))
        mask = self.rule.structure.strongest(matrices, keep).reshape(ranked.shape)
        return torch.from_numpy(mask).to(values.device)

    def _projected(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Levels of the weights' shape, and what one is worth, float32 (K,)."""
        values = self.latent().detach()
        if self.stage == LEVELS:
            return self._levels(values), self.level_steps
        if self.stage == STRUCTURE:
            values = values * self._strongest(values)
        levels, steps = filter_levels(_numpy(values), self.rule.bits)
        return torch.from_numpy(levels), torch.from_numpy(steps.astype(np.float32))

    def _levels(self, values: torch.Tensor) -> torch.Tensor:
        """As ``projections.nearest_levels``, of each filter's own scale; floats."""
        steps = torch.where(
            self.level_steps > 0, self.level_steps, torch.ones_like(self.level_steps)
        )
        sizes = torch.floor(values.abs() / steps[:, None, None, None] + 0.5)
        return values.sign() * sizes.clamp(1, 1 << (self.rule.bits - 1))

    def _on_levels(self, values: torch.Tensor) -> torch.Tensor:
        """The nearest levels times what they are worth."""
        return self._levels(values) * self.level_steps[:, None, None, None]


def _numpy(values: torch.Tensor) -> np.ndarray:
    """A float64 copy on the host, outside the gradient."""
    array: np.ndarray = values.detach().cpu().numpy().astype(np.float64)
    return array
