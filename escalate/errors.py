"""Errors of the front end."""


class FrontEndError(ValueError):
    """Bad input to the front end; the message is one line for the user."""


class CaptureError(FrontEndError):
    """A network that cannot be captured: names the operator and its place."""


class CheckpointError(FrontEndError):
    """A checkpoint or model file that is missing, torn, foreign or of the wrong shape."""


class DecompositionError(FrontEndError):
    """Weights or options that cannot be decomposed or quantized."""


class BudgetError(DecompositionError):
    """A size that a method cannot come down to on a network."""


class DataError(FrontEndError):
    """Images or labels that cannot be read."""


class StreamError(FrontEndError):
    """Coded numbers that are torn, foreign or of another version."""
