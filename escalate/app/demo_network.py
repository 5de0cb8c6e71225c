"""The demo's network: a small residual CNN for 8x8 grey digits, with every kind of layer.

Ordinary 3x3 convolutions (one with stride 2), a depthwise one, a 1x1 one, a residual addition,
batch norms, a global mean pool and a fully connected layer: 184,000 parameters.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Chosen on the training images alone, by leaving out one fifth after the other.
EPOCHS = 28
LEARNING_RATE = 3e-3
BATCH = 64
LABEL_SMOOTHING = 0.1
TURN, STRETCH, SHIFT = 0.2, 0.1, 1.0  # largest turn (radians), stretch (share), shift (pixels)


class DemoNetwork(nn.Module):
    """Images of shape (N, 1, 8, 8), float32, to logits of shape (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _unit(1, 32)
        self.down = _unit(32, 64, stride=2)
        self.left = _unit(64, 64)
        self.right = _unit(64, 64, relu=False)
        self.depthwise = _unit(64, 64, groups=64)
        self.pointwise = _unit(64, 96, kernel=1)
        self.wide = _unit(96, 96)
        self.classifier = nn.Linear(96, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        hidden = self.down(self.stem(images))
        hidden = functional.relu(hidden + self.right(self.left(hidden)))
        hidden = self.wide(self.pointwise(self.depthwise(hidden)))
        pooled = functional.adaptive_avg_pool2d(hidden, 1)
        logits: torch.Tensor = self.classifier(torch.flatten(pooled, 1))
        return logits


def _unit(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """Convolution without bias, batch norm, and a ReLU if asked for."""
    padding = kernel // 2
    parts: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        parts.append(nn.ReLU())
    return nn.Sequential(*parts)


def demo_network(seed: int) -> DemoNetwork:
    """A network with random weights that depend on the seed alone; the global state is kept.

    Examples
    --------
    >>> sum(p.numel() for p in demo_network(0).parameters())
    184042
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DemoNetwork()


def train(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    epochs: int,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Train in place: Adam, a falling rate, slightly moved images; leaves evaluation mode on.

    Parameters
    ----------
    module : network from images to logits
    images : float32, shape (N, 1, 8, 8), normalized
    labels : int64, shape (N,)
    epochs : int >= 1; ``EPOCHS`` is a good number
    seed : int, settles order and movements
    progress : called after every epoch with its number and mean loss
    """
    random = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    module.train()
    for epoch in range(epochs):
        total = 0.0
        order = random.permutation(len(images))
        for start in range(0, len(images), BATCH):
            chosen = torch.from_numpy(order[start : start + BATCH])
            logits = module(moved(images[chosen], random))
            loss = functional.cross_entropy(logits, labels[chosen], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(chosen)
        schedule.step()
        if progress is not None:
            progress(epoch + 1, total / len(images))
    module.eval()


def moved(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Each image turned, stretched and shifted a little, its border repeated.

    Examples
    --------
    >>> images = torch.ones(2, 1, 8, 8)
    >>> bool(torch.allclose(moved(images, np.random.default_rng(0)), images))
    True
    """
    count, _, height, width = images.shape
    turn = random.uniform(-TURN, TURN, count)
    across, down = np.exp(random.uniform(-STRETCH, STRETCH, (2, count)))
    shift = 2.0 * random.uniform(-SHIFT, SHIFT, (2, count)) / [[width], [height]]
    rows = [
        [np.cos(turn) * across, -np.sin(turn) * down, shift[0]],
        [np.sin(turn) * across, np.cos(turn) * down, shift[1]],
    ]
    maps = torch.from_numpy(np.array(rows, np.float32)).permute(2, 0, 1)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
