"""Numbers as people write them: in files, on command lines, in tables.

One reading for all: plain ASCII digits, a sign, a decimal point, an exponent.  Python's own ``int``
and ``float`` take more (``1_0``, digits of other scripts, ``nan``), which would be slips here.
"""

import re

MOST_DIGITS = 40  # more is a slip of the pen
WHOLE = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
MOST_SEED = 10**18  # of any stream of random bits
SHOWN = 60  # characters of a value that a message repeats


def number(text: str) -> int | float | None:
    """The number that a text spells, whole ones as ``int``; None if it is no finite number.

    Examples
    --------
    >>> number("12"), number(" 1e3 "), number("-.5"), number("1_0"), number("1e999")
    (12, 1000.0, -0.5, None, None)
    """
    text = text.strip(" \t")
    if len(text) > MOST_DIGITS:
        return None
    if WHOLE.fullmatch(text):
        return int(text)
    if not DECIMAL.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) != float("inf") else None


def whole_number(text: str) -> int | None:
    """The whole number that a text spells, in digits only; None if it is none.

    Examples
    --------
    >>> whole_number("12"), whole_number("1e1"), whole_number("2.0")
    (12, None, None)
    """
    value = number(text)
    return value if isinstance(value, int) else None


def is_whole(value: object, least: int, most: int) -> bool:
    """Whether a value is an integer in ``least``..``most``; True and False do not count.

    Examples
    --------
    >>> is_whole(3, 1, 5), is_whole(True, 0, 5), is_whole(3.0, 1, 5), is_whole(6, 1, 5)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def shown(value: object) -> str:
    """A value for an error message, cut if it is long.

    Examples
    --------
    >>> shown("1_0"), len(shown("9" * 3000))
    ("'1_0'", 63)
    """
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def spelled(value: float) -> str:
    """A bound as a short text.

    Examples
    --------
    >>> spelled(64), spelled(10**9), spelled(1e6), spelled(1 << 34), spelled(0.5)
    ('64', '1e9', '1e6', '17179869184', '0.5')
    """
    if value != int(value):
        return f"{value:g}"
    text = str(int(value))
    digits = text.rstrip("0")
    zeros = len(text) - len(digits)
    return f"{digits}e{zeros}" if zeros > 5 else text


def between(least: float, most: float) -> str:
    """The allowed range, for an error message.

    Examples
    --------
    >>> between(1, 64), between(0.0, 1.0)
    ('1 to 64', '0 to 1')
    """
    return f"{spelled(least)} to {spelled(most)}"
