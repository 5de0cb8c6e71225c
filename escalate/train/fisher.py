"""fisher: how much the answers mind a change of each weight, from gradients image by image.

Diagonals only, over images x and, of the network's own answer, classes c of probability f_c:

    model      I = E_x sum_c f_c (d log f_c)^2 = E_x sum_c (d f_c)^2 / f_c
    labels     I = E_x (d log f_y)^2, the empirical Fisher information
    curvature  E_x h^2, with h = sum_c f_c (d log f_c)^2 of one image

Gradients are squared image by image and then averaged.  h is the diagonal of the generalized
Gauss-Newton matrix of the cross-entropy, whatever the label; because every network here is
piecewise linear in the weights of one layer, it is that of the Hessian too, wherever there is one.

A convolution's gradient for one image is the product of its unfolded input and the gradient of its
output; images do not mix in a forward pass, so one backward pass gives all of these at once.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from escalate.errors import DataError
from escalate.train.convolutions import Convolution
from escalate.train.images import image_tensor
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer
from workloads.layer import ConvLayer

Kind = Literal["model", "labels", "curvature"]
MOST_CLASSES = 10  # of more classes some are drawn instead of all taken
MOST_VALUES = 1 << 26  # float32 held at once; fewer images in a chunk where more
Take = Callable[[str, torch.Tensor], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sensitivity, and how.

    Parameters
    ----------
    kind : see the module's head
    draws : classes drawn per image in place of all C, unbiased; 0 for all of them, -1 for all of
        at most ``MOST_CLASSES`` and four draws where there are more
    seed : of the draws
    temperature : the logits are divided by it first (calibration of an overconfident network)

    Raises
    ------
    DataError
        For values out of range, or one draw for ``curvature``, whose square needs two.
    """

    kind: Kind = "model"
    draws: int = -1
    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.draws < -1 or (self.draws == 1 and self.kind == "curvature"):
            raise DataError(
                f"fisher: draws is {self.draws}, wanted -1, 0 or more, and not 1 for curvature"
            )
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise DataError(f"fisher: temperature is {self.temperature}, wanted a number > 0")

    def drawn(self, classes: int) -> int:
        """How many classes are drawn of each image; 0 for all of them.

        Examples
        --------
        >>> Asked().drawn(10), Asked().drawn(1000), Asked(draws=7).drawn(10)
        (0, 4, 7)
        """
        if self.draws >= 0:
            return self.draws
        return 0 if classes <= MOST_CLASSES else 4


def fisher(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    asked: Asked,
    labels: np.ndarray | None = None,
    *,
    batch_mean: bool = False,
    chunk: int | None = None,
) -> dict[str, np.ndarray]:
    """The sensitivity of every weight of every convolution of a float network.

    Parameters
    ----------
    module : GraphModule, the original network in floats
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), images to calibrate with, never ones to test with
    asked : Asked
    labels : integers, shape (N,); for ``labels`` alone
    batch_mean : square the mean of the gradients of a chunk instead, which is another number;
        only to compare with code that does so
    chunk : images at once; None for as many as ``MOST_VALUES`` allows

    Returns
    -------
    float64 >= 0, shape (K, C/groups, R, S), per convolution

    Raises
    ------
    DataError
        If labels are missing or name a class that the network does not have.
    """
    classes = math.prod(module.graph.output.shape)
    if asked.kind == "labels":
        _check_labels(labels, len(pixels), classes)
    uniform = np.random.default_rng(asked.seed).random((len(pixels), asked.drawn(classes)))
    device = next(module.parameters()).device
    step = chunk or _chunk(module, whole=asked.kind == "curvature")
    sums: dict[str, torch.Tensor] = {}
    for start in range(0, len(pixels), step):
        part = slice(start, start + step)
        images = image_tensor(image, pixels[part]).to(device)
        wanted = None if labels is None else torch.from_numpy(labels[part].astype(np.int64))
        found = _Gradients(module, images, asked.temperature)
        scores = _scores(found.logs, asked, torch.from_numpy(uniform[part]), wanted)
        rule = _squared_curvature if asked.kind == "curvature" else _squared
        for name, total in rule(found, scores, asked.drawn(classes), batch_mean).items():
            sums[name] = sums[name] + total if name in sums else total
    return {name: (total / len(pixels)).cpu().numpy() for name, total in sums.items()}


def _check_labels(labels: np.ndarray | None, count: int, classes: int) -> None:
    if labels is None:
        raise DataError("fisher: gradients of the loss need labels, none were given")
    if labels.shape != (count,) or not ((labels >= 0) & (labels < classes)).all():
        raise DataError(f"fisher: labels are {labels.shape}, wanted {count} of 0..{classes - 1}")


def _chunk(module: GraphModule, *, whole: bool) -> int:
    """Images whose tensors, unfolded inputs and gradients fit into ``MOST_VALUES``."""
    layers = module.graph.layers
    sizes = [math.prod(layer.weight_shape) for layer in layers]
    unfolded = [layer.C * layer.R * layer.S * layer.P * layer.Q for layer in layers]
    each = 2 * sum(math.prod(node.shape) for node in module.graph.nodes)
    each += max(unfolded, default=0) + (2 * sum(sizes) if whole else 2 * max(sizes, default=0))
    return max(1, MOST_VALUES // max(each, 1))


class _Gradients:
    """One forward pass of a chunk, and gradients of its weights image by image."""

    def __init__(self, module: GraphModule, images: torch.Tensor, temperature: float) -> None:
        self.names = [node.name for node in module.graph.convs]
        self.layers = {n.name: n.layer for n in module.graph.convs if n.layer is not None}
        self.inputs: dict[str, torch.Tensor] = {}
        self.outputs: dict[str, torch.Tensor] = {}
        hooks = [
            module.convolution(name).register_forward_hook(self._keeper(name))
            for name in self.names
        ]
        try:
            with torch.enable_grad():
                logits = module(images) / temperature
        finally:
            for hook in hooks:
                hook.remove()
        self.logs = functional.log_softmax(logits, dim=1)

    def _keeper(self, name: str) -> Callable[..., None]:
        def keep(_: Convolution, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            self.inputs[name], self.outputs[name] = inputs[0].detach(), output

        return keep

    def visit(self, score: torch.Tensor, take: Take) -> None:
        """Call ``take`` with the gradients (n, K, C/groups, R, S) of a score (n,), by layer."""
        outputs = [self.outputs[name] for name in self.names]
        found = torch.autograd.grad(score.sum(), outputs, retain_graph=True)
        for name, gradient in zip(self.names, found, strict=True):
            take(name, weight_gradients(self.layers[name], self.inputs[name], gradient))


def weight_gradients(layer: ConvLayer, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Gradients of a convolution's weights, one for each image.

    Parameters
    ----------
    layer : ConvLayer
    inputs : float, shape (n, C, H, W)
    outputs : float, shape (n, K, P, Q), gradients of the outputs

    Returns
    -------
    float, shape (n, K, C/groups, R, S)
    """
    top, bottom, left, right = layer.padding
    padded = functional.pad(inputs, (left, right, top, bottom))
    columns = functional.unfold(
        padded, (layer.R, layer.S), dilation=layer.dilations, stride=layer.strides
    )
    count, groups = len(inputs), layer.groups
    columns = columns.reshape(count, groups, -1, layer.P * layer.Q)
    rows = outputs.reshape(count, groups, layer.K // groups, layer.P * layer.Q)
    return (rows @ columns.transpose(2, 3)).reshape(count, *layer.weight_shape)


def _scores(
    logs: torch.Tensor, asked: Asked, uniform: torch.Tensor, labels: torch.Tensor | None
) -> Iterator[torch.Tensor]:
    """Functions (n,) of the images whose squared gradients are to be added up."""
    rows = torch.arange(len(logs), device=logs.device)
    if asked.kind == "labels":
        assert labels is not None
        yield logs[rows, labels.to(logs.device)]
        return
    shares = logs.detach().exp()
    if not uniform.shape[1]:
        for place in range(logs.shape[1]):
            yield shares[:, place].sqrt() * logs[:, place]
        return
    edges = shares.double().cumsum(dim=1)
    for column in uniform.T.to(edges.device):
        drawn = torch.searchsorted(edges, column[:, None] * edges[:, -1:], right=True)[:, 0]
        yield logs[rows, drawn.clamp(max=logs.shape[1] - 1)]


def _squared(
    found: _Gradients, scores: Iterator[torch.Tensor], draws: int, batch_mean: bool
) -> Mapping[str, torch.Tensor]:
    """Sums over images of squared gradients, added up over scores or averaged over draws."""
    sums: dict[str, torch.Tensor] = {}

    def take(name: str, gradients: torch.Tensor) -> None:
        if batch_mean:
            total = len(gradients) * gradients.double().mean(dim=0).square()
        else:
            total = gradients.square().sum(dim=0, dtype=torch.float64)
        sums[name] = sums[name] + total if name in sums else total

    count = 0
    for score in scores:
        found.visit(score, take)
        count += 1
    return {name: total / (count if draws else 1) for name, total in sums.items()}


def _squared_curvature(
    found: _Gradients, scores: Iterator[torch.Tensor], draws: int, batch_mean: bool
) -> Mapping[str, torch.Tensor]:
    """Sums over images of h^2; of draws the products of different ones, so that it is unbiased."""
    first: dict[str, torch.Tensor] = {}
    second: dict[str, torch.Tensor] = {}

    def take(name: str, gradients: torch.Tensor) -> None:
        squares = gradients.square()
        first[name] = first[name] + squares if name in first else squares
        if draws:
            again = squares.square()
            second[name] = second[name] + again if name in second else again

    for score in scores:
        found.visit(score, take)
    if not draws:
        return {name: h.square().sum(dim=0, dtype=torch.float64) for name, h in first.items()}
    pairs = draws * (draws - 1)
    return {
        name: ((h.double().square() - second[name]).sum(dim=0) / pairs).clamp(min=0)
        for name, h in first.items()
    }
