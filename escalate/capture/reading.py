"""Reading: what is said of a network that leaves its input's size or its output open."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from escalate.errors import CaptureError

Shape = tuple[int, int, int]
MOST_SIDE = 1 << 16
AXES = ("C", "H", "W")
SPELLED = "--input CxHxW, such as --input 3x224x224"


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a network.

    Parameters
    ----------
    input : (C, H, W) of an image; None for what the network itself states
    output : the name of the output that is wanted; None for the only one
    """

    input: Shape | None = None
    output: str | None = None

    @property
    def given(self) -> str:
        """The first option that was given; empty for none."""
        return "--input" if self.input else "--output" if self.output else ""

    @property
    def story(self) -> dict[str, str]:
        """What a model keeps of it."""
        return {} if self.output is None else {"output": self.output}

    def bound(self, stated: Sequence[int | None], where: str) -> Shape | None:
        """The size of an image, given what a file states of it; None where a size stays open.

        Parameters
        ----------
        stated : channels, rows, columns; None for each that is open
        where : the file

        Raises
        ------
        CaptureError
            If the two contradict each other.

        Examples
        --------
        >>> Reading((3, 224, 320)).bound((3, None, None), "net.onnx")
        (3, 224, 320)
        >>> Reading((1, 9, 9)).bound((3, None, None), "net.onnx")
        Traceback (most recent call last):
        escalate.errors.CaptureError: net.onnx: states an input of 3 x H x W, --input is 1 x 9 x 9
        """
        sizes = [each for each in stated if each is not None]
        if self.input is None:
            return (sizes[0], sizes[1], sizes[2]) if len(sizes) == len(AXES) else None
        if any(own not in (None, asked) for own, asked in zip(stated, self.input, strict=True)):
            asked = " x ".join(map(str, self.input))
            raise CaptureError(f"{where}: states an input of {told(stated)}, --input is {asked}")
        return self.input


def told(stated: Sequence[int | None]) -> str:
    """Sizes in words, the letter of each that is open.

    Examples
    --------
    >>> told((3, None, 224))
    '3 x H x 224'
    """
    return " x ".join(
        letter if each is None else str(each) for letter, each in zip(AXES, stated, strict=True)
    )


def reading_of(sizes: str | Sequence[int] | None = None, output: str | None = None) -> Reading:
    """The reading that options spell.

    Raises
    ------
    CaptureError
        If the sizes are no three whole numbers.

    Examples
    --------
    >>> reading_of("3x224x320").input, reading_of(output="logits").output
    ((3, 224, 320), 'logits')
    """
    if sizes is None:
        return Reading(None, output)
    text = sizes if isinstance(sizes, str) else "x".join(map(str, sizes))
    numbers = re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5})", text.strip())
    found = tuple(map(int, numbers.groups())) if numbers else ()
    if not found or not all(1 <= each <= MOST_SIDE for each in found):
        raise CaptureError(f"--input {text}: wanted {SPELLED}, each 1..{MOST_SIDE}")
    return Reading((found[0], found[1], found[2]), output)
