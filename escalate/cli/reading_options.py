"""reading_options: what is said of a network's own file where it leaves something open."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from escalate.app.sources import Source

Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="CxHxW",
        show_default=False,
        help="Channels, rows and columns of an image, 3x224x320, where a network's file leaves "
        "them open; a torch module's.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="NAME",
        show_default=False,
        help="Which output to take of a network that has several.",
    ),
]


def source(
    words: list[str], sizes: str | None, output: str | None, images: str | None = None
) -> "Source":
    """What the words stand for."""
    from escalate.app.sources import resolve
    from escalate.capture.reading import reading_of

    return resolve(words, reading_of(sizes, output), images)
