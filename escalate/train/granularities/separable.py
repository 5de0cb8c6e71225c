"""separable: one scale for each output channel, and one for each basis kernel."""

from escalate.train.granularity import Granularity


class Separable(Granularity):
    """a[k] and b[m] are free."""


GRANULARITY = Separable()
