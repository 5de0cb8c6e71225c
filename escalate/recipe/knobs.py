"""knobs_of: what a byte budget settles, for each method."""

from collections.abc import Mapping

from escalate.compressors.knob import Knob
from escalate.compressors.rate_distortion import MOST_CLUSTERS
from escalate.recipe.options import CompressOptions

SHARES = 1000  # steps of a density
OCTAVE = 128  # steps of a rate penalty that halves; one moves a size by half a percent at most
LEAST_PENALTY, MOST_PENALTY = -16, 6  # its powers of two: beyond them weights stay, or all are 0


def _density(number: int) -> Mapping[str, float]:
    return {"density": number / SHARES}


def _clusters(number: int) -> Mapping[str, float]:
    return {"clusters": number, "density": 1.0}


def _two_clusters(number: int) -> Mapping[str, float]:
    return {"clusters": 2, "density": number / SHARES}


def _penalty(number: int) -> Mapping[str, float]:
    return {"rate_penalty": 2.0 ** (MOST_PENALTY - number / OCTAVE)}


DENSITY = Knob("density", 1, SHARES, _density)
CLUSTERS = Knob("clusters", 2, MOST_CLUSTERS, _clusters)
TWO_CLUSTERS = Knob("density of two clusters", 1, SHARES - 1, _two_clusters)
PENALTY = Knob("rate", 0, OCTAVE * (MOST_PENALTY - LEAST_PENALTY), _penalty)


def knobs_of(options: CompressOptions) -> tuple[Knob, ...]:
    """What a budget settles before anything is trained; none where training settles it all.

    The next one is turned where the lowest number of the one before does not fit.
    """
    if options.method == "rate_distortion":
        return (CLUSTERS, TWO_CLUSTERS) if options.clusters is None else (DENSITY,)
    if options.method == "vbq":
        return (PENALTY,)
    return (DENSITY,) if options.method in ("prune", "admm") else ()
