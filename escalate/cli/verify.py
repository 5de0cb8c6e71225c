"""escalate verify: a machine's psums against the integer network in torch."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format


def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A compressed model folder.", show_default=False),
    ],
    machine: options.MachineName = "basis_first",
    settings: options.Settings = None,
    images: options.ImageSource = None,
    classes: options.Classes = None,
    count: options.Count = 32,
    shape: options.Shape = Format.table,
) -> None:
    """Prove that a machine computes the network: every logit equal to the integer model's in torch.

    The machine's psums are requantized layer by layer up to the logits. Exit code 1 and the
    machine's name if a single one differs.

    Examples:

      escalate verify demo/model

      escalate verify my-model --machine systolic --images cifar10:cifar-10-batches-py --count 64
    """
    from escalate.app.feed import Feed
    from escalate.app.machines import choose
    from escalate.app.simulate import FEWEST
    from escalate.app.verify import verify as prove

    choice = choose(machine, (), settings or ())[0]
    with terminal.layer_progress() as watch:
        found = prove(folder, choice, Feed(images, count, classes=classes), watch)
    row = asdict(found)
    if terminal.print_data(shape, row, [row]):
        return
    judged = found.correct is not None and found.images >= FEWEST
    right = f", {found.correct} of them classified correctly" if judged else ""
    typer.echo(
        f"{found.network} on {found.machine}: {found.logits} logits of {found.images} images "
        f"through {found.layers} layers\n"
        f"equal to those of the integer network in torch, bit for bit{right}"
    )
    if found.loss:
        typer.echo(found.loss)
