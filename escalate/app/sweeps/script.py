"""script: whether processes can be started from a user's script without running it again."""

import ast
import multiprocessing
import sys
from pathlib import Path

from escalate.app.sweeps.axes import SweepError

GUARD = '`if __name__ == "__main__":`'


def check_script(workers: int) -> None:
    """Refuse to start processes from a script whose calls are not guarded.

    A process that is started afresh imports the script that started it.  Without a guard it would
    begin the sweep once more, and so on.

    Raises
    ------
    SweepError
        Naming the script and what to write.
    """
    path = _script()
    imported = getattr(multiprocessing.current_process(), "_inheriting", False)  # by a process
    if not imported and (path is None or _asks_its_name(path)):
        return
    raise SweepError(
        f"{path or sys.argv[0]}: workers = {workers} start processes, each of which imports "
        f"this script: put the call under {GUARD}"
    )


def _script() -> Path | None:
    """The script that new processes would import; None for modules, notebooks and shells."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is None or getattr(main, "__spec__", None) is not None:
        return None
    return Path(file)


def _asks_its_name(path: Path) -> bool:
    """Whether a script looks at ``__name__`` at all; one that cannot be read is trusted."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return "__name__" in names
