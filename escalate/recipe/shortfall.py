"""shortfall: a model that came out far smaller than it was asked to be.

Why, its method knows: ``escalate.compressors.compressor.Compressor.why_below``.
"""

FAR = 1.1  # reached over asked ratio from which on a model is far below its size


def far_below(asked: float | None, reached: float) -> bool:
    """Whether a model is more than a tenth smaller than it was asked to be.

    Examples
    --------
    >>> far_below(10, 25.8), far_below(10, 10.9), far_below(None, 4.3)
    (True, False, False)
    """
    return asked is not None and reached > FAR * asked
