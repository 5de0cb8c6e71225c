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

    ``stride`` and ``dilation`` are one number for both directions, or (down, across): rows first.
    Two equal numbers become one.  ``strides`` and ``dilations`` are always (down, across).

    Raises
    ------
    WorkloadError
        If a bound is no integer from 1 to ``MOST`` (or, of a stride or a dilation, two), the groups
        do not divide C and K, no output is left, or a tensor has more than ``MOST_VALUES``
        elements, the layer more than ``MOST_MACS`` multiply-accumulates.

    Examples
    --------
    >>> layer = ConvLayer("conv1", C=3, K=8, H=9, W=9, R=3, S=3, stride=2, padding=(1, 1, 1, 1))
    >>> layer.P, layer.Q, layer.macs
    (5, 5, 5400)
    >>> tall = ConvLayer("tall", C=1, K=1, H=9, W=9, R=3, S=1, stride=(2, 1), dilation=(3, 3))
    >>> tall.P, tall.Q, tall.strides, tall.dilation
    (2, 9, (2, 1), 3)
    """

    name: str
    C: int
    K: int
    H: int
    W: int
    R: int = 1
    S: int = 1
    stride: int | tuple[int, int] = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for field in ("stride", "dilation"):
            object.__setattr__(self, field, _steps(self.name, field, getattr(self, field)))
        for field in ("C", "K", "H", "W", "R", "S", "groups"):
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
    def strides(self) -> tuple[int, int]:
        """Input rows and columns from one output to the next."""
        return _both(self.stride)

    @property
    def dilations(self) -> tuple[int, int]:
        """Input rows and columns from one kernel tap to the next."""
        return _both(self.dilation)

    @property
    def reach(self) -> tuple[int, int]:
        """Input rows and columns from the first to the last tap of the kernel, both included."""
        down, across = self.dilations
        return down * (self.R - 1) + 1, across * (self.S - 1) + 1

    @property
    def P(self) -> int:
        """Output rows."""
        room = self.H + self.padding[0] + self.padding[1] - self.reach[0]
        return room // self.strides[0] + 1

    @property
    def Q(self) -> int:
        """Output columns."""
        room = self.W + self.padding[2] + self.padding[3] - self.reach[1]
        return room // self.strides[1] + 1

    def tap(self, r: int, s: int) -> tuple[slice, slice]:
        """Rows and columns of the padded input that kernel tap (r, s) reads, one for each output.

        Examples
        --------
        >>> ConvLayer("c", C=1, K=1, H=9, W=9, R=3, S=3, stride=(2, 1), dilation=(1, 4)).tap(1, 2)
        (slice(1, 8, 2), slice(8, 9, 1))
        """
        (down, across), y, x = self.strides, r * self.dilations[0], s * self.dilations[1]
        return (
            slice(y, y + (self.P - 1) * down + 1, down),
            slice(x, x + (self.Q - 1) * across + 1, across),
        )

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


def _both(steps: int | tuple[int, int]) -> tuple[int, int]:
    return (steps, steps) if isinstance(steps, int) else steps


def _steps(layer: str, field: str, value: object) -> int | tuple[int, int]:
    """A stride or a dilation: one number, or two that differ.

    Raises
    ------
    WorkloadError
        If it is neither.
    """
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or not all(is_whole(step, 1, MOST) for step in both):
        raise WorkloadError(
            f"{layer}: {field} is {shown(value)}, wanted an integer {between(1, MOST)} "
            "or two, (down, across)"
        )
    return both[0] if both[0] == both[1] else both
