"""Errors of the workloads package."""


class WorkloadError(ValueError):
    """A layer, network or tensor that cannot be: names layer, field, value and what is allowed."""
