"""filter: one scale for each output channel."""

from escalate.train.granularity import Granularity


class Filter(Granularity):
    """a[k] is free, and every b[m] is 1."""

    basis = False


GRANULARITY = Filter()
