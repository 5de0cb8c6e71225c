"""modules: the torch module that NETWORK stands for: a built-in one, or a function in a file."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

from torch import nn

from escalate.app.demo_network import demo_network
from escalate.capture.onnx_module import OnnxModule
from escalate.capture.reading import Reading
from escalate.errors import CaptureError
from workloads.read_file import refuse_unread

BUILT_IN = ("digits_cnn",)
USER_CODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a user's own file may raise."""


def is_factory(text: str) -> bool:
    """Whether NETWORK has the form ``path/to/file.py:factory``.

    Examples
    --------
    >>> is_factory("nets/mine.py:build"), is_factory("digits_cnn")
    (True, False)
    """
    file, colon, _ = text.rpartition(":")
    return bool(colon) and file.endswith(".py")


def is_onnx(text: str) -> bool:
    """Whether NETWORK is an ONNX file.

    Examples
    --------
    >>> is_onnx("nets/mine.onnx"), is_onnx("digits_cnn")
    (True, False)
    """
    return text.endswith(".onnx")


def build(text: str, seed: int, reading: Reading | None = None) -> nn.Module:
    """The module, with the weights its maker gives it.

    Parameters
    ----------
    text : a built-in name, an ``.onnx`` file, or ``path/to/file.py:factory``; that file is run
    seed : of a built-in network's weights
    reading : of a file

    Raises
    ------
    CaptureError
        If there is no such network, or the file's own code fails; in one line.
    """
    if text in BUILT_IN:
        return demo_network(seed)
    if is_onnx(text):
        return OnnxModule(text, reading)
    if not is_factory(text):
        raise CaptureError(
            f"{text}: no such network, wanted path/to/file.py:factory, an .onnx file or "
            f"{', '.join(BUILT_IN)}"
        )
    file, _, name = text.rpartition(":")
    factory = getattr(_run_file(Path(file), text), name, None)
    if not callable(factory):
        raise CaptureError(f"{text}: the file defines no function {name!r}")
    try:
        module = factory()
    except USER_CODE_ERRORS as error:
        raise CaptureError(f"{text}: {_first_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise CaptureError(f"{text}: returned a {type(module).__name__}, wanted a torch.nn.Module")
    return module


def _run_file(path: Path, text: str) -> ModuleType:
    refuse_unread(path, CaptureError)
    spec = importlib.util.spec_from_file_location(f"escalate_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except USER_CODE_ERRORS as error:
        raise CaptureError(f"{text}: {_first_line(error)}") from error
    return module


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
