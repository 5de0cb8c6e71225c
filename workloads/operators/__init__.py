"""Every operator that a graph may contain: one file each, with the name of the operator.

Only operators belong here: whatever file lies in this folder is one, and is found by its name.
"""

from functools import cache
from importlib import import_module

from workloads.errors import WorkloadError
from workloads.operator import Operator
from workloads.plug_ins import names_in

NAMES = names_in(__name__)


@cache
def operator(name: str) -> Operator:
    """The operator of that name. Its file is imported on demand.

    Raises
    ------
    WorkloadError
        Listing the operators there are.

    Examples
    --------
    >>> operator("add").operands
    (2, 2)
    """
    if name not in NAMES:
        raise WorkloadError(f"unknown operator {name!r}, allowed are {', '.join(NAMES)}")
    found = import_module(f"{__name__}.{name}").OPERATOR
    assert isinstance(found, Operator)
    return found
