"""Errors of the workloads package."""


class WorkloadError(ValueError):
    """An invalid layer, network or tensor; names layer, field, value and what is allowed."""
