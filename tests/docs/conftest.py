"""The command line, run in this process."""

from tests.escalate.cli.conftest import escalate

__all__ = ["escalate"]
