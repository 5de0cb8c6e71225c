"""Checkpoints: tensors from a safetensors or torch file into a module, without running code."""

import pickle
import re
import struct
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from escalate.capture.checkpoint_reading import nearest, readings, required
from escalate.errors import CheckpointError
from workloads.read_file import refuse_unread

SHOWN = 3
TORN = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
"""What torch's reader was seen to raise on cut-off or altered files, and on files of others."""


def load_checkpoint(module: nn.Module, path: str | Path) -> tuple[str, ...]:
    """Load a checkpoint's tensors into ``module``; the module is unchanged if anything is wrong.

    ``.safetensors`` files are read by safetensors, all others by torch with ``weights_only=True``.
    The tensors may lie in any entry of the file, also a nested one, and behind any prefix, such as
    ``module.``, as long as exactly one reading fits the module; see ``readings``.  Batch norm's
    ``num_batches_tracked`` may be missing.

    Returns
    -------
    notes : what was done to the names, in words; empty if they fitted as they were

    Raises
    ------
    CheckpointError
        In one line: a missing, torn or foreign file, a pickle that needs code, tensors that are
        missing, unknown, of the wrong shape or kind, and NaN or infinity with its place.

    Examples
    --------
    >>> import tempfile
    >>> module = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"state_dict": module.state_dict()}, f"{folder}/checkpoint.pt")
    ...     load_checkpoint(nn.Linear(2, 1), f"{folder}/checkpoint.pt")
    ('took the entry state_dict',)
    """
    path = Path(path)
    content = _read(path)
    own = module.state_dict()
    found = readings(content, own)
    if len(found) > 1:
        told = " and ".join(each.place for each in found)
        raise CheckpointError(f"{path}: {told} all fit the network: save the one that is wanted")
    reading = found[0] if found else nearest(content, own)
    _check_names(reading.tensors, own, path)
    for name, value in reading.tensors.items():
        _check_tensor(name, value, own[name], path)
    module.load_state_dict({**own, **reading.tensors})
    return reading.notes


def _read(path: Path) -> Mapping[str, Any]:
    refuse_unread(path, CheckpointError)
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: is no whole safetensors file: {error}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path}: holds a {type(content).__name__}, wanted a dictionary of tensors"
        )
    return content


def _read_torch(path: Path) -> Any:
    with warnings.catch_warnings():
        # Of other pickle protocols than torch's own; what cannot be read still raises.
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except TORN as error:
            code = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
            if code:
                raise CheckpointError(
                    f"{path}: needs code to be read ({code[1]}), which is refused; "
                    "save the module's state_dict() alone"
                ) from error
            raise CheckpointError(
                f"{path}: is torn, or no torch file that can be read without running code"
            ) from error


def _listed(names: Iterable[str]) -> str:
    names = [str(name) for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _check_names(content: Mapping[str, Any], own: Mapping[str, Any], path: Path) -> None:
    missing = [name for name in required(own) if name not in content]
    unknown = [name for name in content if name not in own]
    problems = []
    if missing:
        problems.append(f"lacks {_listed(missing)}")
    if unknown:
        problems.append(f"holds {_listed(unknown)}, which the network does not have")
    if problems:
        raise CheckpointError(f"{path}: {'; '.join(problems)}")


def _check_tensor(name: str, value: Any, wanted: torch.Tensor, path: Path) -> None:
    if not isinstance(value, torch.Tensor) or value.is_quantized or value.layout != torch.strided:
        kind = value.layout if isinstance(value, torch.Tensor) else type(value).__name__
        raise CheckpointError(f"{path}: {name} is a {kind}, wanted a dense tensor")
    if value.shape != wanted.shape:
        raise CheckpointError(
            f"{path}: {name} has shape {tuple(value.shape)}, the network has {tuple(wanted.shape)}"
        )
    if value.is_floating_point() != wanted.is_floating_point() or value.is_complex():
        raise CheckpointError(f"{path}: {name} is {value.dtype}, the network has {wanted.dtype}")
    finite = value.isfinite()
    if not bool(finite.all()):
        where = (~finite).nonzero()[0].tolist()
        raise CheckpointError(f"{path}: {name} at {where} is {value[tuple(where)].item()}")
