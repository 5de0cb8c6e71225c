"""pruning: 8-bit weights of which only the strongest survive, and the rule that picks them.

The rule (Assumption: ours, of published parts): a weight once dropped is zero and stays so.  Where
retraining lowers the density step by step (``ramp``), the weakest of the survivors are dropped
next, by their magnitudes as they are then; without a ramp the mask is that of the weights as they
came, and retraining moves the survivors alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from escalate.errors import DecompositionError
from escalate.ternary.survival import eased_density
from escalate.train.convolutions import Int8Convolution, QuantizedConvolution, per_weight
from escalate.train.settings import Scope
from workloads.layer import ConvLayer


@dataclass(frozen=True, slots=True)
class Pruning:
    """How many weights survive, and which of them compete.

    Parameters
    ----------
    density : share of the weights that survive, 0..1, at least one weight
    scope : ``global``: the weights of all such layers compete with each other, and this is the
        density of all together; ``layer``: each layer has this density

    Raises
    ------
    DecompositionError
        If the density is out of range.
    """

    density: float
    scope: Scope = "global"

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise DecompositionError(f"density is {self.density}, wanted a number in (0, 1]")


def strengths(magnitudes: np.ndarray) -> np.ndarray:
    """Magnitudes of one layer made comparable with those of other layers.

    A weight's square over the sum of squares of all weights of its layer that are at least as
    large (LAMP, arXiv 2010.07611): the share that is lost of what larger ones have left.  Within a
    layer the order stays; its largest weight has strength 1 over the number of its equals.

    Notes
    -----
    Plain magnitudes do not compare: folded batch norms give every layer a size of its own.  On
    ResNet-20 (CIFAR-10), 20 % of the weights left, matched, not retrained, 1,000 training
    images: 15.9 % right by magnitude, 72.4 % with 20 % in each layer, 81.9 % by strength.

    Parameters
    ----------
    magnitudes : float >= 0, any shape

    Returns
    -------
    float64, same shape, 0..1

    Examples
    --------
    >>> strengths(np.array([1.0, 2.0, 2.0, 0.0])).tolist()
    [0.1111111111111111, 0.5, 0.5, 0.0]
    """
    squares = magnitudes.astype(np.float64) ** 2
    order = np.sort(squares, axis=None)
    sums = np.cumsum(order[::-1])[::-1]  # of this one and all larger ones
    left = sums[np.searchsorted(order, squares)]
    return squares / np.where(left > 0, left, 1.0)


def strongest(values: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """Masks of the ``count`` largest of all values, exactly so many.

    Of equals the first ones are taken, array by array in C order.

    Parameters
    ----------
    values : floats without NaN, arrays of any shapes
    count : 0 to the number of values

    Returns
    -------
    bool, one mask for each array

    Examples
    --------
    >>> [mask.tolist() for mask in strongest([np.array([2.0, 1.0]), np.array([1.0, 3.0])], 3)]
    [[True, True], [False, True]]
    """
    flat = np.concatenate([array.ravel() for array in values])
    mask: np.ndarray = np.ones(flat.size, bool)
    dropped = flat.size - count
    if dropped:
        edge = np.partition(flat, dropped - 1)[dropped - 1]  # the largest that is dropped
        mask = flat > edge
        equals = np.flatnonzero(flat == edge)
        mask[equals[: count - int(mask.sum())]] = True
    places = np.cumsum([array.size for array in values])[:-1]
    parts = zip(np.split(mask, places), values, strict=True)
    return [part.reshape(array.shape) for part, array in parts]


class Masked(QuantizedConvolution):
    """A convolution of which ``drop_weights`` drops parts, for good.

    A subclass sets ``rule``, makes the mask, and says in ``magnitudes`` what parts compete by.
    """

    rule: Pruning
    mask: torch.Tensor  # bool, a part each
    share: torch.Tensor  # of the rule's density, below 1 where a budget asks for fewer

    def make_mask(self, shape: tuple[int, ...]) -> None:
        """Let everything through."""
        self.register_buffer("mask", torch.ones(shape, dtype=torch.bool))
        self.register_buffer("share", torch.ones((), dtype=torch.float64))

    def thin(self, share: float) -> None:
        """Lower the density; ``drop_weights`` acts on it."""
        self.share.mul_(share)

    def magnitudes(self) -> np.ndarray:
        """What parts compete by, float64 >= 0 of the mask's shape."""
        raise NotImplementedError(f"{type(self).__name__} has no magnitudes")


class PrunedConvolution(Masked, Int8Convolution):
    """Weights of at most eight bits of which a mask lets only some through; see ``drop_weights``.

    The gradient passes straight through the rounding to the survivors, and not to the others.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    rule : Pruning; nothing is dropped yet
    bits : 2..8; integers up to 2^(bits - 1) - 1
    importance : float >= 0, shape (C,), second moments of the input channels, whose roots multiply
        the magnitudes (as in Wanda, arXiv 2306.11695); None for 1
    """

    def __init__(
        self,
        layer: ConvLayer,
        weights: np.ndarray,
        bias: np.ndarray,
        rule: Pruning,
        bits: int = 8,
        *,
        importance: np.ndarray | None = None,
    ) -> None:
        super().__init__(layer, weights, bias, bits)
        self.rule = rule
        self._reach = None if importance is None else np.sqrt(per_weight(layer, importance))
        self.make_mask(weights.shape)

    def latent(self) -> torch.Tensor:
        """The floats of the survivors, 0 elsewhere."""
        return self.weights * self.mask

    def survivors(self) -> torch.Tensor:
        """Weights that are not 0; a survivor may be rounded to 0, so at most those of the mask."""
        return self.weight().detach() != 0

    def magnitudes(self) -> np.ndarray:
        """What weights compete by, float64 of the weights' shape."""
        found: np.ndarray = np.abs(self.latent().detach().cpu().numpy().astype(np.float64))
        return found if self._reach is None else found * self._reach[:, :, None, None]


def drop_weights(module: nn.Module, ease: float = 0.0) -> None:
    """Drop the weakest parts of all masked convolutions, down to the density of their rules.

    Parameters
    ----------
    module : changed in place; layers compete in the order in which it holds them
    ease : how far the rules are from their full force, see ``survival.eased_density``
    """
    found = [each for each in module.modules() if isinstance(each, Masked)]
    groups = [[each] for each in found if each.rule.scope == "layer"]
    groups.append([each for each in found if each.rule.scope == "global"])
    for group in groups:
        if group:
            _drop(group, ease)


def _drop(convolutions: Sequence[Masked], ease: float) -> None:
    """Drop parts of layers that compete with each other."""
    masks = [each.mask.cpu().numpy() for each in convolutions]
    total, left = sum(mask.size for mask in masks), sum(int(mask.sum()) for mask in masks)
    wanted = convolutions[0].rule.density * float(convolutions[0].share)
    count = max(1, round(eased_density(wanted, ease) * total))
    if count >= left:
        return
    # What was dropped is weaker than a survivor that is 0.
    ranked = [
        np.where(mask, strengths(each.magnitudes()), -1.0)
        for mask, each in zip(masks, convolutions, strict=True)
    ]
    for convolution, mask in zip(convolutions, strongest(ranked, count), strict=True):
        convolution.mask.copy_(torch.from_numpy(mask))
