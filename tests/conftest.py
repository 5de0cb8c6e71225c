"""Set-up of all tests: one kernel cache per worker, and the same examples on every run."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis

# Several processes that build one kernel cache at once can crash; each worker has its own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
if _worker != "alone":  # workers share the cores already: a fifth less processor time
    os.environ.setdefault("OMP_NUM_THREADS", "1")
_caches = Path(__file__).parent.parent / ".pytest_cache" / "kernels"
if os.environ.get("NUMBA_BOUNDSCHECK") == "1":  # which cached kernels would ignore
    _caches = Path(tempfile.mkdtemp(prefix="escalate-bounds-"))
    atexit.register(shutil.rmtree, _caches, ignore_errors=True)
os.environ["ESCALATE_CACHE"] = str(_caches / _worker)

if os.environ.get("ESCALATE_ROUNDING"):  # torch is imported only where it is asked for
    from tests import rounding

    rounding.install()

hypothesis.settings.register_profile("escalate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("escalate")
