"""escalate score: how many images a stored model classifies correctly."""

from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

COLUMNS = ("form", "stored_bytes", "images", "correct", "accuracy", "accuracy_low", "accuracy_high")
HEADINGS = {"accuracy_low": "95 %: from", "accuracy_high": "to"}


def score(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A compressed model folder.", show_default=False),
    ],
    images: options.ImageSource = None,
    classes: options.Classes = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            metavar="N",
            min=1,
            help="Use only the first images, so many; all by default.",
            show_default=False,
        ),
    ] = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Classify images with a stored model, by the integers that are stored.

    Nothing is simulated; escalate verify proves that a machine computes the same logits.
    Use it once, at the end, on images that no choice was made on.

    Examples:

      escalate score demo/model

      escalate score my-model --images cifar10:cifar-10-batches-py
    """
    from escalate.app.score import score as classify
    from escalate.app.scores import told_loss

    rows = classify(folder, images, count, classes)
    if shape is Format.json:
        from escalate.app.results import dumps

        typer.echo(dumps({"forms": rows}))
    elif shape is Format.csv:
        import pandas as pd

        typer.echo(pd.DataFrame(rows).to_csv(index=False), nl=False)
    else:
        terminal.print_table(rows, COLUMNS, HEADINGS)
        for row in rows:
            if told := told_loss(row):
                typer.echo(f"{row['form']}: {told}")
