"""compress: network, checkpoint and images become a folder with two integer models."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from escalate.app.compressed import Compressed
from escalate.app.data import Data
from escalate.app.images import DEFAULT
from escalate.app.job import Job, Progress, prepare
from escalate.app.recipe import options_of
from escalate.app.results import NewFolder
from escalate.app.scores import Scores, integer_logits, scores
from escalate.app.sources import COMPRESSED, INT8
from escalate.capture.reading import reading_of
from escalate.compressors.compressor import Watch
from escalate.compressors.options import Options, TrainedOptions
from escalate.compressors.registry import compressor
from escalate.recipe.compression import ratio_of
from escalate.recipe.shortfall import far_below
from escalate.store import model_file
from escalate.store.footprint import compression_ratio, footprint, sizes
from workloads.integer import IntegerModel

NAMES = (model_file.MANIFEST, model_file.TENSORS, model_file.PROVENANCE, INT8)
NO_BFLOAT16 = (
    "precision bfloat16: this processor has no such instructions, so that retraining is no faster, "
    "or slower, than in float32, and its results are those of bfloat16"
)


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
    input: str | Sequence[int] | None = None,
    output: str | None = None,
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
    input : channels, rows and columns of an image, ``"3x224x320"``, where the network does not
        state them
    output : the name of the output that is wanted, where the network has several
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
        reading = reading_of(input, output)
        job = prepare(network, checkpoint, where, chosen.seed, device, name, reading)
        state = retraining_file(target)
        if not resume:
            state.unlink(missing_ok=True)
        models = {INT8: job.integers(plain)}
        same = chosen == plain  # made once
        models[""] = models[INT8] if same else job.integers(chosen, state, progress, watch)
        found = _scored(job, models)
        for kind, model in models.items():
            about = {**model.provenance, **job.about, "accuracy": _told(found)}
            model_file.save(replace(model, provenance=about), folder / kind)
        state.unlink(missing_ok=True)
        return _compressed(job, chosen, models[""], found, folder, target)


def _scored(job: Job, models: Mapping[str, IntegerModel]) -> dict[str, Scores]:
    """Scores of the original and of the models, by kind."""
    original = job.float_logits(job.test)
    found = {"original": scores(original, original, job.test.labels)}
    for kind, model in models.items():
        logits = integer_logits(model, job.test)
        found[kind or COMPRESSED] = scores(logits, original, job.test.labels)
    return found


def _compressed(
    job: Job,
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
    layers: Any = model.provenance.get(model_file.LAYER_SQNR, {})
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
        layers,
    )


def _notes(
    job: Job,
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


def has_bfloat16(device: str) -> bool:
    """Whether a device multiplies bfloat16 numbers itself.

    Of processors those with AVX-512 BF16 or AMX; of others than processors it is taken for granted.
    """
    if torch.device(device).type != "cpu":
        return True
    found = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in found)


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
