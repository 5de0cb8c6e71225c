"""vae_training: train an autoencoder on patches of images; a run that was killed goes on."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from escalate.compressors.vae import CHANNELS, STRIDE, Vae, VaeSizes
from escalate.errors import DataError, DecompositionError
from escalate.train.retrain_state import load_state, save_state

BATCH = 32
STEEPEST = 1000.0  # longest gradient that is taken as it is; losses are thousands of nats


@dataclass(frozen=True, slots=True)
class VaeOptions:
    """How to train.

    Parameters
    ----------
    epochs : int >= 1
    patches : of an epoch, whatever the data; whole batches of 32
    seed : int >= 0, of weights, patches and noise
    patch : side of a patch in pixels, a multiple of 4
    learning_rate : of Adam, falls to 0 along half a cosine

    Raises
    ------
    DecompositionError
        If a value is out of range.
    """

    epochs: int = 30
    patches: int = 8192
    seed: int = 0
    patch: int = 32
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        wanted = {
            "epochs": self.epochs >= 1,
            "patches": self.patches >= BATCH,
            "seed": self.seed >= 0,
            "patch": self.patch >= STRIDE and self.patch % STRIDE == 0,
            "learning_rate": 0 < self.learning_rate < math.inf,
        }
        for field, fine in wanted.items():
            if not fine:
                raise DecompositionError(f"vae: {field} is {getattr(self, field)}")


Progress = Callable[[int, int, float], None]


def trained_vae(
    pixels: np.ndarray,
    sizes: VaeSizes,
    options: VaeOptions,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Vae:
    """An autoencoder trained on random patches, mirrored or not.

    The result depends on data, options, number of threads and kind of processor alone.

    Parameters
    ----------
    pixels : uint8, shape (N, 3, H, W), no smaller than a patch
    sizes : VaeSizes
    options : VaeOptions
    checkpoint : file written after every epoch and read at the start if it is there
    progress : called after every epoch with its number, their number and the mean loss in nats
        per patch

    Raises
    ------
    DataError
        If the pixels are not so.
    DecompositionError
        If the loss is no longer finite.
    CheckpointError
        If the checkpoint cannot be read, written, or belongs to another run.
    """
    side = options.patch
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != CHANNELS:
        raise DataError(
            f"images: are {pixels.dtype} {pixels.shape}, wanted uint8 (N, {CHANNELS}, H, W)"
        )
    if not len(pixels) or min(pixels.shape[2:]) < side:
        raise DataError(f"images: are {pixels.shape}, wanted {side} x {side} pixels at least")
    vae = Vae(sizes, options.seed).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(vae.parameters(), options.learning_rate)
    identity = _identity(pixels, sizes, options)
    first = 0
    if checkpoint is not None and checkpoint.exists():
        first = load_state(checkpoint, identity, vae, optimizer)
    for epoch in range(first, options.epochs):
        loss = _epoch(vae, optimizer, pixels, options, epoch)
        if not math.isfinite(loss):
            raise DecompositionError(f"vae: the loss of epoch {epoch + 1} is not finite")
        if checkpoint is not None:
            save_state(checkpoint, identity, vae, optimizer, epoch + 1)
        if progress is not None:
            progress(epoch + 1, options.epochs, loss)
    return vae.eval()


def _identity(pixels: np.ndarray, sizes: VaeSizes, options: VaeOptions) -> str:
    """Digest of everything a run starts from."""
    about = json.dumps([asdict(sizes), asdict(options), pixels.shape])
    return hashlib.sha256(about.encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _epoch(
    vae: Vae,
    optimizer: torch.optim.Optimizer,
    pixels: np.ndarray,
    options: VaeOptions,
    epoch: int,
) -> float:
    """Mean loss of an epoch, nats per patch."""
    random = np.random.default_rng([options.seed, epoch])
    steps, total = options.patches // BATCH, 0.0
    side = options.patch // STRIDE
    for step in range(steps):
        done = (epoch * steps + step) / (options.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
        images = torch.from_numpy(patches(pixels, BATCH, options.patch, random)).float() / 255
        shape = (BATCH, vae.sizes.latents, side, side)
        noise = torch.from_numpy(random.standard_normal(shape, np.float32))
        loss = vae.loss(images.to(memory_format=torch.channels_last), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), STEEPEST)
        optimizer.step()
        total += float(loss.detach()) / steps
    return total


def patches(pixels: np.ndarray, count: int, side: int, random: np.random.Generator) -> np.ndarray:
    """Random squares of random images, mirrored or not; uint8, shape (count, 3, side, side).

    Examples
    --------
    >>> pixels = np.arange(48, dtype=np.uint8).reshape(1, 3, 4, 4)
    >>> patches(pixels, 2, 2, np.random.default_rng(0)).shape
    (2, 3, 2, 2)
    """
    number, _, height, width = pixels.shape
    which = random.integers(0, number, count)
    tops = random.integers(0, height - side + 1, count)
    lefts = random.integers(0, width - side + 1, count)
    mirrored = random.integers(0, 2, count)
    found = np.empty((count, CHANNELS, side, side), np.uint8)
    for place, (one, top, left, flip) in enumerate(zip(which, tops, lefts, mirrored, strict=True)):
        square = pixels[one, :, top : top + side, left : left + side]
        found[place] = square[..., ::-1] if flip else square
    return found
