"""fisher_cache: sensitivities of a network, kept on disk, because several methods ask for them.

They are a function of the network, the images, the labels and the question; the file's name is the
digest of all of these and of the program that answers.  Numbers are rounded to float32 whether they
come from the file or not.  ``ESCALATE_CACHE`` names another folder than the user's own.
"""

import hashlib
import inspect
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as dump_tensors

from escalate.train import fisher as answers
from escalate.train import modules
from escalate.train.fisher import Asked, fisher
from escalate.train.modules import GraphModule
from workloads.integer import ImageQuantizer
from workloads.user_folder import user_folder

MOST_FILES = 16  # the oldest go first


def folder() -> Path:
    """Where the files lie."""
    return user_folder() / "fisher"


def cached_fisher(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    asked: Asked,
    labels: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """As ``fisher.fisher``, rounded to float32; read from disk where it was computed before.

    A folder that cannot be written, and a file that cannot be read, only cost time.
    """
    if asked.kind != "labels":
        labels = None  # the answer does not depend on them
    path = folder() / f"{_identity(module, image, pixels, asked, labels)}.safetensors"
    try:
        kept = load_tensors(path.read_bytes())
        path.touch()
    except (OSError, SafetensorError):
        found = fisher(module, image, pixels, asked, labels)
        kept = {name: values.astype(np.float32) for name, values in found.items()}
        _keep(path, kept)
    return {node.name: kept[node.name].astype(np.float64) for node in module.graph.convs}


def _identity(
    module: GraphModule,
    image: ImageQuantizer,
    pixels: np.ndarray,
    asked: Asked,
    labels: np.ndarray | None,
) -> str:
    device = next(module.parameters()).device.type
    about = (repr(module.graph), repr(image), repr(asked), torch.__version__, device)
    sha = hashlib.sha256(repr(about).encode())
    for program in (answers, modules):
        sha.update(inspect.getsource(program).encode())
    tensors = [values.detach().cpu().numpy() for values in module.state_dict().values()]
    for array in (*tensors, pixels, *(() if labels is None else (labels,))):
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:32]


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write beside the file and rename; then let the oldest go."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(dump_tensors(arrays))
        os.replace(file.name, path)
        files = sorted(path.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime)
        for old in files[:-MOST_FILES]:
            old.unlink(missing_ok=True)
    except OSError:
        return
