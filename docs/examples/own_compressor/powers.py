"""powers: weights that are powers of two, as an example of a compressor of one's own.

A weight is 0 or plus or minus a power of two times one number for its output channel, so that a
multiplication is a shift.  The network is retrained with these weights.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor, Given
from escalate.compressors.knob import Knob
from escalate.compressors.options import Ratio, TrainedOptions

if TYPE_CHECKING:
    from escalate.train.convolutions import QuantizedConvolution

POWERS, MOST_POWERS = 4, 7  # the largest of seven powers is 64, an 8-bit weight
Powers = Annotated[int, Field(ge=1, le=MOST_POWERS, strict=True)]


class PowersOptions(TrainedOptions):
    """How many powers of two there are; all that retraining takes comes with TrainedOptions."""

    excludes = (("ratio", "powers"),)

    method: Literal["powers"] = Field("powers", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32, by the most powers "
        "that fit.",
    )
    powers: Powers | None = Field(
        None, description="Powers of two that the weights of a channel use; 4 by default."
    )


class PowersOfTwo(Compressor):
    """Weights that are powers of two."""

    name = "powers"
    summary = "weights that are powers of two"
    source = "the worked example of the documentation"
    kind = "powers"
    layers = "layer of powers"
    form = "powers of two"
    options = PowersOptions

    def convolution(self, given: Given, options: PowersOptions) -> "QuantizedConvolution":
        """The form of one layer."""
        from powers_convolution import PowersConvolution

        return PowersConvolution(*given.arrays, options.powers or POWERS)

    def knobs(self, options: PowersOptions) -> tuple[Knob, ...]:
        """What ``ratio`` settles: the number of powers."""
        return (Knob("number of powers", 1, MOST_POWERS, lambda number: {"powers": number}),)


COMPRESSOR = PowersOfTwo()
