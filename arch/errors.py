"""Errors of the machine models."""


class SpecError(ValueError):
    """An invalid machine, preset or field; names the field, the value and what is allowed."""


class OperandError(ValueError):
    """Tensors that a machine cannot take; names layer, field, what came and what was wanted."""


class InvariantError(RuntimeError):
    """A broken conservation law: a bug of the simulator itself, never caught."""
