"""validate: every published number, ours beside it, the band and the verdict."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.errors import SpecError
from escalate.app.results import NewFolder
from escalate.app.validation.check import Check
from escalate.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

JUDGED = ("systolic", "eyeriss", "scnn", "sparten", "eyeriss_v2", "bit_tactical", "crossbar")
FILES = ("validation.csv", "validation.parquet", "validation.html")
Watch = Callable[[str, int, int], None]


def validate(machines: Sequence[str] = JUDGED, *, watch: Watch | None = None) -> "pd.DataFrame":
    """Compute every number that somebody published about these machines.

    Parameters
    ----------
    machines : names; all that somebody published numbers about by default
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

    for name in machines:
        if name not in JUDGED:
            raise SpecError(
                f"--machines: nothing is published about {name!r}, allowed are {', '.join(JUDGED)}"
            )
    rows = []
    for done, name in enumerate(machines):
        if watch is not None:
            watch(name, done, len(machines))
        rows += [_row(check) for check in _checks(name)]
    return pd.DataFrame(rows)


def _checks(machine: str) -> Iterator[Check]:
    found: Iterator[Check] = import_module(f"escalate.app.validation.{machine}").checks()
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
