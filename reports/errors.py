"""Errors of the reports."""


class ReportError(ValueError):
    """Results that cannot be put side by side: names the run and what was wanted."""
