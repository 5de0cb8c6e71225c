"""code: a digest of the programs that results depend on, so that an edit makes them stale."""

import hashlib
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("arch", "escalate", "reports", "workloads")
SUFFIXES = (".py", ".csv")  # programs, and the tables of prices that they read
NOT_COUNTED = "cli"  # changes no number
DIGITS = 16


@cache
def code_digest() -> str:
    """SHA-256 over the sources of our packages, its first 16 digits."""
    return _digest([_folder(name) for name in PACKAGES])


def part_digest(part: object) -> str:
    """The code of a machine or a compressor: ours, and the package of one that is not ours."""
    kind = type(part)
    package = kind.__module__.partition(".")[0]
    if package in PACKAGES:
        return code_digest()
    file = Path(inspect.getfile(kind))
    foreign = file.parent if "." in kind.__module__ or file.name == "__init__.py" else file
    return code_digest() + _digest([foreign])


def _folder(package: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _digest(roots: list[Path]) -> str:
    sha = hashlib.sha256()
    for root in roots:
        files = [root]
        if root.is_dir():
            found = (each for each in root.rglob("*") if each.suffix in SUFFIXES)
            files = sorted(e for e in found if NOT_COUNTED not in e.relative_to(root).parts)
        for path in files:
            sha.update(str(path.relative_to(root.parent)).encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()[:DIGITS]
