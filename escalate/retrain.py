"""retrain: train a network under compression on its own task, and on the original's logits."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as dump_tensors
from torch.nn import functional

from escalate.convolutions import TernaryConvolution
from escalate.errors import CheckpointError, DecompositionError
from escalate.images import check_images, image_tensor
from escalate.modules import GraphModule
from workloads.integer import ImageQuantizer

TEMPERATURE = 2.0  # Assumption: softening of both sets of logits in the distillation
MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """How to retrain.

    Parameters
    ----------
    epochs : int >= 0
    learning_rate : float > 0.  For Adam relative: every tensor moves in units of the root mean
        square it starts with.  It falls to 0 along half a cosine over all steps
    batch : int >= 1, images per step
    seed : int >= 0, settles the order of the images
    distillation : share of the loss, 0..1, that compares with the teacher's logits
    optimizer : ``adam``, or ``sgd`` with Nesterov momentum 0.9

    Raises
    ------
    DecompositionError
        If a value is out of range.
    """

    epochs: int
    learning_rate: float = 0.01
    batch: int = 64
    seed: int = 0
    distillation: float = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"

    def __post_init__(self) -> None:
        wanted = {
            "epochs": self.epochs >= 0,
            "learning_rate": 0 < self.learning_rate < math.inf,
            "batch": self.batch >= 1,
            "seed": self.seed >= 0,
            "distillation": 0 <= self.distillation <= 1,
        }
        for field, fine in wanted.items():
            if not fine:
                raise DecompositionError(f"retraining: {field} is {getattr(self, field)}")


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What one epoch achieved: mean loss, accuracy 0..1 on the training images as they passed,
    and the share of ternary coefficients that are not zero (1.0 where there are none).
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    density: float


Progress = Callable[[EpochReport], None]


def retrain(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray,
    options: RetrainOptions,
    *,
    teacher: GraphModule | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Train ``module`` in place.

    The result depends on seed, data, number of threads and kind of device alone.  After every
    epoch the thresholds of ternary layers are renewed by their rule.  The module's device is used.

    Parameters
    ----------
    module : GraphModule
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W)
    labels : integers, shape (N,)
    options : RetrainOptions
    teacher : the original network; wanted if ``options.distillation`` is above 0
    checkpoint : file written after every epoch and read at the start if it is there; a run that
        was killed ends with the same weights as one that was not
    progress : called after every epoch that is run

    Raises
    ------
    DataError
        If labels are not one integer per image.
    DecompositionError
        If a teacher is missing, or the loss is no longer finite.
    CheckpointError
        If the checkpoint cannot be read or belongs to another run.
    """
    check_images(pixels, (len(image.mean), *image.size), labels)
    if options.distillation > 0 and teacher is None:
        raise DecompositionError("retraining: distillation is above 0 but there is no teacher")
    optimizer = _optimizer(module, options)
    identity = _identity(module, image, pixels, labels, options)
    first = 0
    if checkpoint is not None and checkpoint.exists():
        first = _load(checkpoint, identity, module, optimizer)
    for epoch in range(first, options.epochs):
        loss, correct = 0.0, 0
        for done, chosen in _batches(len(pixels), options, epoch):
            _set_rate(optimizer, done)
            images = image_tensor(image, pixels[chosen])
            batch_loss, hits = _step(module, optimizer, images, labels[chosen], options, teacher)
            loss, correct = loss + batch_loss * len(chosen) / len(pixels), correct + hits
        if not math.isfinite(loss):
            raise DecompositionError(f"retraining: the loss of epoch {epoch + 1} is not finite")
        _update_thresholds(module)
        if checkpoint is not None:
            _save(checkpoint, identity, module, optimizer, epoch + 1)
        if progress is not None:
            share = correct / len(pixels)
            progress(EpochReport(epoch + 1, options.epochs, loss, share, density(module)))


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
    """Share of the ternary coefficients that are not zero; 1.0 where there are none."""
    signs = [c.signs().detach() for c in module.modules() if isinstance(c, TernaryConvolution)]
    total = sum(s.numel() for s in signs)
    return sum(int(torch.count_nonzero(s)) for s in signs) / total if total else 1.0


def _optimizer(module: GraphModule, options: RetrainOptions) -> torch.optim.Optimizer:
    if options.optimizer == "sgd":
        groups = [{"params": list(module.parameters()), "peak": options.learning_rate}]
        return torch.optim.SGD(groups, options.learning_rate, momentum=MOMENTUM, nesterov=True)
    groups = []
    for parameter in module.parameters():
        size = float(parameter.detach().double().square().mean().sqrt())
        groups.append({"params": [parameter], "peak": options.learning_rate * (size or 1.0)})
    return torch.optim.Adam(groups, options.learning_rate)


def _set_rate(optimizer: torch.optim.Optimizer, done: float) -> None:
    """Half a cosine: the peak at ``done`` = 0, nothing at 1."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * 0.5 * (1.0 + math.cos(math.pi * done))


def _batches(count: int, options: RetrainOptions, epoch: int) -> Iterator[tuple[float, np.ndarray]]:
    """The epoch's batches in their seeded order, each with the share of all steps done before."""
    order = np.random.default_rng([options.seed, epoch]).permutation(count)
    steps = -(-count // options.batch)
    for step in range(steps):
        chosen = order[step * options.batch : (step + 1) * options.batch]
        yield (epoch * steps + step) / (options.epochs * steps), chosen


def _step(
    module: GraphModule,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: np.ndarray,
    options: RetrainOptions,
    teacher: GraphModule | None,
) -> tuple[float, int]:
    """One step; mean loss of the batch and the number of images it got right."""
    device = next(module.parameters()).device
    inputs, targets = images.to(device), torch.from_numpy(labels.astype(np.int64)).to(device)
    logits = module(inputs)
    loss = (1.0 - options.distillation) * functional.cross_entropy(logits, targets)
    if options.distillation > 0 and teacher is not None:
        with torch.no_grad():
            wanted = teacher(inputs)
        loss = loss + options.distillation * _distance(logits, wanted)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach()), int((logits.detach().argmax(dim=1) == targets).sum())


def _distance(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the softened distributions, times the temperature squared."""
    return TEMPERATURE**2 * functional.kl_div(
        functional.log_softmax(logits / TEMPERATURE, dim=1),
        functional.log_softmax(wanted / TEMPERATURE, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def _update_thresholds(module: GraphModule) -> None:
    for convolution in module.modules():
        if isinstance(convolution, TernaryConvolution):
            convolution.update_thresholds()


def _identity(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    labels: np.ndarray,
    options: RetrainOptions,
) -> str:
    """Digest of everything a run starts from, so that a checkpoint is only taken by its own run."""
    about = {"options": asdict(options), "image": asdict(image), "graph": repr(module.graph)}
    about["ranges"] = repr(module.ranges)
    sha = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for array in (pixels, labels):
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    for name, values in module.state_dict().items():
        sha.update(name.encode())
        sha.update(values.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _save(
    path: Path, identity: str, module: GraphModule, optimizer: torch.optim.Optimizer, epoch: int
) -> None:
    """Write beside the file and rename, so that a kill leaves the old checkpoint or the new."""
    tensors = {f"module/{name}": values for name, values in module.state_dict().items()}
    for position, parameter in enumerate(module.parameters()):
        for name, values in optimizer.state[parameter].items():
            tensors[f"optimizer/{position}/{name}"] = values
    whole = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(dump_tensors(whole, {"identity": identity, "epoch": str(epoch)}))
    beside.replace(path)


def _load(path: Path, identity: str, module: GraphModule, optimizer: torch.optim.Optimizer) -> int:
    """Restore module and optimizer; the number of epochs done."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: no checkpoint of a retraining ({error})") from error
    if about.get("identity") != identity:
        raise CheckpointError(f"{path}: the checkpoint belongs to another run; remove it")
    prefix = "module/"
    module.load_state_dict(
        {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
    )
    for position, parameter in enumerate(module.parameters()):
        prefix = f"optimizer/{position}/"
        for name in sorted(tensors):
            if name.startswith(prefix):
                field = name.removeprefix(prefix)
                device = "cpu" if field == "step" else parameter.device
                optimizer.state[parameter][field] = tensors[name].to(device)
    return int(about["epoch"])
