"""retrain: train a network under compression on its own task, and on the original's logits."""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from escalate.errors import DataError, DecompositionError
from escalate.train.augment import augmented, mixed
from escalate.train.convolutions import QuantizedConvolution, TernaryConvolution
from escalate.train.images import check_images, image_tensor
from escalate.train.modules import GraphModule
from escalate.train.pruning import drop_weights
from escalate.train.retrain_state import load_state, run_identity, save_state
from escalate.train.settings import RetrainOptions
from workloads.integer import ImageQuantizer

TEMPERATURE = 2.0  # Assumption: softening of both sets of logits in the distillation
MOMENTUM = 0.9
RENEWALS = 4  # of thresholds and masks in every epoch, besides the one at its end


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch achieved.

    Parameters
    ----------
    epoch, epochs : number of this one, from 1, and of all
    loss : mean over the training images as they passed, without the penalties of layers
    accuracy : share of them, 0..1, that the network got right; None without labels
    density : share of ternary coefficients and pruned weights that are not zero, 1.0 where there
        are none
    seconds : time that the epoch took, measurements between epochs not counted
    held_out : accuracy on the images kept out of the training, None where there are none
    stored_bytes : size of the model if it were written now, None where nobody asked
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    density: float
    seconds: float
    held_out: float | None = None
    stored_bytes: int | None = None


Progress = Callable[[EpochReport], None]
Measure = Callable[[GraphModule], int]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Images to train on, and those to look at after every epoch.

    Parameters
    ----------
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W)
    labels : integers, shape (N,), or None where the teacher alone is followed
    held_out : pixels and labels that are never trained on, or None

    Raises
    ------
    DataError
        If pixels or labels are of another type or shape.
    """

    image: ImageQuantizer
    pixels: np.ndarray
    labels: np.ndarray | None
    held_out: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        check_images(self.pixels, (len(self.image.mean), *self.image.size), self.labels)


def retrain(
    module: GraphModule,
    lesson: Lesson,
    options: RetrainOptions,
    *,
    teacher: GraphModule | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    measure: Measure | None = None,
    fit: Measure | None = None,
) -> None:
    """Train ``module`` in place, on the device where it is.

    The result depends on seed, data, number of threads and kind of processor alone.  Several times
    an epoch the thresholds of ternary layers are renewed by their rule, and masks of pruned ones
    where there is a ramp.

    Parameters
    ----------
    module : GraphModule
    lesson : Lesson
    options : RetrainOptions
    teacher : the original network; wanted if ``options.distillation`` is above 0
    checkpoint : file written after every epoch and read at the start if it is there; a run that
        was killed ends with the same weights as one that was not
    progress : called after every epoch that is run
    measure : stored bytes of the module as it is, for the report
    fit : called after every epoch in which the rules are in full force; may thin coefficients and
        returns the bytes stored then, so that they need not be measured again

    Raises
    ------
    DataError
        If there are no labels and the loss is not the teacher's alone.
    DecompositionError
        If a teacher is missing, or the loss is no longer finite.
    CheckpointError
        If the checkpoint cannot be read, written, or belongs to another run.
    """
    _check_taught(lesson, options, teacher)
    optimizer = _optimizer(module, options)
    trained = {name for name, each in module.named_parameters() if each.requires_grad}
    identity = run_identity(module, lesson, options)
    first = 0
    if checkpoint is not None and checkpoint.exists():
        first = load_state(checkpoint, identity, module, optimizer)
    for epoch in range(first, options.epochs):
        _choose_updates(module, options, epoch, trained)
        done = _epoch(module, optimizer, lesson, options, teacher, epoch)
        stored = None
        if fit is not None and _ease(options, (epoch + 1) / options.epochs) == 0:
            stored = fit(module)
        if checkpoint is not None:
            save_state(checkpoint, identity, module, optimizer, epoch + 1)
        if progress is not None:
            if stored is None and measure is not None:
                stored = measure(module)
            progress(_report(module, lesson, done, epoch + 1, options.epochs, stored))
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in trained)


def _check_taught(lesson: Lesson, options: RetrainOptions, teacher: GraphModule | None) -> None:
    """Refuse a loss that has nothing to go by."""
    if options.distillation > 0 and teacher is None:
        raise DecompositionError("retraining: distillation is above 0 but there is no teacher")
    if lesson.labels is None and options.distillation < 1:
        raise DataError("retraining: there are no labels; give them, or distillation = 1")


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over the images: mean loss, how many the network got right, and its seconds."""

    loss: float
    right: int
    seconds: float


def _report(
    module: GraphModule, lesson: Lesson, done: _Pass, epoch: int, epochs: int, stored: int | None
) -> EpochReport:
    """What ``epoch``, counted from 1, achieved."""
    return EpochReport(
        epoch,
        epochs,
        done.loss,
        None if lesson.labels is None else done.right / len(lesson.pixels),
        density(module),
        done.seconds,
        lesson.held_out and accuracy(module, lesson.image, *lesson.held_out),
        stored,
    )


def _epoch(
    module: GraphModule,
    optimizer: torch.optim.Optimizer,
    lesson: Lesson,
    options: RetrainOptions,
    teacher: GraphModule | None,
    epoch: int,
) -> _Pass:
    """Train on every image once.

    Raises
    ------
    DecompositionError
        If the loss is no longer finite.
    """
    begun = time.monotonic()
    count, labels = len(lesson.pixels), lesson.labels
    steps = -(-count // options.batch)
    random = np.random.default_rng([options.seed, epoch])
    order = random.permutation(count)
    total, right = 0.0, 0
    renewals = {round(steps * part / RENEWALS) for part in range(RENEWALS)}
    for step in range(steps):
        done = (epoch * steps + step) / (options.epochs * steps)
        if step in renewals:
            _advance(module, options, done)
            silence_idle(module)
        for group in optimizer.param_groups:  # half a cosine, from the peak to nothing
            group["lr"] = group["peak"] * 0.5 * (1.0 + math.cos(math.pi * done))
        chosen = order[step * options.batch : (step + 1) * options.batch]
        pixels = augmented(lesson.pixels[chosen], options.augment, random)
        wanted = None if labels is None else torch.from_numpy(labels[chosen].astype(np.int64))
        shares = None
        if options.augment == "mix":
            pixels, part = mixed(pixels, random)
            shares = torch.from_numpy(part)
        images = image_tensor(lesson.image, pixels)
        loss, hits = _step(module, optimizer, images, wanted, options, teacher, shares)
        total, right = total + loss * len(chosen) / count, right + hits
    _advance(module, options, (epoch + 1) / options.epochs)
    if not math.isfinite(total):
        raise DecompositionError(f"retraining: the loss of epoch {epoch + 1} is not finite")
    return _Pass(total, right, time.monotonic() - begun)


def _advance(module: GraphModule, options: RetrainOptions, done: float) -> None:
    """Apply what every layer has of rules, as they stand when ``done`` of the steps are behind."""
    renew_survivors(module, _ease(options, done))
    for convolution in module.modules():
        if isinstance(convolution, QuantizedConvolution):
            convolution.advance(done)


def _ease(options: RetrainOptions, done: float) -> float:
    """How far the dropping of coefficients still is from its end, 1..0."""
    return max(0.0, 1.0 - done / options.ramp) if options.ramp > 0 else 0.0


def _choose_updates(
    module: GraphModule, options: RetrainOptions, epoch: int, trained: Collection[str]
) -> None:
    """Which of the trained parameters this epoch moves: all, or in turn coefficients and the rest.

    Weights of layers kept at 8 bits count as coefficients.
    """
    if options.updates == "joint":
        return
    for name, parameter in module.named_parameters():
        is_coefficient = name.rpartition(".")[2] in ("latent", "weights")
        parameter.requires_grad_(name in trained and is_coefficient == (epoch % 2 == 0))


def accuracy(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray,
    batch: int = 256,
) -> float:
    """Share of images, 0..1, whose largest logit is the label's (the first of equals)."""
    check_images(pixels, (len(image.mean), *image.size), labels)
    device = next(module.parameters()).device
    correct = 0
    with torch.no_grad():
        for start in range(0, len(pixels), batch):
            images = image_tensor(image, pixels[start : start + batch])
            chosen = module(images.to(device)).argmax(dim=1).cpu().numpy()
            correct += int((chosen == labels[start : start + batch]).sum())
    return correct / len(pixels)


def density(module: GraphModule) -> float:
    """Share of ternary coefficients and pruned weights that are not zero; 1.0 without any."""
    quantized = [each for each in module.modules() if isinstance(each, QuantizedConvolution)]
    found = [alive for each in quantized if (alive := each.survivors()) is not None]
    total = sum(alive.numel() for alive in found)
    return sum(int(alive.sum()) for alive in found) / total if total else 1.0


def renew_survivors(module: GraphModule, ease: float = 0.0) -> None:
    """Apply every layer's rule, as it stands at that ``ease``, to its coefficients or weights."""
    drop_weights(module, ease)
    for convolution in module.modules():
        if isinstance(convolution, TernaryConvolution):
            convolution.update_thresholds(ease)


def silence_idle(module: GraphModule) -> None:
    """Let filters of which nothing survived give 0, where a ReLU follows, to have them removed.

    Such a filter gives the same number everywhere, its bias; training goes on without it.
    Assumption: ours.
    """
    for node in module.graph.convs:
        convolution = module.convolution(node.name)
        if not (node.relu and isinstance(convolution, QuantizedConvolution)):
            continue
        with torch.no_grad():
            alive = convolution.survivors()
            if alive is not None:
                idle, bias = ~alive.flatten(1).any(dim=1), convolution.bias
                bias.copy_(torch.where(idle, bias.clamp(max=0.0), bias))


def _optimizer(module: GraphModule, options: RetrainOptions) -> torch.optim.Optimizer:
    if options.optimizer == "sgd":
        groups = [{"params": list(module.parameters()), "peak": options.learning_rate}]
        return torch.optim.SGD(groups, options.learning_rate, momentum=MOMENTUM, nesterov=True)
    groups = []
    for parameter in module.parameters():
        size = float(parameter.detach().double().square().mean().sqrt())
        groups.append({"params": [parameter], "peak": options.learning_rate * (size or 1.0)})
    return torch.optim.Adam(groups, options.learning_rate, fused=True)


def _step(
    module: GraphModule,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor | None,
    options: RetrainOptions,
    teacher: GraphModule | None,
    shares: torch.Tensor | None,
) -> tuple[float, int]:
    """One step; mean loss of the batch and the number of images it got right."""
    device = next(module.parameters()).device
    inputs = images.to(device, memory_format=torch.channels_last)
    low = options.precision == "bfloat16"
    with torch.autocast(device.type, torch.bfloat16, enabled=low):
        logits = module(inputs).float()
        if options.distillation > 0 and teacher is not None:
            with torch.no_grad():
                example = teacher(inputs).float()
    loss, right = torch.zeros((), device=device), 0
    if labels is not None:
        targets = labels.to(device)
        right = int((logits.detach().argmax(dim=1) == targets).sum())
        loss = loss + (1.0 - options.distillation) * surprise(logits, targets, shares)
    if options.distillation > 0:
        loss = loss + options.distillation * _distance(logits, example)
    if options.l1 > 0:
        loss = loss + options.l1 * _mean_magnitude(module)
    told = float(loss.detach())  # of the images, so that epochs with other penalties compare
    for convolution in module.modules():
        if isinstance(convolution, QuantizedConvolution):
            penalty = convolution.penalty()
            loss = loss if penalty is None else loss + penalty
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return told, right


def surprise(
    logits: torch.Tensor, targets: torch.Tensor, shares: torch.Tensor | None
) -> torch.Tensor:
    """Cross entropy with the labels; of a mixture with both of them, by their shares."""
    if shares is None:
        return functional.cross_entropy(logits, targets)
    own = functional.cross_entropy(logits, targets, reduction="none")
    other = functional.cross_entropy(logits, targets.roll(-1), reduction="none")
    shares = shares.to(logits.device)
    return (shares * own + (1.0 - shares) * other).mean()


def _mean_magnitude(module: GraphModule) -> torch.Tensor:
    """Mean magnitude of all latent coefficients."""
    latent = [c.latent for c in module.modules() if isinstance(c, TernaryConvolution)]
    total = torch.stack([values.abs().sum() for values in latent]).sum()
    return total / sum(values.numel() for values in latent)


def _distance(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the softened distributions, times the temperature squared."""
    return TEMPERATURE**2 * functional.kl_div(
        functional.log_softmax(logits / TEMPERATURE, dim=1),
        functional.log_softmax(wanted / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )
