"""score: how many images a stored model classifies correctly, by the integers that are stored."""

from pathlib import Path

from escalate.app.fed_images import fed_images
from escalate.app.scores import BATCH, interval, stored_loss
from escalate.app.sources import COMPRESSED, INT8, MANIFEST, ModelSource, kind_of, model_source
from escalate.integers import integer
from escalate.store.model_file import bytes_on_disk, load

Row = dict[str, int | float | str]


def score(
    folder: str | Path,
    images: str | None = None,
    count: int | None = None,
    classes: str | None = None,
) -> list[Row]:
    """Classify images with every form of a network that a folder holds.

    Nothing here is simulated: the integer network in torch computes the logits, which
    ``escalate verify`` proves to be those of a machine.

    Parameters
    ----------
    folder : a compressed model folder
    images : as ``--images``; the test images of the model's own data by default
    count : the first so many; all of them by default
    classes : file with the name of each output's class; by default those that the model keeps

    Returns
    -------
    rows : ``form``, ``stored_bytes``, ``images``, ``correct``, ``accuracy`` (0..1) and the ends of
        its 95 % interval, ``accuracy_low`` and ``accuracy_high``; ``sqnr_db`` of the answers
        against the original's when the model was made, ``loses_most`` the layer that loses most on
        its own, and its ``layer_sqnr_db``

    Raises
    ------
    CheckpointError, DataError, SourceError
        If the folder holds no model, or the images cannot be read or have no labels.
    """
    source = model_source(Path(folder))
    own = kind_of(source.folder)
    forms = {own: source.folder}
    if own == COMPRESSED and (source.folder / INT8 / MANIFEST).is_file():
        forms[INT8] = source.folder / INT8
    return [_row(source, form, where, images, count, classes) for form, where in forms.items()]


def _row(
    source: ModelSource,
    form: str,
    where: Path,
    asked: str | None,
    count: int | None,
    classes: str | None,
) -> Row:
    model = load(where)
    images = fed_images(source, model, asked, count, classes)
    labels = images.known_labels()
    found = integer.predict(model, images.seen_by(model.image), batch=BATCH)
    correct = int((found.argmax(axis=1) == labels).sum())
    low, high = interval(correct / len(labels), len(labels))
    return {
        "form": form,
        "stored_bytes": bytes_on_disk(where),
        "images": len(labels),
        "correct": correct,
        "accuracy": correct / len(labels),
        "accuracy_low": low,
        "accuracy_high": high,
        **stored_loss(model.provenance, form),
    }
