"""basis: one scale for each basis kernel."""

from escalate.train.granularity import Granularity


class Basis(Granularity):
    """Every a[k] is its channel's size times one number, and b[m] is free."""

    common = True


GRANULARITY = Basis()
