"""ConvLayer: the sizes of one convolution; all other sizes and the MAC count follow from them."""

from dataclasses import dataclass

from workloads.errors import WorkloadError
from workloads.number import between, is_whole, shown

MOST, MOST_PADDING = 1 << 24, 1 << 16  # of any bound, of an edge
MOST_VALUES = 1 << 31  # of a tensor
MOST_MACS = 10**15  # of a layer: far above any network, and sums of them stay below 2^63


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """One convolution or fully connected layer (a 1x1 convolution of a 1x1 plane).

    The letters are the field's: C input and K output channels, an R x S kernel, an H x W input
    plane, a P x Q output plane.  ``padding`` is (top, bottom, left, right) in elements.

    Raises
    ------
    WorkloadError
        If a bound is no integer from 1 to ``MOST``, the groups do not divide C and K, no output is
        left, or a tensor has more than ``MOST_VALUES`` elements, the layer more than ``MOST_MACS``
        multiply-accumulates.

    Examples
    --------
    >>> layer = ConvLayer("conv1", C=3, K=8, H=9, W=9, R=3, S=3, stride=2, padding=(1, 1, 1, 1))
    >>> layer.P, layer.Q, layer.macs
    (5, 5, 5400)
    """

    name: str
    C: int
    K: int
    H: int
    W: int
    R: int = 1
    S: int = 1
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for field in ("C", "K", "H", "W", "R", "S", "stride", "dilation", "groups"):
            value = getattr(self, field)
            if not is_whole(value, 1, MOST):
                raise WorkloadError(
                    f"{self.name}: {field} is {shown(value)}, wanted an integer {between(1, MOST)}"
                )
        if len(self.padding) != 4 or not all(
            is_whole(edge, 0, MOST_PADDING) for edge in self.padding
        ):
            raise WorkloadError(
                f"{self.name}: padding is {shown(self.padding)}, "
                f"wanted (top, bottom, left, right), integers {between(0, MOST_PADDING)}"
            )
        for field in ("C", "K"):
            if getattr(self, field) % self.groups:
                raise WorkloadError(
                    f"{self.name}: {field} is {getattr(self, field)}, "
                    f"wanted a multiple of groups = {self.groups}"
                )
        if self.P < 1 or self.Q < 1:
            raise WorkloadError(
                f"{self.name}: the output is {self.P}x{self.Q}, wanted at least 1x1; "
                f"the {self.R}x{self.S} kernel exceeds the padded {self.H}x{self.W} input"
            )
        for tensor, count in self.values.items():
            if count > MOST_VALUES:
                raise WorkloadError(
                    f"{self.name}: {count} values of {tensor}, wanted at most {MOST_VALUES}"
                )
        if self.macs > MOST_MACS:
            raise WorkloadError(
                f"{self.name}: {self.macs} multiply-accumulates, wanted at most {MOST_MACS}"
            )

    @property
    def P(self) -> int:
        """Output rows."""
        reach = self.dilation * (self.R - 1) + 1
        return (self.H + self.padding[0] + self.padding[1] - reach) // self.stride + 1

    @property
    def Q(self) -> int:
        """Output columns."""
        reach = self.dilation * (self.S - 1) + 1
        return (self.W + self.padding[2] + self.padding[3] - reach) // self.stride + 1

    @property
    def channels_per_group(self) -> int:
        """Input channels that one output channel sees."""
        return self.C // self.groups

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of one image, padded positions included."""
        return self.K * self.P * self.Q * self.channels_per_group * self.R * self.S

    @property
    def values(self) -> dict[str, int]:
        """Elements of each of its tensors, for one image; the input includes its padding."""
        top, bottom, left, right = self.padding
        return {
            "input": self.C * (self.H + top + bottom) * (self.W + left + right),
            "output": self.K * self.P * self.Q,
            "weights": self.K * self.channels_per_group * self.R * self.S,
        }

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weight tensor, (K, C/groups, R, S)."""
        return (self.K, self.channels_per_group, self.R, self.S)

    @property
    def is_linear(self) -> bool:
        """A fully connected layer: one pixel in, one pixel out."""
        return (self.H, self.W, self.R, self.S) == (1, 1, 1, 1) and not any(self.padding)

    @property
    def is_depthwise(self) -> bool:
        """One input channel per group, several groups."""
        return self.groups > 1 and self.channels_per_group == 1
