"""reports: results as tables, figures and pages."""

import contextlib
import os
from pathlib import Path

import platformdirs

from workloads.user_folder import user_folder, writable

if "MPLCONFIGDIR" not in os.environ:  # Matplotlib complains where its own place cannot be written
    try:
        writable(Path(platformdirs.user_config_dir("matplotlib")))
    except OSError:
        with contextlib.suppress(OSError):
            os.environ["MPLCONFIGDIR"] = str(writable(user_folder() / "matplotlib"))
