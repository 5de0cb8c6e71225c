"""compress: network, checkpoint and images become a folder with two integer models."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from escalate.app.compressed import Compressed
from escalate.app.data import CLASSES, Data
from escalate.app.images import DEFAULT, Images, check_there
from escalate.app.modules import build, file_sha256, is_factory, is_onnx
from escalate.app.recipe import options_of
from escalate.app.results import NewFolder
from escalate.app.scores import Scores, float_logits, integer_logits, scores
from escalate.app.sources import COMPRESSED, INT8
from escalate.capture.checkpoint import load_checkpoint
from escalate.capture.export import capture, precision
from escalate.capture.network import FloatNetwork
from escalate.capture.onnx_module import OnnxModule
from escalate.compressors.compressor import Watch
from escalate.compressors.options import Options, TrainedOptions
from escalate.compressors.registry import compressor
from escalate.errors import CaptureError, DataError
from escalate.recipe.compression import compress as compress_network
from escalate.recipe.compression import ratio_of
from escalate.recipe.shortfall import far_below
from escalate.store import model_file
from escalate.store.footprint import compression_ratio, footprint, sizes
from escalate.train.file_ranges import told_ranges
from escalate.train.images import ImageSettings
from escalate.train.retrain import EpochReport
from workloads.integer import IntegerModel

NAMES = (model_file.MANIFEST, model_file.TENSORS, model_file.PROVENANCE, INT8)
NO_BFLOAT16 = (
    "precision bfloat16: this processor has no such instructions, so that retraining is no faster, "
    "or slower, than in float32, and its results are those of bfloat16"
)
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


def retraining_file(out: Path) -> Path:
    """Where a retraining keeps its state, beside the folder it will fill."""
    return out.with_name(f".{out.name}.retraining.pt")


def compress(
    network: "str | nn.Module",
    *,
    checkpoint: str | Path | None = None,
    data: "str | Data" = DEFAULT,
    out: str | Path = "compressed",
    resume: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
    watch: Watch | None = None,
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
    watch : called with each layer whose curve ``ratio`` needs, layers done, and layers in all
    name : of the network
    options : options of the method, see ``escalate.recipe.options``: basis, density, epochs, seed …

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
            "": job.integers(chosen, state, progress, watch),
        }
        found = _scored(job, models)
        for kind, model in models.items():
            about = {**model.provenance, **job.about, "accuracy": _told(found)}
            model_file.save(replace(model, provenance=about), folder / kind)
        state.unlink(missing_ok=True)
        return _compressed(job, chosen, models[""], found, folder, target)


def _scored(job: "Job", models: Mapping[str, IntegerModel]) -> dict[str, Scores]:
    """Scores of the original and of the models, by kind."""
    original = float_logits(job.module, job.settings, job.test)
    found = {"original": scores(original, original, job.test.labels)}
    for kind, model in models.items():
        logits = integer_logits(model, job.test)
        found[kind or COMPRESSED] = scores(logits, original, job.test.labels)
    return found


def _compressed(
    job: "Job",
    chosen: Options,
    model: IntegerModel,
    found: Mapping[str, Scores],
    folder: Path,
    target: Path,
) -> Compressed:
    """What is known about the models in ``folder``, which will be ``target``."""
    forms = Counter(each.form for each in footprint(model))
    size = model_file.bytes_on_disk(folder)
    notes = _notes(job, chosen, model.provenance, forms, size)
    parameters = job.network.original_parameters
    return Compressed(
        target,
        job.network.graph.name,
        parameters,
        parameters - job.network.linear_parameters,
        size,
        model_file.bytes_on_disk(folder / INT8),
        sizes(model).convolutions,
        found["original"],
        found[INT8],
        found[COMPRESSED],
        tuple(notes),
        chosen.method,
        f"{job.data.name}, {job.data.told()}",
        forms,
    )


def _notes(
    job: "Job",
    chosen: Options,
    about: Mapping[str, Any],
    forms: Mapping[str, int],
    size: int,
) -> list[str]:
    """What there is to say about a model of so many bytes."""
    notes = [*job.notes]
    low = isinstance(chosen, TrainedOptions) and chosen.precision == "bfloat16"
    if chosen.retrained and low and not has_bfloat16(job.device):
        notes.append(NO_BFLOAT16)
    if about.get("removed"):
        notes.append(f"removed {about['removed']}, which did nothing")
    reached = compression_ratio(job.network.original_parameters, size)
    ratio, method = ratio_of(chosen), compressor(chosen.method)
    if ratio is not None and far_below(ratio, reached):
        why = method.why_below(chosen, about["options"])
        notes.append(f"{reached:.1f}x smaller instead of {ratio:g}x: {why}")
    if method.basis and not forms.get("decomposed"):
        told = f"0 of {sum(forms.values())} layers decomposed"
        notes.append(f"{told}: this is no result of a decomposition")
    return notes


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
    check_there(data.name)
    settings = data.settings()
    example = torch.zeros(1, len(settings.mean), *settings.size, dtype=precision(module))
    captured = capture(module, example, name or _title(network))
    notes += (*captured.notes, *told_ranges(captured))
    train, test, apart = data.read(math.prod(captured.graph.output.shape))
    if not apart:
        notes.append("accuracy on the very images that calibrated the network")
    if test.unlabelled:
        notes.append(f"no accuracy: {test.unlabelled}")
    about = _about(network, checkpoint, captured, notes) | data.story()
    if train.classes:
        about[CLASSES] = list(train.classes)
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
    found = data.sized((size[0], size[1])) if data.size is None else data
    settings = found.settings()
    told = (len(settings.mean), *settings.size)
    if told != stated:
        want, come = ("{} x {} x {}".format(*each) for each in (stated, told))
        assert isinstance(module, OnnxModule)
        raise CaptureError(f"{module.path}: states an input of {want}, the pictures have {come}")
    return found


def has_bfloat16(device: str) -> bool:
    """Whether a device multiplies bfloat16 numbers itself.

    Of processors those with AVX-512 BF16 or AMX; of others than processors it is taken for granted.
    """
    if torch.device(device).type != "cpu":
        return True
    found = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in found)


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
