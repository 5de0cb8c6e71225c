"""Check what lies in a wheel: our four packages, every module of theirs, every data file."""

import sys
import zipfile
from pathlib import Path

PACKAGES = ("arch", "escalate", "reports", "workloads")
DATA = (".csv", ".html", ".css", ".js", ".typed")


def main(wheel: str) -> None:
    """Stop with a message unless the wheel holds exactly what the tree holds."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    top = sorted({name.partition("/")[0] for name in names})
    if top != sorted(PACKAGES):
        sys.exit(f"{wheel} holds {', '.join(top)}; wanted {', '.join(PACKAGES)}")
    wanted = {
        path.as_posix()
        for package in PACKAGES
        for path in Path(package).rglob("*")
        if path.suffix in (".py", *DATA)
    }
    missing = sorted(wanted.difference(names))
    if missing:
        sys.exit(f"{wheel} lacks {', '.join(missing)}")
    stale = sorted(set(names) - wanted)
    if stale:
        sys.exit(f"{wheel} holds {', '.join(stale)}, which the tree does not")
    print(f"{wheel}: {len(names)} files, nothing missing")


if __name__ == "__main__":
    main(sys.argv[1])
