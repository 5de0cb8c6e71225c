"""A case for each operator, in the file of its name, which the tests of all operators find.

A case has three functions:

``draw(random, name, source, nodes)``  a random node of that name that reads ``source``, and perhaps
    other earlier ``nodes``; a tuple, in which nodes that it needs besides stand before it
``in_torch(parts, x)``  a function of an image (N, 3, 8, 8) that is captured with the operator;
    ``parts.conv`` and ``parts.other`` are convolutions that keep its shape
``in_onnx(b)``  the same in an ONNX file, made with a ``Builder``; the name of the output
"""

from importlib import import_module

from workloads.operators import NAMES, operator

DRAWN = tuple(name for name in NAMES if operator(name).operands != (0, 0))


def case(name):
    """The case of an operator."""
    return import_module(f"{__name__}.{name}")
