"""A network small enough to compress in a moment, and its compressed folder."""

import torch
from torch import nn

from escalate.app.compress import compress
from escalate.app.compressed import Compressed
from escalate.app.data import Data
from escalate.app.demo import one_thread


class Tiny(nn.Module):
    """Digits to logits: an ordinary, a strided, a depthwise and a 1x1 convolution."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point = nn.Conv2d(6, 8, 1)
        self.last = nn.Linear(8 * 16, 10)

    def forward(self, images):
        hidden = torch.relu(self.second(torch.relu(self.first(images))))
        hidden = torch.relu(self.point(torch.relu(self.depthwise(hidden))))
        return self.last(torch.flatten(hidden, 1))


def tiny() -> Tiny:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Tiny()


def tiny_folder(folder) -> Compressed:
    """The network after one epoch on a few digits."""
    with one_thread():
        return compress(tiny(), data=Data("digits", limit=64), out=folder, epochs=1, basis=4)
