"""retrain_state: the checkpoint of a training, taken only by the run that wrote it."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as dump_tensors

from escalate.errors import CheckpointError
from escalate.train.convolutions import TernaryConvolution
from escalate.train.modules import GraphModule

if TYPE_CHECKING:
    from escalate.train.retrain import Lesson
    from escalate.train.settings import RetrainOptions


def run_identity(module: GraphModule, lesson: "Lesson", options: "RetrainOptions") -> str:
    """Digest of everything a run starts from, so that a checkpoint is only taken by its own run."""
    about: dict[str, object] = {"options": asdict(options), "image": asdict(lesson.image)}
    about["graph"] = repr(module.graph)
    about["ranges"] = repr(module.ranges)
    about["rules"] = [repr(each.rule) for each in module.modules() if hasattr(each, "rule")]
    sha = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for array in (lesson.pixels, lesson.labels):
        if array is not None:
            sha.update(f"{array.dtype}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
    for name, values in module.state_dict().items():
        sha.update(name.encode())
        sha.update(values.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def save_state(
    path: Path, identity: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer, epoch: int
) -> None:
    """Write beside the file and rename, so that a kill leaves the old checkpoint or the new.

    Raises
    ------
    CheckpointError
        If the file cannot be written; an earlier one stays as it is.
    """
    tensors = {f"module/{name}": values for name, values in module.state_dict().items()}
    for position, parameter in enumerate(module.parameters()):
        for name, values in optimizer.state[parameter].items():
            tensors[f"optimizer/{position}/{name}"] = values
    whole = {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(dump_tensors(whole, {"identity": identity, "epoch": str(epoch)}))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: cannot be written: {error.strerror}") from error


def load_state(
    path: Path, identity: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> int:
    """Restore module and optimizer; the number of epochs done.

    Raises
    ------
    CheckpointError
        If the file is torn, foreign, or of another run.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: no checkpoint of a training ({error})") from error
    if about.get("identity") != identity:
        raise CheckpointError(f"{path}: the checkpoint belongs to another run; remove it")
    prefix = "module/"
    for convolution in module.modules():
        if isinstance(convolution, TernaryConvolution):
            convolution.update_thresholds()  # to the shape that was saved
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
