"""int8: every layer at 8 bits or fewer, calibrated, not retrained."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from escalate.compressors.compressor import Compressor
from escalate.compressors.options import Options

if TYPE_CHECKING:
    from workloads.graph import Graph


class Int8Options(Options):
    """It has none of its own."""

    method: Literal["int8"] = Field("int8", description="How the network is compressed.")


class Int8(Compressor):
    """All layers are kept."""

    name = "int8"
    summary = "8 bits only"
    kind = "int8"
    layers = "8-bit layer"
    form = "8 bit"
    options = Int8Options
    changes = False

    def kept(self, graph: "Graph", options: Int8Options) -> frozenset[str]:
        """All convolutions."""
        return frozenset(node.name for node in graph.convs)


COMPRESSOR = Int8()
