"""layer: one scale for the layer."""

from escalate.train.granularity import Granularity


class Layer(Granularity):
    """Every a[k] is its channel's size times one number, and every b[m] is 1."""

    common = True
    basis = False


GRANULARITY = Layer()
