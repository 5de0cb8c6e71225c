"""rate_distortion: 8-bit weights that share few values; see its module ``clustering``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from escalate.compressors.compressor import Compressor, Given, Task
from escalate.compressors.knob import SHARES, Knob, density_knob
from escalate.compressors.options import ByLayer, Options, Ratio, of_layer

if TYPE_CHECKING:
    from escalate.compressors.distortion import Cost
    from escalate.train.convolutions import QuantizedConvolution

MOST_CLUSTERS = 255
CLUSTERS, DENSITY = 16, 1.0
Clusters = Annotated[int, Field(ge=2, le=MOST_CLUSTERS, strict=True)]
Objective = Literal["baseline", "kl", "gradient", "hessian", "gradient_hessian"]
NEED_LABELS = ("gradient", "gradient_hessian")


class RateDistortionOptions(Options):
    """How many weights stay, how many values they take, and what an error costs."""

    method: Literal["rate_distortion"] = Field(
        "rate_distortion", description="How the network is compressed."
    )
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. The most clusters "
        "that fit are taken; if two do not fit, two clusters at the highest density that fits; if "
        "clusters is given, only the density is searched.",
    )
    density: ByLayer = Field(
        None,
        description="Share of the weights that stay non-zero: one number, or a table by layer; "
        "all of them by default.",
    )
    objective: Objective | None = Field(
        None,
        description="What is kept small: kl, the change of the network's answers (default); "
        "gradient, the change of the loss on the labels; hessian, the diagonal of the Hessian; "
        "gradient_hessian, gradient and fourth order; baseline, plain squared errors. Those with "
        "gradient need labels.",
    )
    clusters: Clusters | Mapping[str, Clusters] | None = Field(
        None,
        description="How many values the weights of a layer share, besides 0: one number, or a "
        "table by layer; 16 by default.",
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if None not in (self.ratio, self.density, self.clusters):
            raise ValueError("density and clusters are both given beside ratio, wanted at most one")
        return self


class RateDistortion(Compressor):
    """Clustered weights; nothing is retrained."""

    name = "rate_distortion"
    summary = "8-bit weights that share few values"
    source = "Gao, Liu, Wang, Oh, Rate Distortion For Model Compression, ICML 2019"
    kind = "clustered"
    layers = "clustered layer"
    form = "clustered, 8 bit"
    options = RateDistortionOptions
    tables = ("density", "clusters")

    def label_need(self, options: RateDistortionOptions) -> str | None:
        """Two objectives take the gradients of the labels."""
        if options.objective in NEED_LABELS:
            return f"objective {options.objective} needs labels; give them, or objective = kl"
        return None

    def measured(self, task: Task, options: RateDistortionOptions) -> "Mapping[str, Cost]":
        """The sensitivities of the objective."""
        from escalate.compressors.rate_distortion.clustering import costs

        objective = options.objective or "kl"
        return costs(task.original, task.image, task.pixels, task.labels, objective, options.seed)

    def convolution(self, given: Given, options: RateDistortionOptions) -> "QuantizedConvolution":
        """A layer of which a share stays and takes few values."""
        from escalate.compressors.rate_distortion.clustering import compressed_layer

        assert given.cost is not None
        name = given.layer.name
        return compressed_layer(
            *given.arrays,
            given.cost,
            density=of_layer(options.density or DENSITY, name),
            clusters=of_layer(options.clusters or CLUSTERS, name),
        )

    def knobs(self, options: RateDistortionOptions) -> tuple[Knob, ...]:
        """The clusters, then the density of two; or the density where clusters are given."""
        if options.clusters is not None:
            return (density_knob(),)
        clusters = Knob("clusters", 2, MOST_CLUSTERS, lambda n: {"clusters": n, "density": 1.0})
        return (clusters, density_knob("density of two clusters", SHARES - 1, clusters=2))


COMPRESSOR = RateDistortion()
