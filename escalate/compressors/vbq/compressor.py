"""vbq: 8-bit weights coded by how uncertain they are; see its module ``variational``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor, Given, Task
from escalate.compressors.knob import Knob
from escalate.compressors.options import Options, Positive, Ratio

if TYPE_CHECKING:
    from escalate.compressors.distortion import Cost
    from escalate.train.convolutions import QuantizedConvolution

PENALTY = 1.0  # nats a bit
OCTAVE = 128  # steps of a penalty that halves; one moves a size by half a percent at most
LEAST_PENALTY, MOST_PENALTY = -16, 6  # its powers of two: beyond them weights stay, or all are 0


class VbqOptions(Options):
    """What a bit costs, and how uncertain the weights are."""

    excludes = (("uncertainty", "variances"), ("ratio", "rate_penalty"))

    method: Literal["vbq"] = Field("vbq", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. The lowest price of "
        "a bit that fits is taken.",
    )
    rate_penalty: Positive | None = Field(
        None, description="Price of a bit, in nats; 1 by default."
    )
    uncertainty: Literal["fisher", "labels", "constant"] | None = Field(
        None,
        description="Where the weights' variances come from: fisher, the Fisher information of "
        "the network's own answers (default); labels, that of the labels; constant, one variance "
        "for all weights.",
    )
    variances: str | None = Field(
        None, description="An .npz file of variances by layer, instead of uncertainty."
    )


class Vbq(Compressor):
    """Weights on code points; nothing is retrained."""

    name = "vbq"
    summary = "8-bit weights coded by how uncertain they are"
    source = "Yang, Bamler, Mandt, Variational Bayesian Quantization, ICML 2020"
    kind = "variational"
    layers = "variational layer"
    form = "variational, 8 bit"
    options = VbqOptions

    def label_need(self, options: VbqOptions) -> str | None:
        """The empirical Fisher information takes the gradients of the labels."""
        if options.uncertainty == "labels":
            return "uncertainty = labels needs labels; give them, or fisher"
        return None

    def measured(self, task: Task, options: VbqOptions) -> "Mapping[str, Cost]":
        """1 / sigma^2 of every weight."""
        from escalate.compressors.vbq.variational import given_precisions, precisions

        if options.variances is not None:
            shapes = {name: weights.shape for name, weights in task.network.weights.items()}
            return given_precisions(options.variances, shapes)
        return precisions(
            task.network,
            task.original,
            task.image,
            task.pixels,
            task.labels,
            kind=options.uncertainty or "fisher",
            images=task.images,
            seed=options.seed,
        )

    def convolution(self, given: Given, options: VbqOptions) -> "QuantizedConvolution":
        """A layer whose weights take the cheapest code points."""
        from escalate.compressors.vbq.variational import variational_layer

        assert given.cost is not None
        return variational_layer(*given.arrays, given.cost, options.rate_penalty or PENALTY)

    def knobs(self, options: VbqOptions) -> tuple[Knob, ...]:
        """The price of a bit, from the highest on."""
        return (Knob("rate", 0, OCTAVE * (MOST_PENALTY - LEAST_PENALTY), _penalty),)


def _penalty(number: int) -> Mapping[str, float]:
    return {"rate_penalty": 2.0 ** (MOST_PENALTY - number / OCTAVE)}


COMPRESSOR = Vbq()
