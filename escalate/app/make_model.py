"""make_model: a model's folder, made once and gone on with after a kill."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalate.app.sources import MANIFEST
from escalate.capture.reading import Reading

if TYPE_CHECKING:
    from escalate.app.data import Data
    from escalate.app.job import Progress


def make_model(
    folder: Path,
    network: str,
    options: Mapping[str, Any],
    *,
    data: "Data",
    checkpoint: str | Path | None = None,
    device: str = "auto",
    reading: Reading | None = None,
    progress: "Progress | None" = None,
) -> Path:
    """Compress into ``folder``, unless a model is there; a killed retraining goes on.

    Parameters
    ----------
    folder : where the model lies, or will
    network, checkpoint, data, device, reading, progress : as for ``escalate.app.compress.compress``
    options : of the method

    Raises
    ------
    ValueError
        A subclass of ours, for anything that cannot be.
    """
    if not (folder / MANIFEST).is_file():
        from escalate.app.compress import compress

        compress(
            network,
            checkpoint=checkpoint,
            data=data,
            out=folder,
            resume=True,
            device=device,
            input=None if reading is None else reading.input,
            output=None if reading is None else reading.output,
            progress=progress,
            **options,
        )
    return folder
