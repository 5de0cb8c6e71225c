"""VGG-16 for CIFAR-10, and how the one that this project reports about was trained.

    python docs/recipes/vgg16_cifar10.py --data cifar-10-batches-py --out vgg16.pt
    escalate compress docs/recipes/vgg16_cifar10.py:build --checkpoint vgg16.pt \
        --data cifar10:cifar-10-batches-py

Thirteen convolutions with batch norm, a maximum pooling behind each of the five blocks, one fully
connected layer: github.com/kuangliu/pytorch-cifar, models/vgg.py.  Trained on all training images
but the last 2,000, on which the choices of a compression are made; in bfloat16 where it is fast.
A run that was killed goes on from its last epoch; the result depends on seed and threads alone.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workloads import load

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
HELD_OUT = 2000
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAD = 4  # pixels of reflection that a crop may be moved into


def build() -> nn.Module:
    """The network with random weights: (N, 3, 32, 32) to (N, 10)."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in BLOCKS:
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))


def normalized(pixels: np.ndarray) -> torch.Tensor:
    """Pixels (N, 3, H, W) of uint8 as the network sees them, float32."""
    mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (MEAN, STD))
    return ((torch.tensor(pixels, dtype=torch.float32) / 255 - mean) / std).float()


def augmented(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored or not, and moved by up to PAD pixels."""
    count, _, rows, columns = images.shape
    padded = functional.pad(images, (PAD, PAD, PAD, PAD), mode="reflect")
    down, across, mirror = (
        torch.randint(0, most, (count, 1), generator=generator)
        for most in (2 * PAD + 1, 2 * PAD + 1, 2)
    )
    y = down + torch.arange(rows)
    x = across + torch.arange(columns)
    x = torch.where(mirror == 1, x.flip(1), x)
    place = torch.arange(count)[:, None, None]
    return padded.permute(0, 2, 3, 1)[place, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def share_right(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy, 0..1, in float32."""
    module.eval()
    with torch.no_grad():
        hits = [module(part).argmax(1) for part in images.split(250)]
    module.train()
    return float((torch.cat(hits) == labels).float().mean())


def rate_at(done: float, peak: float) -> float:
    """Learning rate when the share ``done`` of all steps is over: up for a fifth, then down."""
    return peak * min(done / 0.2, (1 - done) / 0.8)


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of CIFAR-10's Python files")
    parser.add_argument("--out", required=True, type=Path, help="the checkpoint to write")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--peak", type=float, default=0.1, help="largest learning rate")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()

    found = load.cifar10(told.data, "train")
    assert found.labels is not None
    images, labels = normalized(found.pixels), torch.from_numpy(found.labels).long()
    train, held_out = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    torch.manual_seed(told.seed)
    module = build().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        module.parameters(), told.peak, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    state, first = told.out.with_name(told.out.name + ".state"), 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        module.load_state_dict(saved["module"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["epoch"]
    steps = -(-len(images[train]) // told.batch)
    for epoch in range(first, told.epochs):
        generator = torch.Generator().manual_seed(told.seed * 1000 + epoch)
        begun, total = time.monotonic(), 0.0
        order = torch.randperm(len(images[train]), generator=generator)
        for step, chosen in enumerate(order.split(told.batch)):
            for group in optimizer.param_groups:
                group["lr"] = rate_at((epoch * steps + step) / (told.epochs * steps), told.peak)
            inputs = augmented(images[chosen], generator)
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = module(inputs)
            loss = functional.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        part = state.with_name(state.name + ".part")
        saved = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(saved | {"epoch": epoch + 1}, part)
        part.replace(state)
        right = share_right(module, images[held_out], labels[held_out])
        print(
            f"epoch {epoch + 1}/{told.epochs}: loss {total / steps:.4f}, "
            f"{100 * right:.2f} % of the held-out images, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
    torch.save(module.state_dict(), told.out)


if __name__ == "__main__":
    main()
