"""Are the packages `arch`, `workloads` and `reports` ours?  Their names are common ones."""

from importlib.util import find_spec
from pathlib import Path

import escalate
from escalate.errors import FrontEndError

NEIGHBOURS = ("arch", "reports", "workloads")


class ForeignPackageError(FrontEndError):
    """Another distribution's package stands where ours should be found."""


def check_neighbours() -> None:
    """Find the neighbouring packages without importing them; they must lie beside `escalate`.

    Raises
    ------
    ForeignPackageError
        Naming the foreign package's place and the cure.
    """
    home = Path(escalate.__file__).resolve().parent.parent
    for name in NEIGHBOURS:
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or ()) if spec is not None else []
        if spec is not None and not places and spec.origin:
            places = [spec.origin]
        if [Path(place).resolve() for place in places] != [home / name]:
            found = f"{places[0]} was found" if places else "nothing was found"
            raise ForeignPackageError(
                f"the package {name!r} should be {home / name}, but {found}; another distribution "
                "owns that name: install escalate-sim in a virtual environment of its own"
            )
