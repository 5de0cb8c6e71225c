"""Errors of the reports."""


class ReportError(ValueError):
    """Results that cannot be combined or compared; names the run and what was wanted."""
