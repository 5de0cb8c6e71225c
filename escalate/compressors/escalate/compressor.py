"""escalate: ternary coefficients of an 8-bit basis, the method that the project is named after."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor, Given, Size, Task, Watch
from escalate.compressors.options import (
    ByLayer,
    Count,
    Less,
    Price,
    Ratio,
    Switch,
    TrainedOptions,
    of_layer,
)
from workloads.formats import BEST, FORMATS
from workloads.plug_ins import names_in

if TYPE_CHECKING:
    from escalate.capture.network import FloatNetwork
    from escalate.ternary.survival import Survival
    from escalate.train.convolutions import QuantizedConvolution

    Scales = str
    Storage = str
else:
    Scales = Literal[names_in("escalate.train.granularities")]
    Storage = Literal[(BEST, *FORMATS)]

BASIS, DENSITY = 6, 0.3
MIXED = "; mixed lets layers keep up to 8 bits"


class EscalateOptions(TrainedOptions):
    """How many basis kernels, which coefficients stay, and which scales they have."""

    excludes = (
        ("density", "threshold"),
        ("basis", "error"),
        ("ratio", "basis"),
        ("ratio", "error"),
        ("ratio", "density"),
        ("ratio", "threshold"),
    )

    method: Literal["escalate"] = Field("escalate", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. M (basis kernels) "
        "and density of each layer are chosen from its rate-distortion curve.",
    )
    mixed: Switch = Field(
        False,
        description="With ratio: layers may also stay at 8 bits or fewer. Basis-First runs these "
        "in its slower bypass mode.",
    )
    basis: Count | Mapping[str, Count] | None = Field(
        None,
        description="M, the number of basis kernels of each layer, 1..R*S: one number, or a table "
        "by layer; 6 by default.",
    )
    error: Less | None = Field(
        None,
        description="Instead of basis: the smallest M of each layer that loses at most this share "
        "of the weights' squared sum.",
    )
    density: ByLayer = Field(
        None,
        description="Share of the coefficients that stay non-zero: one number, or a table by "
        "layer; 0.3 by default.",
    )
    threshold: Less | None = Field(
        None,
        description="Instead of density: a coefficient becomes 0 if it is at most this times the "
        "largest of its output channel.",
    )
    scales: Scales = Field(
        "separable",
        description="Which scales the coefficients have: one per layer, basis (kernel), filter, "
        "or filter_basis (each pair of the two); separable, one per filter and one per basis "
        "kernel; two_sided, also one each for +1 and -1 (as in trained ternary quantization).",
    )
    weighting: Literal["none", "inputs"] = Field(
        "none",
        description="How errors are weighted: none, all alike; inputs, by how strongly their "
        "input channel is driven.",
    )
    l1: Price = Field(0.0, description="Penalty on the coefficients' magnitudes in retraining.")
    updates: Literal["joint", "alternating"] = Field(
        "joint",
        description="joint trains coefficients and basis together; alternating trains them in "
        "turn, epoch by epoch.",
    )
    storage: Storage = Field(
        "best",
        description="Storage format of the coefficients; best takes the smallest for each layer.",
    )

    def survival(self, layer: str) -> "Survival":
        """The rule for a layer's coefficients."""
        from escalate.ternary.survival import Survival

        if self.threshold is not None:
            return Survival(threshold=self.threshold)
        return Survival(density=of_layer(self.density or DENSITY, layer))


class Escalate(Compressor):
    """Decomposed layers; those without a kernel to decompose are ternary alone."""

    name = "escalate"
    summary = "ternary coefficients of an 8-bit basis"
    source = "ESCALATE, MICRO 2021"
    kind = "compressed"
    layers = "ternary layer"
    form = "compressed"
    options = EscalateOptions
    basis = True
    tables = ("density",)

    def check(self, network: "FloatNetwork", options: EscalateOptions) -> None:
        """Refuse a basis that does not fit."""
        from escalate.compressors.escalate.sizes import basis_sizes

        basis_sizes(network, options)

    def weighs_inputs(self, options: EscalateOptions) -> bool:
        """Whether errors of decomposition, thresholds and scales are weighted."""
        return options.weighting == "inputs"

    def convolution(self, given: Given, options: EscalateOptions) -> "QuantizedConvolution":
        """Ternary coefficients, of a basis where the layer has more than one tap."""
        from escalate.compressors.escalate.sizes import basis_size
        from escalate.train.convolutions import DecomposedConvolution, TernaryConvolution

        size = basis_size(given.layer, given.weights, options)
        kind = TernaryConvolution if size is None else DecomposedConvolution
        return kind(
            *given.arrays,
            options.survival(given.layer.name),
            size or 1,
            granularity=options.scales,
            importance=given.importance,
            ease=options.first_ease,
        )

    def within(
        self,
        task: Task,
        options: EscalateOptions,
        budget: int,
        size: Size,
        watch: Watch | None = None,
    ) -> EscalateOptions:
        """A form for every layer, by equal slope of their curves."""
        from escalate.compressors.escalate.forms import within

        return within(task, options, budget, size, watch)

    def storage(self, options: EscalateOptions) -> str:
        """As asked."""
        return options.storage

    def why_below(self, asked: EscalateOptions, chosen: Mapping[str, Any]) -> str:
        """No layer had more to give."""
        told = "no layer had a larger form that fits when forms were chosen"
        return told if asked.mixed else f"{told}{MIXED}"


COMPRESSOR = Escalate()
