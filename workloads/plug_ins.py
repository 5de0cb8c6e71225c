"""plug_ins: what a folder holds, by name, before anything of it is imported."""

from importlib.util import find_spec
from pkgutil import iter_modules


def names_in(package: str) -> tuple[str, ...]:
    """The modules and packages inside a package, in the order of the alphabet.

    A folder whose files are plug-ins needs no list of them. Nothing of them is imported.

    Examples
    --------
    >>> "plug_ins" in names_in("workloads")
    True
    """
    spec = find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    return tuple(sorted(each.name for each in iter_modules(places)))
