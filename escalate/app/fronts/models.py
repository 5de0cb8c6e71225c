"""models: the folder of each point: made once, gone on with after a kill, never another's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from escalate.app.data import Data
from escalate.app.fronts.points import Point
from escalate.app.make_model import make_model
from escalate.app.results import ResultsError
from escalate.capture.reading import Reading
from escalate.store.model_file import load
from escalate.train.retrain import EpochReport
from workloads.integer import IntegerModel

MOST_TOLD = 3  # options that a refusal names


@dataclass(frozen=True, slots=True)
class Origin:
    """What all models of a comparison are made from; fields as for ``compress``."""

    network: str
    checkpoint: str | Path | None
    data: Data
    device: str
    reading: Reading | None = None


def made(
    point: Point,
    folder: Path,
    origin: Origin,
    network_sha256: str,
    progress: Callable[[EpochReport], None] | None = None,
) -> IntegerModel:
    """The model of a point, made if it is not there.

    Parameters
    ----------
    point : Point
    folder : where it lies, or will
    origin : Origin
    network_sha256 : digest of the trained network, see ``escalate.app.job.network_sha256``
    progress : called after each epoch of retraining

    Raises
    ------
    BudgetError
        If the method cannot come down to the size.
    ResultsError
        If the folder's model was made with other options or from another network.
    ValueError
        Another subclass of ours, for anything that cannot be.
    """
    make_model(
        folder,
        origin.network,
        point.fields,
        data=origin.data,
        checkpoint=origin.checkpoint,
        device=origin.device,
        reading=origin.reading,
        progress=progress,
    )
    model = load(folder)
    asked: Any = model.provenance.get("asked")
    if asked != point.asked:
        told = _differences(asked or {}, point.asked)
        raise ResultsError(f"{folder}: was made with other options ({told}); choose another --out")
    if model.provenance.get("network_sha256") != network_sha256:
        raise ResultsError(f"{folder}: was made from another trained network; choose another --out")
    return model


def _differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Options that differ, in words.

    Examples
    --------
    >>> _differences({"seed": 1, "batch": 64}, {"seed": 2, "batch": 64, "ratio": 10.0})
    'ratio none, now 10.0; seed 1, now 2'
    """
    names = sorted(n for n in {*there, *wanted} if there.get(n) != wanted.get(n))
    told = [f"{n} {there.get(n, 'none')}, now {wanted.get(n, 'none')}" for n in names]
    more = [f"{len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
    return "; ".join(told[:MOST_TOLD] + more)
