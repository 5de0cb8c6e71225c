"""convolution: ternary weights of which whole groups come to be zero, by weight penalty clipping.

Yang, He, Fan, "Harmonious Coexistence of Structured Weight Pruning and Ternarization for Deep
Neural Networks" (AAAI 2020).  A group is what a PE multiplies at once: a few input channels of one
filter (or of a few filters), with all taps.  The loss grows by

    penalty * sum over groups of min(norm, limit),   limit = clip * mean of the layer's norms

so that small groups are drawn to zero, large ones feel nothing, and the limit follows the layer.
No mask is made: a group is gone when all its ternary values are zero.  Only where a byte budget is
set are the weakest groups dropped for good.

The paper's text could not be had; algorithm and constants are those of two scripts that descend
from it (confidence medium).  They let gradients pass through the mean, so that clipped groups too
are drawn on all others: ``detached = False`` does so.
"""

import numpy as np
import torch
from torch import nn

from escalate.compressors.settled import channel_sizes
from escalate.errors import DecompositionError
from escalate.train.convolutions import LayerIntegers, QuantizedConvolution
from escalate.train.pruning import Masked, Pruning
from escalate.train.straight_through import ternary_from
from workloads.layer import ConvLayer
from workloads.weights import LayerWeights

DELTA = 0.05  # of the layer's largest magnitude; smaller weights become 0 (TTQ's threshold)
TINY = 1e-12  # inside the root, where a group is all zero and the norm has no gradient


def group_norms(weights: torch.Tensor, group: tuple[int, int]) -> torch.Tensor:
    """The Frobenius norm of every group, shape (K / filters, C / channels).

    Parameters
    ----------
    weights : float, shape (K, C, R, S)
    group : (channels, filters)

    Examples
    --------
    >>> group_norms(torch.ones(2, 4, 1, 1), (4, 1)).tolist()
    [[2.0], [2.0]]
    """
    channels, filters = group
    K, C = weights.shape[:2]
    cut = weights.reshape(K // filters, filters, C // channels, channels, -1)
    return (cut.square().sum(dim=(1, 3, 4)) + TINY).sqrt()


def clipped_sum(norms: torch.Tensor, clip: float, *, detached: bool = True) -> torch.Tensor:
    """The sum of min(norm, clip * mean norm); a norm at the limit counts as below it.

    Parameters
    ----------
    norms : float >= 0, any shape
    clip : a
    detached : whether the mean is a constant; if not, its gradient draws on every group

    Examples
    --------
    >>> float(clipped_sum(torch.tensor([1.0, 3.0]), 0.75))
    2.5
    """
    mean = norms.mean()
    limit = clip * (mean.detach() if detached else mean)
    return torch.where(norms <= limit, norms, limit).sum()


def _least(kept: torch.Tensor) -> torch.Tensor:
    """The magnitude from which a layer's weights have a sign; above 0."""
    return (DELTA * kept.detach().abs().amax()).clamp(min=TINY)


class GroupedConvolution(Masked, QuantizedConvolution):
    """Ternary weights without a basis: W[k] = gains[k] alpha T[k].

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    group : (channels, filters) of a group; they must divide C/groups and K
    penalty, clip, detached : see the module's head

    Raises
    ------
    DecompositionError
        If the group does not divide the layer.

    Notes
    -----
    Assumptions: ours.  Batch norms are folded, so ``latent`` are the weights divided by their
    channel's root mean square, in the scale sqrt(2 / (C R S)) that networks are initialized with,
    for which the published constants are made; ``gains``, trained too, are what a batch norm would
    be.  A group's norm counts times its channel's share of the layer's root mean square, because a
    batch norm that scales a channel down makes it matter less.
    """

    gains: nn.Parameter
    reach: torch.Tensor

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        group: tuple[int, int],
        penalty: float,
        clip: float,
        *,
        detached: bool = True,
    ) -> None:
        super().__init__(layer, bias)
        K, C = layer.K, layer.channels_per_group
        for size, whole, what in ((group[0], C, "input channels"), (group[1], K, "filters")):
            if whole % size:
                raise DecompositionError(
                    f"{layer.name}: groups of {size} {what} do not divide its {whole}; "
                    "wanted a divisor, or the layer in keep_int8"
                )
        self.group, self.price, self.clip, self.detached = group, penalty, clip, detached
        self.rule = Pruning(1.0, "global")
        scales = channel_sizes(weights)
        usual = np.sqrt(2 / (C * layer.R * layer.S))
        latent = weights / scales[:, None, None, None] * usual
        self.latent = nn.Parameter(torch.tensor(latent.astype(np.float32)))
        self.gains = nn.Parameter(torch.tensor((scales / usual).astype(np.float32)))
        power = scales * weights.any(axis=(1, 2, 3))
        reach = power / (power.mean() or 1.0)
        shape = (K // group[1], C // group[0])
        by_group = np.sqrt((reach.reshape(shape[0], group[1]) ** 2).mean(axis=1))
        self.register_buffer("reach", torch.tensor(by_group.astype(np.float32))[:, None])
        self.make_mask(shape)

    def _kept(self) -> torch.Tensor:
        """The latent weights of groups that were not dropped, 0 elsewhere."""
        if bool(self.mask.all()):
            return self.latent
        channels, filters = self.group
        inside = self.mask.repeat_interleave(filters, 0).repeat_interleave(channels, 1)
        return self.latent * inside[:, :, None, None]

    def signs(self) -> torch.Tensor:
        """T, float32 of the weights' shape."""
        kept = self._kept()
        return ternary_from(kept, _least(kept))

    def alpha(self) -> torch.Tensor:
        """Mean magnitude of the latent weights whose sign is not 0; no gradient passes."""
        kept = self._kept().detach().abs()
        chosen = kept >= _least(kept)
        return (kept * chosen).sum() / chosen.sum().clamp(min=1)

    def weight(self) -> torch.Tensor:
        """The weights that signs and scales make."""
        return self.signs() * (self.gains * self.alpha())[:, None, None, None]

    def steps(self) -> torch.Tensor:
        """gains[k] alpha."""
        return self.gains.detach() * self.alpha()

    def integers(self) -> LayerIntegers:
        """Weights of -1, 0 and 1, and their scales."""
        codes = self.signs().detach().cpu().numpy().astype(np.int8)
        scales = self.steps().cpu().numpy().astype(np.float64)
        return LayerIntegers(LayerWeights(weights=np.ascontiguousarray(codes)), scales)

    def scale_channels(self, gains: torch.Tensor) -> None:
        """Scale the gains."""
        with torch.no_grad():
            self.gains.mul_(gains)

    def survivors(self) -> torch.Tensor:
        """Weights that are not 0."""
        return self.signs().detach() != 0

    def norms(self) -> torch.Tensor:
        """Of every group, times its channels' share of the layer's size."""
        return group_norms(self._kept(), self.group) * self.reach

    def penalty(self) -> torch.Tensor:
        """What the loss grows by."""
        return self.price * clipped_sum(self.norms(), self.clip, detached=self.detached)

    def magnitudes(self) -> np.ndarray:
        """What groups compete by where a budget drops some; 0 where nothing is left of one."""
        norms = self.norms().detach().cpu().numpy().astype(np.float64)
        found: np.ndarray = np.where(self.groups_left(), norms, 0.0)
        return found

    def groups_left(self) -> np.ndarray:
        """Groups of which any weight is not 0, bool (K / filters, C / channels)."""
        signs = self.signs().detach().abs()
        left: np.ndarray = (group_norms(signs, self.group) > 0.5).cpu().numpy()
        return left
