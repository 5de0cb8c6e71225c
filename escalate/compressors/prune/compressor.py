"""prune: 8-bit weights of which all but the strongest are 0; see ``escalate.train.pruning``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from escalate.compressors.compressor import Compressor, Given
from escalate.compressors.knob import Knob, density_knob
from escalate.compressors.options import ByLayer, Ratio, TrainedOptions
from escalate.train.settings import Scope

if TYPE_CHECKING:
    from escalate.train.convolutions import QuantizedConvolution
    from escalate.train.pruning import Pruning

DENSITY = 0.3


class PruneOptions(TrainedOptions):
    """How many weights stay, and which of them compete."""

    excludes = (("ratio", "density"),)

    method: Literal["prune"] = Field("prune", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. The highest density "
        "that fits is taken.",
    )
    density: ByLayer = Field(
        None,
        description="Share of the weights that stay non-zero: one number, or a table by layer; "
        "0.3 by default.",
    )
    scope: Scope | None = Field(
        None,
        description="global: the weights of all pruned layers compete with each other (default); "
        "layer: each layer keeps this share of its own weights.",
    )
    weighting: Literal["none", "inputs"] = Field(
        "none",
        description="How errors are weighted: none, all alike; inputs, by how strongly their "
        "input channel is driven.",
    )

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.scope is not None and isinstance(self.density, Mapping):
            raise ValueError("scope and a density table are both given, wanted at most one")
        return self

    def rule(self, layer: str) -> "Pruning":
        """The rule for a layer's weights."""
        from escalate.train.pruning import Pruning

        if isinstance(self.density, Mapping):
            return Pruning(self.density[layer], "layer")
        return Pruning(self.density or DENSITY, self.scope or "global")


class Prune(Compressor):
    """Pruned weights, retrained under their mask."""

    name = "prune"
    summary = "8-bit weights, most of them 0"
    kind = "pruned"
    layers = "pruned layer"
    form = "pruned, 8 bit"
    options = PruneOptions
    uses_bits = True
    tables = ("density",)

    def weighs_inputs(self, options: PruneOptions) -> bool:
        """Whether magnitudes are weighted by the input channels."""
        return options.weighting == "inputs"

    def convolution(self, given: Given, options: PruneOptions) -> "QuantizedConvolution":
        """A pruned convolution; nothing is dropped yet."""
        from escalate.train.pruning import PrunedConvolution

        name = given.layer.name
        rule, bits = options.rule(name), options.bits_of(name)
        return PrunedConvolution(*given.arrays, rule, bits, importance=given.importance)

    def knobs(self, options: PruneOptions) -> tuple[Knob, ...]:
        """The density."""
        return (density_knob(),)


COMPRESSOR = Prune()
