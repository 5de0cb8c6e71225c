"""validate: every published number, ours beside it, the band and the verdict."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.errors import SpecError
from arch.machine import MACHINES, machine, machine_names
from escalate.app import validation
from escalate.app.results import NewFolder
from escalate.app.validation.check import Check
from escalate.version import VERSION
from workloads.plug_ins import names_in

if TYPE_CHECKING:
    import pandas as pd

FILES = ("validation.csv", "validation.parquet", "validation.html")
Watch = Callable[[str, int, int], None]


def judged() -> tuple[str, ...]:
    """Machines that somebody published numbers about: ours with a module of checks, and others'
    that have ``published``.

    Examples
    --------
    >>> judged()[:3]
    ('systolic', 'eyeriss', 'scnn')
    """
    ours = names_in(validation.__name__)
    return tuple(
        name
        for name in machine_names()
        if (name in ours if name in MACHINES else hasattr(machine(name), "published"))
    )


def validate(
    machines: Sequence[str] | None = None, *, watch: Watch | None = None
) -> "pd.DataFrame":
    """Compute every number that somebody published about these machines.

    Parameters
    ----------
    machines : names; all of :func:`judged` by default
    watch : called with the machine, machines done, machines in all

    Returns
    -------
    One row per number: machine, quantity, case, published, ours, ratio, band, verdict, source,
    reason.  ``verdict`` is inside, outside, lower bound, or reported where nobody says how close it
    must be.

    Raises
    ------
    SpecError
        For a machine that nobody judged; lists those that are.

    Examples
    --------
    >>> set(validate(["systolic"])["verdict"])
    {'inside'}
    """
    import pandas as pd

    allowed = judged()
    chosen = allowed if machines is None else machines
    for name in chosen:
        if name not in allowed:
            raise SpecError(
                f"--machines: nothing is published about {name!r}, allowed are {', '.join(allowed)}"
            )
    rows = []
    for done, name in enumerate(chosen):
        if watch is not None:
            watch(name, done, len(chosen))
        rows += [_row(check) for check in _checks(name)]
    return pd.DataFrame(rows)


def _checks(name: str) -> Iterator[Check]:
    found: Iterator[Check]
    if name in MACHINES:
        found = import_module(f"{validation.__name__}.{name}").checks()
    else:
        other: Any = machine(name)
        found = other.published()
    return found


def _row(check: Check) -> dict[str, Any]:
    return {
        "machine": check.machine,
        "quantity": check.quantity,
        "case": check.case,
        "published": check.published,
        "ours": check.ours,
        "ratio": check.ratio,
        "band": str(check.band),
        "verdict": check.verdict,
        "source": check.source,
        "reason": check.reason,
    }


def write_validation(frame: "pd.DataFrame", target: Path) -> None:
    """The rows as CSV and Parquet, and the page; an earlier folder of ours is replaced.

    Raises
    ------
    ResultsError
        If ``target`` holds something that we did not write.
    """
    from reports.pages import write_whole
    from reports.validation import validation_page

    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    facts = {"version": f"escalate {VERSION}", "numbers": str(len(rows))}
    with NewFolder(target, FILES) as folder:
        frame.to_csv(folder / FILES[0], index=False)
        frame.to_parquet(folder / FILES[1], index=False)
        write_whole(folder / FILES[2], validation_page(rows, facts))
