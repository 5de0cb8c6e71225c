"""admm: rows, columns or tiles of weights on few levels, as crossbars hold them.

The forms are in its module ``convolution``, the exact projections in ``projections``.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor, Given
from escalate.compressors.knob import Knob, density_knob
from escalate.compressors.options import (
    ByLayer,
    Count,
    Part,
    Positive,
    Ratio,
    TrainedOptions,
    of_layer,
)

if TYPE_CHECKING:
    from escalate.compressors.admm.convolution import Target
    from escalate.train.convolutions import QuantizedConvolution
    from workloads.graph import Graph

DENSITY, BITS, RHO = 0.3, 4, 1e-3
TILE = (128, 64)  # rows and columns of the paper's crossbars for VGG-16 and ResNet-18
Kind = Literal["rows", "columns", "tiles"]
LevelBits = Annotated[int, Field(ge=2, le=7, strict=True)]


class AdmmOptions(TrainedOptions):
    """What stays as a whole, on how many levels, and how training gets there."""

    eased = False
    excludes = (("ratio", "density"),)

    method: Literal["admm"] = Field("admm", description="How the network is compressed.")
    ratio: Ratio | None = Field(
        None,
        description="Make the whole model this many times smaller than FP32. The highest density "
        "that fits is taken.",
    )
    density: ByLayer = Field(
        None,
        description="Share of each layer's rows, columns or tiles that stays, at least one of "
        "them: one number, or a table by layer; 0.3 by default.",
    )
    structure: Kind | None = Field(
        None,
        description="What is kept or removed as a whole: columns, one tap (input position) in all "
        "filters (default); rows, whole filters, of which the last layer keeps all, at 8 bits; "
        "tiles, the part of the matrix that one crossbar holds.",
    )
    tile: tuple[Count, Count] | None = Field(
        None,
        description="[taps, filters]: rows and columns of a crossbar; [128, 64] by default.",
    )
    level_bits: LevelBits | None = Field(
        None, description="Bits of a level (a stored weight), sign included; 4 by default."
    )
    rho: Positive | None = Field(
        None,
        description="Weight, in the loss, of the squared distance between the weights and their "
        "target; weights are scaled to root mean square 1; 1e-3 by default.",
    )
    ramp: Part = Field(
        0.5, description="Share of the epochs after which weights that are 0 stay 0."
    )

    def target(self, layer: str) -> "Target":
        """What a layer's weights are to become."""
        from escalate.compressors.admm.convolution import Target
        from escalate.compressors.admm.projections import Structure

        return Target(
            Structure(self.structure or "columns", self.tile or TILE),
            of_layer(self.density or DENSITY, layer),
            self.level_bits or BITS,
            self.rho or RHO,
            self.ramp,
        )


class Admm(Compressor):
    """Weights trained towards a structure, then towards levels."""

    name = "admm"
    summary = "levels of crossbars"
    source = "Yuan et al., ISLPED 2019, arXiv 1908.11691"
    kind = "levels"
    layers = "mapped layer"
    form = "levels"
    options = AdmmOptions
    tables = ("density",)

    def kept(self, graph: "Graph", options: AdmmOptions) -> frozenset[str]:
        """The usual ones; with rows also the last: a class without its row is never answered."""
        last = [node.name for node in graph.convs][-1:] if options.structure == "rows" else ()
        return super().kept(graph, options).union(last)

    def convolution(self, given: Given, options: AdmmOptions) -> "QuantizedConvolution":
        """Weights with a structure and levels to come to."""
        from escalate.compressors.admm.convolution import AdmmConvolution

        target = options.target(given.layer.name)
        return AdmmConvolution(*given.arrays, target, trained=options.retrained)

    def knobs(self, options: AdmmOptions) -> tuple[Knob, ...]:
        """The density."""
        return (density_knob(),)


COMPRESSOR = Admm()
