"""compress: network, checkpoint and images become a folder with two integer models."""

import hashlib
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from arch.allowed import allowed
from escalate import model_file
from escalate.app.images import CIFAR, Images, canonical, read_images
from escalate.app.machines import parsed
from escalate.app.modules import build, file_sha256, is_factory, is_onnx
from escalate.app.results import NewFolder
from escalate.app.scores import Scores, float_logits, integer_logits, scores
from escalate.app.sources import COMPRESSED, INT8
from escalate.capture import capture, precision
from escalate.checkpoint import load_checkpoint
from escalate.compression import compress as compress_network
from escalate.errors import CaptureError, DataError, DecompositionError
from escalate.footprint import compression_ratio, sizes
from escalate.images import ImageSettings
from escalate.network import FloatNetwork
from escalate.onnx_module import OnnxModule
from escalate.options import CompressOptions
from escalate.retrain import EpochReport
from workloads.integer import IntegerModel
from workloads.number import shown
from workloads.read_file import read_text

NAMES = (model_file.MANIFEST, model_file.TENSORS, model_file.PROVENANCE, INT8)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FOLDER_SIZE = (224, 224)


@dataclass(frozen=True, slots=True)
class Data:
    """Where images come from, and how the network was trained to see them.

    Parameters
    ----------
    name : ``digits``, ``photos``, ``cifar10:FOLDER`` or a folder of image files
    size : (H, W); None for the data's own, or 224 x 224 for a folder
    mean, std : per channel; None for 0 and 1 (digits) or ImageNet's (colour; Assumption)
    limit : use only so many training images
    held_out : score on the last so many training images instead of the test images, and do not
        train on them
    """

    name: str
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    limit: int | None = None
    held_out: int | None = None

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
        if self.held_out is not None:
            train, test = self._held_out(train)
            return train.first(self.limit), test, True
        test = read_images(names["test"], channels, size)
        return train.first(self.limit), test, apart

    def _held_out(self, images: Images) -> tuple[Images, Images]:
        """All but the last images, and those."""
        count = len(images.pixels)
        if not 1 <= (self.held_out or 0) < count:
            raise DataError(
                f"{self.name}: {self.held_out} images to hold out, wanted 1..{count - 1} "
                f"of its {count}"
            )
        first = count - (self.held_out or 0)
        labels = None if images.labels is None else images.labels[first:]
        return images.first(first), replace(images, pixels=images.pixels[first:], labels=labels)


@dataclass(frozen=True, slots=True)
class Compressed:
    """A compressed model folder and what is known about it; a path wherever one is wanted.

    Parameters
    ----------
    folder : where it lies
    network : its name
    parameters : of the original network
    convolution_parameters : those of them that are not in fully connected layers
    bytes, int8_bytes : on disk, of the compressed model and of the plain 8-bit one
    convolution_bytes : the part of ``bytes`` that belongs to convolutions, headers not counted
    original, int8, compressed : Scores of the three forms, on images that were not trained on
        unless a note says so
    notes : what there is to say
    method : what made it, as in ``CompressOptions``
    """

    folder: Path
    network: str
    parameters: int
    convolution_parameters: int
    bytes: int
    int8_bytes: int
    convolution_bytes: int
    original: Scores
    int8: Scores
    compressed: Scores
    notes: tuple[str, ...] = ()
    method: str = "escalate"

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    def _repr_html_(self) -> str:
        from escalate.app.display import form_rows, html_table

        rows = form_rows(self)
        told = f"{self.images} images; written to {self.folder}"
        return html_table(self.network, rows, tuple(rows[0]), (told, *self.notes))

    @property
    def images(self) -> int:
        """How many images the scores are from."""
        return self.original.images

    @property
    def compression_ratio(self) -> float:
        """Bytes of all original parameters at FP32 over the bytes on disk."""
        return compression_ratio(self.parameters, self.bytes)

    @property
    def convolution_ratio(self) -> float:
        """The same for convolutions alone."""
        return compression_ratio(self.convolution_parameters, self.convolution_bytes)

    @property
    def int8_ratio(self) -> float:
        """That of the plain 8-bit model."""
        return compression_ratio(self.parameters, self.int8_bytes)


Progress = Callable[[EpochReport], None]


def options_in(path: str | Path) -> dict[str, Any]:
    """The fields of ``CompressOptions`` in a TOML file; a table by layer is a TOML table.

    Raises
    ------
    DecompositionError
        If the file cannot be read or holds a field that does not exist.
    """
    fields = read_options(path)
    check_fields(path, fields)
    return fields


def read_options(path: str | Path) -> dict[str, Any]:
    """What a TOML file holds, whatever it is.

    Raises
    ------
    DecompositionError
        If the file cannot be read.
    """
    path = Path(path)
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise DecompositionError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DecompositionError(f"{path}: is no TOML: {error}") from None


def check_fields(where: str | Path, fields: Iterable[str]) -> None:
    """Refuse fields that ``CompressOptions`` does not have.

    Raises
    ------
    DecompositionError
        Naming the first.
    """
    for field in fields:
        if field not in CompressOptions.model_fields:
            known = ", ".join(CompressOptions.model_fields)
            raise DecompositionError(f"{where}: {field}: no such field, wanted one of {known}")


def options_set(texts: Sequence[str]) -> dict[str, Any]:
    """The fields of ``FIELD=VALUE`` words, values as in TOML; a word without quotes is a text.

    Raises
    ------
    DecompositionError
        If a word is none, or names a field that does not exist or was named before.

    Examples
    --------
    >>> options_set(["clip=0.7", "group=[8, 1]", "structure=rows"])
    {'clip': 0.7, 'group': [8, 1], 'structure': 'rows'}
    """
    fields: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in CompressOptions.model_fields or name in fields:
            known = ", ".join(CompressOptions.model_fields)
            raise DecompositionError(
                f"--set {text}: wanted FIELD=VALUE, each field once, of {known}"
            )
        fields[name] = _as_toml(value.strip())
    return fields


def _as_toml(text: str) -> Any:
    """A number or a word, or what TOML has in brackets or quotes; digits as in all files."""
    if text[:1] not in ("[", "{", '"', "'"):
        return parsed(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def options_of(values: Mapping[str, Any]) -> CompressOptions:
    """Options, those given as None left at their defaults.

    Raises
    ------
    DecompositionError
        One line: option, value, what is allowed.

    Examples
    --------
    >>> options_of({"density": 2})
    Traceback (most recent call last):
    escalate.errors.DecompositionError: --density 2: wanted a number above 0, to 1 or a table of \
these by layer, each a number above 0, to 1
    """
    try:
        return CompressOptions(**{key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        message = f"{message[0].lower()}{message[1:]}"
        if not first["loc"]:
            raise DecompositionError(message) from None
        field = str(first["loc"][0])
        if field in CompressOptions.model_fields and first["type"] != "value_error":
            message = f"wanted {allowed(CompressOptions, field)}"
        value = values.get(field, first["input"])
        told = shown(value).strip("'")
        raise DecompositionError(f"--{field} {told}: {message}") from None


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
    device: str = "auto",
    progress: Progress | None = None,
    name: str | None = None,
    **options: Any,
) -> Compressed:
    """Compress a network into a folder: the model, and the same network in plain 8 bits.

    Parameters
    ----------
    network : a built-in name, an ``.onnx`` file, ``path/to/file.py:factory`` (that file is run),
        or a module
    checkpoint : the network's trained weights; without it those that the module comes with
    data : images to calibrate with, to retrain on and to test with
    out : the folder; one of ours is replaced, anything else is left alone
    resume : go on with a retraining into the same folder that was killed
    device : torch's name of the device to compute on; ``auto`` takes a GPU where there is one
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
    target, where = Path(out), data if isinstance(data, Data) else Data(data)
    with NewFolder(target, NAMES) as folder:
        job = prepare(network, checkpoint, where, chosen.seed, device, name)
        state = retraining_file(target)
        if not resume:
            state.unlink(missing_ok=True)
        models = {
            INT8: job.integers(plain),
            "": job.integers(chosen, state, progress),
        }
        original = float_logits(job.module, job.settings, job.test)
        found = {"original": scores(original, original, job.test.labels)}
        for kind, model in models.items():
            logits = integer_logits(model, job.test)
            found[kind or COMPRESSED] = scores(logits, original, job.test.labels)
        for kind, model in models.items():
            about = {**model.provenance, **job.about, "accuracy": _told(found)}
            model_file.save(replace(model, provenance=about), folder / kind)
        state.unlink(missing_ok=True)
        gone = models[""].provenance.get("removed")
        notes = [*job.notes, *([f"removed {gone}, which did nothing"] if gone else [])]
        parameters = job.network.original_parameters
        return Compressed(
            target,
            job.network.graph.name,
            parameters,
            parameters - job.network.linear_parameters,
            model_file.bytes_on_disk(folder),
            model_file.bytes_on_disk(folder / INT8),
            sizes(models[""]).convolutions,
            found["original"],
            found[INT8],
            found[COMPRESSED],
            tuple(notes),
            chosen.method,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A captured network and the images that it is compressed with and looked at with.

    Parameters
    ----------
    module : as it came
    network : FloatNetwork, captured from it
    train, test : Images
    settings : ImageSettings
    data : where the images come from
    device : torch's name
    notes : what there is to say
    about : JSON values for the provenance: network, checkpoint and their digests
    """

    module: nn.Module
    network: FloatNetwork
    train: Images
    test: Images
    settings: ImageSettings
    data: Data
    device: str
    notes: Sequence[str]
    about: Mapping[str, Any]

    def integers(
        self,
        options: CompressOptions,
        state: Path | None = None,
        progress: Progress | None = None,
    ) -> IntegerModel:
        """The integer model that the options make."""
        train, held_out = self.train, None
        if train.labels is None and options.retrained and options.distillation < 1:
            raise DataError(
                f"{self.data.name}: no labels to retrain with; give labels, or --distillation 1, "
                "or --epochs 0"
            )
        if self.data.held_out is not None and self.test.labels is not None:
            held_out = (self.test.pixels, self.test.labels)
        return compress_network(
            self.network,
            options,
            train.pixels,
            train.labels,
            self.settings,
            source=self.data.name,
            device=self.device,
            held_out=held_out,
            checkpoint=state,
            progress=progress,
            size=model_file.packed_size if progress is not None else None,
        )


def prepare(
    network: "str | nn.Module",
    checkpoint: str | Path | None,
    data: Data,
    seed: int,
    device: str,
    name: str | None = None,
) -> Job:
    """Build a network, load its weights, capture it, and read its images.

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    module = network if isinstance(network, nn.Module) else build(network, seed)
    data = as_stated(data, module)
    notes = _load(module, checkpoint, network)
    train, test, apart = data.read()
    if not apart:
        notes.append("accuracy on the very images that calibrated the network")
    settings = data.settings()
    example = torch.zeros(1, len(settings.mean), *settings.size, dtype=precision(module))
    captured = capture(module, example, name or _title(network))
    about = _about(network, checkpoint, captured, notes)
    return Job(
        module, captured, train, test, settings, data, chosen_device(device), tuple(notes), about
    )


def as_stated(data: Data, module: nn.Module) -> Data:
    """The data, its pictures brought to the size that the network's own file states.

    Raises
    ------
    CaptureError
        If another size is asked for, or the pictures have another number of channels.
    """
    stated = module.shape if isinstance(module, OnnxModule) else None
    if stated is None:
        return data
    _, *size = stated
    found = replace(data, size=(size[0], size[1])) if data.size is None else data
    settings = found.settings()
    told = (len(settings.mean), *settings.size)
    if told != stated:
        want, come = ("{} x {} x {}".format(*each) for each in (stated, told))
        assert isinstance(module, OnnxModule)
        raise CaptureError(f"{module.path}: states an input of {want}, the pictures have {come}")
    return found


def chosen_device(asked: str) -> str:
    """The device to compute on.

    Raises
    ------
    DataError
        If torch has no such device.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise DataError(f"--device {asked}: {reason}") from None
    return asked


def _told(found: Mapping[str, Scores]) -> dict[str, Any]:
    """The scores as the model's story keeps them; an infinite ratio is left out."""
    told: dict[str, Any] = {"images": found["original"].images}
    for name, each in found.items():
        told[name] = each.accuracy
        if name != "original":
            told[f"agreement_{name}"] = each.agreement
            if math.isfinite(each.sqnr_db):
                told[f"sqnr_db_{name}"] = round(each.sqnr_db, 3)
    return told


def _title(network: "str | nn.Module") -> str:
    if isinstance(network, nn.Module):
        return type(network).__name__
    if is_factory(network):
        return Path(network.rpartition(":")[0]).stem
    return Path(network).stem if is_onnx(network) else network


def _load(
    module: nn.Module, checkpoint: str | Path | None, network: "str | nn.Module"
) -> list[str]:
    """Fill the module from its checkpoint; what there is to say about it."""
    if isinstance(network, str) and is_onnx(network):
        if checkpoint is not None:
            raise CaptureError(f"{network}: brings its own weights, --checkpoint has no place")
        return []
    if checkpoint is not None:
        return list(load_checkpoint(module, checkpoint))
    if isinstance(network, str):
        return ["untrained weights unless the module brings its own: no checkpoint was given"]
    return []


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
        "convolution_parameters": captured.original_parameters - captured.linear_parameters,
        "notes": list(notes),
    }
    if isinstance(network, str) and is_factory(network):
        about["file_sha256"] = file_sha256(Path(network.rpartition(":")[0]))
    if isinstance(network, str) and is_onnx(network):
        about["file_sha256"] = file_sha256(Path(network))
    if checkpoint is not None:
        about["checkpoint"] = {
            "file": Path(checkpoint).name,
            "sha256": file_sha256(Path(checkpoint)),
        }
    return about
