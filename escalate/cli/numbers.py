"""numbers: how the words of options become numbers, each with a lower and an upper bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, get_args, get_origin, get_type_hints

import typer

MOST_SEED = 10**18  # as workloads.number, which is not imported before it is known to be ours


@dataclass(frozen=True, slots=True)
class Whole:
    """Reads whole numbers from ``least`` to ``most``.

    Examples
    --------
    >>> Whole(1, 9)("3")
    3
    """

    least: int
    most: int
    __name__ = "whole number"

    def __call__(self, word: object) -> int:
        """The number that a word is."""
        from workloads.number import between, shown, whole_number

        value = whole_number(str(word))
        if value is None or not self.least <= value <= self.most:
            told = f"wanted a whole number {between(self.least, self.most)}"
            raise typer.BadParameter(f"{shown(str(word))}: {told}")
        return value


@dataclass(frozen=True, slots=True)
class Real:
    """Reads numbers from ``least`` to ``most``.

    Examples
    --------
    >>> Real(0.0, 1.0)("5e-1")
    0.5
    """

    least: float
    most: float
    __name__ = "number"

    def __call__(self, word: object) -> float:
        """The number that a word is."""
        from workloads.number import between, number, shown

        value = number(str(word))
        if value is None or not self.least <= value <= self.most:
            told = f"wanted a number {between(self.least, self.most)}"
            raise typer.BadParameter(f"{shown(str(word))}: {told}")
        return float(value)


IMAGES, THREADS = Whole(1, 10**6), Whole(1, 1024)
SIDE, SEED = Whole(1, 1 << 16), Whole(0, MOST_SEED)
ANY_WHOLE, ANY_REAL = Whole(-(10**18), 10**18), Real(-1e18, 1e18)  # the command tells the range
PARSERS: Mapping[str, Whole | Real] = {
    **dict.fromkeys(("basis", "epochs"), ANY_WHOLE),
    **dict.fromkeys(("bits_per_value", "deviation", "rate_penalty"), ANY_REAL),
    **dict.fromkeys(("count", "held_out", "images", "limit"), IMAGES),
    **dict.fromkeys(("crop", "resize"), SIDE),
    **dict.fromkeys(("threads", "workers"), THREADS),
    "channels": Whole(1, 4096),
    "features": Whole(1, 4096),
    "from_cycle": Whole(0, 1 << 62),
    "longest": Whole(0, 15),
    "mosaic": Whole(1, 1024),
    "noise": Real(0.0, 1e6),
    "passes": Whole(1, 1000),
    "patches": Whole(1, 10**9),
    "seed": SEED,
    "stored_bytes": Whole(0, 1 << 40),
    "to_cycle": Whole(1, 1 << 62),
    "units": Whole(1, 255),
}
"""By parameter of the commands."""


def bounded(app: typer.Typer) -> None:
    """Let every option of every command that is a number be read by its parser.

    Raises
    ------
    KeyError
        Naming a number without one.
    """
    for command in app.registered_commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            kind, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
            if {int, float} & {kind, *get_args(kind)}:
                for option in about:
                    option.parser, option.min, option.max = PARSERS[name], None, None
    for group in app.registered_groups:
        if group.typer_instance is not None:
            bounded(group.typer_instance)
