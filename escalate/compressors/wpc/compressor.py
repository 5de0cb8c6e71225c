"""wpc: ternary weights of which whole groups become 0; see its module ``convolution``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor, Given
from escalate.compressors.options import Count, Part, Positive, Price, Ratio, Switch, TrainedOptions

if TYPE_CHECKING:
    from escalate.train.convolutions import QuantizedConvolution

GROUP, PENALTY, CLIP = (16, 1), 1e-3, 0.25


class WpcOptions(TrainedOptions):
    """What a group is, and how strongly it is drawn to 0."""

    eased = False

    method: Literal["wpc"] = Field("wpc", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. The weakest groups "
        "are dropped until it fits.",
    )
    group: tuple[Count, Count] | None = Field(
        None,
        description="[channels, filters] of a group of weights, which spans all taps of a kernel; "
        "[16, 1] by default.",
    )
    penalty: Price | None = Field(
        None, description="Weight of the groups' norms in the loss; 1e-3 by default."
    )
    clip: Positive | None = Field(
        None,
        description="A group's norm counts only up to this share of the layer's mean norm; 0.25 "
        "by default.",
    )
    detached: Switch | None = Field(
        None,
        description="Treat that mean norm as a constant (default), or let gradients pass through "
        "it.",
    )
    ramp: Part = Field(
        0.5, description="Share of the epochs after which weak groups may be dropped for good."
    )


class Wpc(Compressor):
    """Ternary weights in groups, trained with a penalty."""

    name = "wpc"
    summary = "ternary weights in groups, many groups 0"
    source = (
        "Yang, He, Fan, Harmonious Coexistence of Structured Weight Pruning and Ternarization for "
        "Deep Neural Networks, AAAI 2020"
    )
    kind = "grouped"
    layers = "ternary layer"
    form = "ternary groups"
    options = WpcOptions

    def convolution(self, given: Given, options: WpcOptions) -> "QuantizedConvolution":
        """Ternary weights without a basis."""
        from escalate.compressors.wpc.convolution import GroupedConvolution

        return GroupedConvolution(
            *given.arrays,
            options.group or GROUP,
            PENALTY if options.penalty is None else options.penalty,
            options.clip or CLIP,
            detached=options.detached is not False,
        )

    def why_below(self, asked: WpcOptions, chosen: Mapping[str, Any]) -> str:
        """Ternary weights are small by themselves."""
        return f"weights of {self.name} are that small before a group is dropped"


COMPRESSOR = Wpc()
