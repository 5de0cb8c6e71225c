"""job: a captured network and its images, which every command that compresses begins with."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from escalate.app.data import CLASSES, OWN_SIZES, Data
from escalate.app.images import Images, check_there, kind
from escalate.app.modules import build, file_sha256, is_factory, is_onnx
from escalate.app.scores import float_logits
from escalate.capture.checkpoint import load_checkpoint
from escalate.capture.export import capture, precision
from escalate.capture.network import FloatNetwork
from escalate.capture.onnx_module import OnnxModule, left_open
from escalate.capture.reading import Reading
from escalate.compressors.compressor import Watch
from escalate.compressors.options import Options, TrainedOptions
from escalate.errors import CaptureError, DataError
from escalate.recipe.compression import compress as compress_network
from escalate.store import model_file
from escalate.train.file_ranges import told_ranges
from escalate.train.images import ImageSettings
from escalate.train.modules import float_module
from escalate.train.retrain import EpochReport
from workloads.integer import IntegerModel

UNNAMED = "build"  # a factory's name that says nothing of the network
Progress = Callable[[EpochReport], None]


def network_sha256(network: FloatNetwork) -> str:
    """Identity of a trained network: digest of its folded weights, biases and given ranges."""
    sha = hashlib.sha256()
    for node in network.graph.convs:
        for arrays in (network.weights, network.biases):
            sha.update(np.ascontiguousarray(arrays[node.name]).tobytes())
    for name, codes in network.codes.items():  # of a quantized file
        sha.update(f"{name} {codes}".encode())
    return sha.hexdigest()


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
    output : the module's output that is taken, where it has several
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
    output: str | None = None

    def float_logits(self, images: Images) -> np.ndarray:
        """What the original answers, float64 (N, classes), in front of what was left out."""
        if self.network.left_out:
            return float_logits(float_module(self.network), self.settings, images)
        return float_logits(self.module, self.settings, images, self.output)

    def integers(
        self,
        options: Options,
        state: Path | None = None,
        progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> IntegerModel:
        """The integer model that the options make."""
        train, held_out = self.train, None
        alone = isinstance(options, TrainedOptions) and options.distillation < 1
        if train.labels is None and options.retrained and alone:
            raise DataError(
                f"{train.unlabelled or self.data.name}: no labels to retrain with; give labels, "
                "or --distillation 1, or --epochs 0"
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
            watch=watch,
        )


def prepare(
    network: "str | nn.Module",
    checkpoint: str | Path | None,
    data: Data,
    seed: int,
    device: str,
    name: str | None = None,
    reading: Reading | None = None,
) -> Job:
    """Build a network, load its weights, capture it, and read its images.

    Raises
    ------
    ValueError
        A subclass of ours, in one line, for anything that cannot be.
    """
    reading = reading or Reading()
    module = network if isinstance(network, nn.Module) else build(network, seed, reading)
    data = as_stated(data, module, reading)
    notes = _load(module, checkpoint, network)
    check_there(data.name)
    settings = data.settings()
    example = torch.zeros(1, len(settings.mean), *settings.size, dtype=precision(module))
    output = None if isinstance(module, OnnxModule) else reading.output  # it has chosen already
    captured = capture(module, example, name or _title(network), output)
    notes += (*captured.notes, *told_ranges(captured))
    train, test, apart = data.read(math.prod(captured.graph.output.shape))
    if not apart:
        notes.append("accuracy on the very images that calibrated the network")
    if test.unlabelled:
        notes.append(f"no accuracy: {test.unlabelled}")
    about = _about(network, checkpoint, captured, notes) | data.story() | reading.story
    if train.classes:
        about[CLASSES] = list(train.classes)
    told, where = tuple(notes), chosen_device(device)
    return Job(module, captured, train, test, settings, data, where, told, about, output)


def as_stated(data: Data, module: nn.Module, reading: Reading) -> Data:
    """The data, its pictures brought to the size that is asked for or that the file states.

    Raises
    ------
    CaptureError
        If another size is asked for, if a file leaves one open that the data does not settle, or
        if the pictures have another number of channels.
    """
    stated, where = reading.input, "--input"
    if isinstance(module, OnnxModule):
        stated, where = module.shape, f"{module.path}: states an input"
        if stated is None:
            if data.size is None and kind(data.name) not in OWN_SIZES:
                raise CaptureError(left_open(module))
            settings = data.settings()
            stated = Reading((len(settings.mean), *settings.size)).bound(
                module.sizes, str(module.path)
            )
    if stated is None:
        return data
    found = data.sized((stated[1], stated[2])) if data.size is None else data
    settings = found.settings()
    come = (len(settings.mean), *settings.size)
    if come != stated:
        want, have = ("{} x {} x {}".format(*each) for each in (stated, come))
        raise CaptureError(f"{where} of {want}, the pictures have {have}")
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


def _title(network: "str | nn.Module") -> str:
    if isinstance(network, nn.Module):
        return type(network).__name__
    if is_factory(network):
        file, _, factory = network.rpartition(":")
        return Path(file).stem if factory == UNNAMED else factory
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
