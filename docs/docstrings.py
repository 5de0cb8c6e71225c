"""docstrings: an extension of griffe that reads ``name : what it is`` below Parameters.

NumPy's style has a type behind the colon.  Ours are in the signature.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(
    r"^(Parameters|Attributes)\n-+\n(?P<body>(?:(?!^\w+\n-+\n).*\n?)*)", re.MULTILINE
)
ITEM = re.compile(r"^(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*) : (?P<is>.+)$", re.MULTILINE)
ROLE = re.compile(r":\w+:`~?([^`]+)`")


class Descriptions(griffe.Extension):
    """Put what stands behind a name's colon into a line of its own."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of every object that is loaded."""
        if obj.docstring is not None:
            text = ROLE.sub(r"``\1``", obj.docstring.value)
            obj.docstring.value = SECTION.sub(_items, text)


def _items(section: re.Match[str]) -> str:
    return ITEM.sub(_item, section.group(0))


def _item(item: re.Match[str]) -> str:
    """Names that share a description get one each, as each has a type of its own."""
    *before, last = item.group("names").split(", ")
    words = "as the next" if before else ""
    return "".join(f"{name}\n    {words}\n" for name in before) + f"{last}\n    {item.group('is')}"
