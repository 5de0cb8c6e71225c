"""Set-up of all tests: one cache of compiled kernels, and the same examples on every run."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis

_root = Path(__file__).parent.parent
if "PYTEST_XDIST_WORKER" in os.environ:  # the folder is what the process that started it says
    # Workers share the cores already: a fifth less processor time.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
elif os.environ.get("NUMBA_BOUNDSCHECK") == "1":  # which cached kernels would ignore
    os.environ["ESCALATE_CACHE"] = tempfile.mkdtemp(prefix="escalate-bounds-")
    atexit.register(shutil.rmtree, os.environ["ESCALATE_CACHE"], ignore_errors=True)
else:
    os.environ["ESCALATE_CACHE"] = str(_root / ".pytest_cache" / "kernels")

if os.environ.get("ESCALATE_ROUNDING"):  # torch is imported only where it is asked for
    from tests import rounding

    rounding.install()

hypothesis.settings.register_profile("escalate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("escalate")
