"""Errors of the machine models."""


class SpecError(ValueError):
    """A machine, preset or field that cannot be: names field, value and what is allowed."""


class OperandError(ValueError):
    """Tensors a machine cannot take: names layer, field, what came and what was wanted."""


class InvariantError(RuntimeError):
    """A broken conservation law: a defect of the simulator itself, never caught."""
