"""compress: network, checkpoint and images become a folder with two integer models."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from escalate import integer, model_file
from escalate.app.images import CIFAR, Images, canonical, read_images
from escalate.app.modules import build, file_sha256, is_factory
from escalate.app.results import NewFolder
from escalate.app.sources import INT8
from escalate.capture import capture
from escalate.checkpoint import load_checkpoint
from escalate.compression import compress as compress_network
from escalate.errors import DataError, DecompositionError
from escalate.footprint import compression_ratio
from escalate.images import ImageSettings
from escalate.network import FloatNetwork
from escalate.options import CompressOptions
from escalate.retrain import EpochReport
from workloads.integer import IntegerModel

NAMES = (model_file.MANIFEST, model_file.TENSORS, model_file.PROVENANCE, INT8)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FOLDER_SIZE = (224, 224)
BATCH = 128


@dataclass(frozen=True, slots=True)
class Data:
    """Where images come from, and how the network was trained to see them.

    Parameters
    ----------
    name : ``digits``, ``photos``, ``cifar10:FOLDER`` or a folder of image files
    size : (H, W); None for the data's own, or 224 x 224 for a folder
    mean, std : per channel; None for 0 and 1 (digits) or ImageNet's (colour; Assumption)
    limit : use only so many training images
    """

    name: str
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", canonical(self.name))

    def settings(self) -> ImageSettings:
        """How the network sees a pixel."""
        if self.name == "digits":
            return ImageSettings(
                1 / 16, self.mean or (0.0,), self.std or (1.0,), self.size or (8, 8)
            )
        size = self.size or ((32, 32) if self.name.startswith(CIFAR) else FOLDER_SIZE)
        return ImageSettings(1 / 255, self.mean or IMAGENET_MEAN, self.std or IMAGENET_STD, size)

    def read(self) -> tuple[Images, Images, bool]:
        """Training images, test images, and whether the two are different ones.

        A folder with ``train`` and ``val`` in it is split that way; any other folder serves as
        both.
        """
        settings = self.settings()
        channels, size = len(settings.mean), settings.size
        names = {"train": self.name, "test": self.name}
        apart = self.name == "digits" or self.name.startswith(CIFAR)
        folder = Path(self.name)
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            names = {"train": str(folder / "train"), "test": str(folder / "val")}
            apart = True
        train = read_images(names["train"], channels, size, split="train")
        test = read_images(names["test"], channels, size)
        if self.limit is not None:
            labels = None if train.labels is None else train.labels[: self.limit]
            train = replace(train, pixels=train.pixels[: self.limit], labels=labels)
        return train, test, apart


@dataclass(frozen=True, slots=True)
class Compressed:
    """A compressed model folder and what is known about it; a path wherever one is wanted.

    Accuracies are shares of ``images`` test images, None where there are no labels.
    """

    folder: Path
    network: str
    parameters: int
    bytes: int
    int8_bytes: int
    images: int
    accuracy_original: float | None
    accuracy_int8: float | None
    accuracy_compressed: float | None
    notes: tuple[str, ...] = ()

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    @property
    def compression_ratio(self) -> float:
        """Bytes of all original parameters at FP32 over the bytes on disk."""
        return compression_ratio(self.parameters, self.bytes)

    @property
    def int8_ratio(self) -> float:
        """The same for the plain 8-bit model."""
        return compression_ratio(self.parameters, self.int8_bytes)


Progress = Callable[[EpochReport], None]


def options_of(values: Mapping[str, Any]) -> CompressOptions:
    """Options, those given as None left at their defaults.

    Raises
    ------
    DecompositionError
        One line: option, value, what is allowed.

    Examples
    --------
    >>> options_of({"basis": 0})
    Traceback (most recent call last):
    escalate.errors.DecompositionError: --basis 0: input should be greater than or equal to 1
    """
    try:
        return CompressOptions(**{key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field = f"--{first['loc'][0]} {first['input']}: " if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        raise DecompositionError(f"{field}{message[0].lower()}{message[1:]}") from None


def float_accuracy(module: nn.Module, settings: ImageSettings, images: Images) -> float | None:
    """Share of images that the original module gets right; None without labels."""
    if images.labels is None:
        return None
    mean, std = (
        torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)
        for values in (settings.mean, settings.std)
    )
    right = 0
    module.eval()
    with torch.no_grad():
        for start in range(0, len(images.pixels), BATCH):
            part = slice(start, start + BATCH)
            pixels = torch.tensor(images.pixels[part], dtype=torch.float64)
            inputs = ((pixels * settings.pixel_scale - mean) / std).to(torch.float32)
            right += int((module(inputs).argmax(dim=1).numpy() == images.labels[part]).sum())
    return right / len(images.pixels)


def integer_accuracy(model: IntegerModel, images: Images) -> float | None:
    """Share of images that an integer model gets right; None without labels."""
    if images.labels is None:
        return None
    return integer.accuracy(model, images.pixels, images.labels)


def network_sha256(network: FloatNetwork) -> str:
    """Identity of a trained network: digest of its folded weights and biases."""
    sha = hashlib.sha256()
    for node in network.graph.convs:
        for arrays in (network.weights, network.biases):
            sha.update(np.ascontiguousarray(arrays[node.name]).tobytes())
    return sha.hexdigest()


def retraining_file(out: Path) -> Path:
    """Where a retraining keeps its state, beside the folder it will fill."""
    return out.with_name(f".{out.name}.retraining.pt")


def compress(
    network: "str | nn.Module",
    *,
    checkpoint: str | Path | None = None,
    data: "str | Data" = "digits",
    out: str | Path = "compressed",
    resume: bool = False,
    progress: Progress | None = None,
    name: str | None = None,
    **options: Any,
) -> Compressed:
    """Compress a network into a folder: the model, and the same network in plain 8 bits.

    Parameters
    ----------
    network : a built-in name, ``path/to/file.py:factory`` (that file is run), or a module
    checkpoint : the network's trained weights; without it those that the module comes with
    data : images to calibrate with, to retrain on and to test with
    out : the folder; one of ours is replaced, anything else is left alone
    resume : go on with a retraining into the same folder that was killed
    progress : called after each epoch of retraining
    name : of the network
    options : fields of ``escalate.options.CompressOptions``: basis, density, epochs, seed …

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    chosen = options_of(options)
    calibration = {key: options.get(key) for key in ("calibration", "calibration_images")}
    plain = options_of({"method": "int8", **calibration})
    target = Path(out)
    with NewFolder(target, NAMES) as folder:
        module = network if isinstance(network, nn.Module) else build(network, chosen.seed)
        title = name or _title(network)
        notes = _load(module, checkpoint, network)
        where = data if isinstance(data, Data) else Data(data)
        train, test, apart = where.read()
        if not apart:
            notes.append("accuracy on the very images that calibrated the network")
        settings = where.settings()
        example = torch.zeros(1, len(settings.mean), *settings.size)
        captured = capture(module, example, title)
        state = retraining_file(target)
        if not resume:
            state.unlink(missing_ok=True)
        models = {
            INT8: _integers(captured, plain, train, settings, where),
            "": _integers(captured, chosen, train, settings, where, state, progress),
        }
        accuracies = {kind: integer_accuracy(model, test) for kind, model in models.items()}
        original = float_accuracy(module, settings, test)
        about = _about(network, checkpoint, captured, notes) | {
            "accuracy": {
                "images": len(test.pixels),
                "original": original,
                "int8": accuracies[INT8],
                "compressed": accuracies[""],
            }
        }
        for kind, model in models.items():
            told = replace(model, provenance={**model.provenance, **about})
            model_file.save(told, folder / kind)
        state.unlink(missing_ok=True)
        return Compressed(
            target,
            title,
            captured.original_parameters,
            model_file.bytes_on_disk(folder),
            model_file.bytes_on_disk(folder / INT8),
            len(test.pixels),
            original,
            accuracies[INT8],
            accuracies[""],
            tuple(notes),
        )


def _title(network: "str | nn.Module") -> str:
    if isinstance(network, nn.Module):
        return type(network).__name__
    return network.rpartition(":")[2] if is_factory(network) else network


def _load(
    module: nn.Module, checkpoint: str | Path | None, network: "str | nn.Module"
) -> list[str]:
    """Fill the module from its checkpoint; what there is to say about it."""
    if checkpoint is not None:
        return list(load_checkpoint(module, checkpoint))
    if isinstance(network, str):
        return ["untrained weights unless the module brings its own: no checkpoint was given"]
    return []


def _integers(
    network: FloatNetwork,
    options: CompressOptions,
    train: Images,
    settings: ImageSettings,
    data: Data,
    state: Path | None = None,
    progress: Progress | None = None,
) -> IntegerModel:
    if train.labels is None and options.method == "escalate" and options.epochs:
        raise DataError(f"{data.name}: no labels to retrain with; give labels, or --epochs 0")
    return compress_network(
        network,
        options,
        train.pixels,
        train.labels,
        settings,
        source=data.name,
        checkpoint=state,
        progress=progress,
    )


def _about(
    network: "str | nn.Module",
    checkpoint: str | Path | None,
    captured: FloatNetwork,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Where the models come from."""
    about: dict[str, Any] = {
        "network": network if isinstance(network, str) else type(network).__name__,
        "network_sha256": network_sha256(captured),
        "original_parameters": captured.original_parameters,
        "notes": list(notes),
    }
    if isinstance(network, str) and is_factory(network):
        about["file_sha256"] = file_sha256(Path(network.rpartition(":")[0]))
    if checkpoint is not None:
        about["checkpoint"] = {
            "file": Path(checkpoint).name,
            "sha256": file_sha256(Path(checkpoint)),
        }
    return about
