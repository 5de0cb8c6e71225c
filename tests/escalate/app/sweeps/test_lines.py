"""Is every key and element found on its line?"""

import pytest

from escalate.app.sweeps.lines import line_of, line_table

TEXT = '''# a comment with = and [brackets]
networks = ["resnet18", "vgg16"] # two
"odd key" = 'x # y'
text = """
several = lines
"""
dotted.name = 3

[set.basis_first]
lookahead = [
    1,  # one
    2,
    [3, 4],
]
range = { min = 1, max = [2, 3] }
[synthetic]
activations = 0.5
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("networks",), 2),
        (("networks", 1), 2),
        (("odd key",), 3),
        (("text",), 4),
        (("dotted", "name"), 7),
        (("set", "basis_first"), 9),
        (("set", "basis_first", "lookahead"), 10),
        (("set", "basis_first", "lookahead", 0), 11),
        (("set", "basis_first", "lookahead", 1), 12),
        (("set", "basis_first", "lookahead", 2), 13),
        (("set", "basis_first", "range"), 15),
        (("synthetic", "activations"), 17),
        (("synthetic", "activations", 0), 17),
    ],
)
def test_lines(path, line):
    assert line_of(line_table(TEXT), path) == line


def test_what_is_not_there_has_no_line():
    assert line_of(line_table("a = 1"), ("b", 0)) is None
