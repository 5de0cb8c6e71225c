"""Check: one published number, ours beside it, the accepted band and the verdict."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "share", "difference", "between", "bracket", "at_most", "bound", "reported"]
Verdict = Literal["inside", "outside", "lower bound", "reported"]


@dataclass(frozen=True, slots=True)
class Band:
    """What is accepted of our number x beside the published one p.

    ======== ==================================================================================
    exact      x = p
    share      x within ``size`` times p of p
    difference x within ``size`` of p
    between    x from ``low`` up to p: a bound of ours and a measurement enclose it
    bracket    p from ``low`` up to x: two bounds of ours enclose the measurement
    at_most    x no more than p, which was published as a bound
    bound      x from ``low`` up to p: ours leaves out what nobody described, and is a lower bound
    reported   anything: nobody says how close it must be
    ======== ==================================================================================
    """

    kind: Kind
    size: float = 0.0
    low: float = 0.0

    def accepts(self, published: float, ours: float) -> bool:
        """Whether our number lies in the band.

        Examples
        --------
        >>> Band("share", 0.05).accepts(100, 104), Band("exact").accepts(100, 104)
        (True, False)
        >>> Band("between", low=90).accepts(100, 95), Band("bracket", low=90).accepts(95, 100)
        (True, True)
        """
        if self.kind == "exact":
            return ours == published
        if self.kind == "share":
            return abs(ours - published) <= self.size * abs(published)
        if self.kind == "difference":
            return abs(ours - published) <= self.size
        if self.kind in ("between", "bound"):
            return self.low <= ours <= published
        if self.kind == "at_most":
            return ours <= published
        return self.kind == "reported" or self.low <= published <= ours

    def __str__(self) -> str:
        """The band in a few words.

        Examples
        --------
        >>> str(Band("share", 0.25)), str(Band("bracket", low=1.5)), str(Band("exact"))
        ('± 25 %', 'from 1.5 to ours', 'exact')
        """
        return {
            "exact": "exact",
            "share": f"± {100 * self.size:g} %",
            "difference": f"± {self.size:g}",
            "between": f"from {self.low:.4g} to published",
            "bracket": f"from {self.low:.4g} to ours",
            "at_most": "up to published",
            "bound": "none, at most published",
            "reported": "none",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Check:
    """One published number and ours.

    Parameters
    ----------
    machine : name of the machine model
    quantity : what is compared, with its unit: "processing latency, ms"
    case : layer, network or setting
    published : the number somebody else printed
    ours : the number computed now
    band : what is accepted
    source : who printed it: paper and table, or tool and version
    reason : why ours differs, or is known to; where it lies outside the band, this must say why

    Examples
    --------
    >>> Check("scnn", "slots", "v1", 100.0, 104.0, Band("share", 0.1), "a simulator").verdict
    'inside'
    """

    machine: str
    quantity: str
    case: str
    published: float
    ours: float
    band: Band
    source: str
    reason: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the published number; not a number where that is 0."""
        return self.ours / self.published if self.published else float("nan")

    @property
    def verdict(self) -> Verdict:
        """Whether ours lies in the band; a lower bound is called that, however far away it is.

        Examples
        --------
        >>> check = Check("a", "ms", "b", 100.0, 41.5, Band("bound", low=30), "chip")
        >>> check.verdict, Check("a", "ms", "b", 100.0, 101, Band("bound"), "chip").verdict
        ('lower bound', 'outside')
        """
        if self.band.kind == "reported":
            return "reported"
        if not self.band.accepts(self.published, self.ours):
            return "outside"
        return "lower bound" if self.band.kind == "bound" else "inside"
