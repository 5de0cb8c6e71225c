"""The fields of Eyeriss v2 and its presets.

Letters of the paper (Chen et al., JETCAS 2019) and ours: its M output channels are our K, its
E x F outputs our P x Q, its U our stride.  M0 output and C0 input channels are what one PE works
on; a column of weights holds the M0 weights of one input channel and one tap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.spec import Count, Cycles, Halves, MachineSpec, PortBytes, PsumBits

KIB = 1024
VALUE_BITS = 8  # an iact or a weight
ADDRESS_BITS = {"iact": 4, "weight": 7}  # of a segment of iacts, of a column of weights


class EyerissV2Spec(MachineSpec):
    """Clusters of PEs on a hierarchical mesh, all zeros skipped in compressed sparse columns.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range.

    Examples
    --------
    >>> spec = EyerissV2Spec()
    >>> spec.array_rows, spec.array_columns, spec.pes, spec.lanes, spec.sram_bytes
    (24, 8, 192, 384, 275424)
    """

    UNITS: ClassVar[tuple[str, ...]] = (
        "grid_rows",
        "grid_columns",
        "cluster_rows",
        "cluster_columns",
        "macs_per_pe",
    )

    grid_rows: Count = Field(8, description="rows of clusters")
    grid_columns: Count = Field(2, description="columns of clusters")
    cluster_rows: Count = Field(3, description="rows of PEs in a cluster")
    cluster_columns: Count = Field(4, description="columns of PEs in a cluster")
    macs_per_pe: int = Field(
        2,
        ge=1,
        le=4,
        description="multipliers of a PE; they share one input activation (iact) and take "
        "neighbouring weights",
    )
    processing: Literal["csc", "dense"] = Field(
        "csc",
        description="csc (compressed sparse columns) skips zeros; dense stores and multiplies all "
        "values",
    )
    weight_loading: Literal["exposed", "overlapped"] = Field(
        "exposed",
        description="Assumption: exposed fills the whole weight scratchpad (spad) before each "
        "pass; overlapped halves it and fills one half during the pass before",
    )
    iact_spad_words: int = Field(
        16,
        ge=1,
        le=16,
        description="iacts in a PE, a value and a count each; at most 16, for 4-bit addresses",
    )
    iact_spad_segments: int = Field(9, ge=2, le=1 << 16, description="segments of iacts in a PE")
    weight_spad_words: Count = Field(
        96, description="words of macs_per_pe weights in a PE, a value and a count for each weight"
    )
    weight_spad_columns: Count = Field(
        16, description="columns of weights in a PE: the weights of one input channel and tap"
    )
    psum_spad_words: Count = Field(
        32, description="psums in a PE; they limit M0, the output channels of a PE"
    )
    count_bits: int = Field(
        4, ge=1, le=8, description="bits of the count of zeros before a stored value"
    )
    operand_bytes: Literal[1] = Field(1, description="bytes of an iact, weight or output value")
    psum_bits: PsumBits = Field(20, description="width of a psum, bits")
    wide_psums: Literal["refuse", "truncate"] = Field(
        "refuse",
        description="a layer whose psums need more than psum_bits: refuse rejects it; Assumption: "
        "truncate stands for a chip that drops low bits: the model keeps the exact sum, moves "
        "words of psum_bits, and the row tells psum_bits_needed",
    )
    iact_glb_bytes: Halves = Field(
        72 * KIB,
        description="global buffer (GLB) of iacts, two halves, one bank per row of a cluster, B",
    )
    psum_glb_bytes: Halves = Field(
        120 * KIB, description="GLB of psums, two halves, one bank per column of a cluster, B"
    )
    iact_port_bytes: PortBytes = Field(
        3, description="Assumption: width of an iact bank's port, two words of 12 bits, B"
    )
    psum_port_bytes: PortBytes = Field(
        5, description="Assumption: width of a psum bank's port, two psums of 20 bits, B"
    )
    pipeline_stages: Cycles = Field(
        7, description="stages of the pipeline of a PE; it is filled once per pass, cycles"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.usable_weight_words < 1:
            raise ValueError(
                f"weight_spad_words = {self.weight_spad_words} with weight_loading = 'overlapped' "
                "leaves no word for a half, wanted at least 2"
            )
        return self

    @property
    def checked_bits(self) -> int:
        """Bits that a final psum may have."""
        return self.psum_bits if self.wide_psums == "refuse" else 32

    @property
    def clusters(self) -> int:
        """Clusters of PEs."""
        return self.grid_rows * self.grid_columns

    @property
    def array_rows(self) -> int:
        """PEs in a column of the whole array, down which psums are added."""
        return self.grid_rows * self.cluster_rows

    @property
    def array_columns(self) -> int:
        """Columns of PEs of the whole array."""
        return self.grid_columns * self.cluster_columns

    @property
    def pes(self) -> int:
        """All PEs."""
        return self.array_rows * self.array_columns

    @property
    def lanes(self) -> int:
        """All multipliers."""
        return self.pes * self.macs_per_pe

    @property
    def weight_routers(self) -> int:
        """Routers that bring weights on chip, one for each row of PEs of a cluster."""
        return self.clusters * self.cluster_rows

    @property
    def word_bits(self) -> int:
        """A stored iact or weight: its value, and in compressed form the count before it."""
        return VALUE_BITS + (self.count_bits if self.processing == "csc" else 0)

    @property
    def usable_weight_words(self) -> int:
        """Words of weights that one pass may hold."""
        halves = 2 if self.weight_loading == "overlapped" else 1
        return self.weight_spad_words // halves

    @property
    def spad_bits(self) -> Mapping[str, int]:
        """Bits of each scratchpad of one PE."""
        stored = VALUE_BITS + self.count_bits
        return {
            "iact_address_spad": self.iact_spad_segments * ADDRESS_BITS["iact"],
            "iact_spad": self.iact_spad_words * stored,
            "weight_address_spad": self.weight_spad_columns * ADDRESS_BITS["weight"],
            "weight_spad": self.weight_spad_words * self.macs_per_pe * stored,
            "psum_spad": self.psum_spad_words * self.psum_bits,
        }

    @property
    def sram_bytes(self) -> int:
        """Banks and all scratchpads, rounded up to a byte."""
        spads = -(-self.pes * sum(self.spad_bits.values()) // 8)
        return self.iact_glb_bytes + self.psum_glb_bytes + spads


# ``iso``: 1024 multipliers, 800 MHz, 45 nm, 589,824 B on chip, default DRAM.  Assumption: 8 x 4
# clusters of 4 x 4 PEs; psums of 32 bits, since 20 do not hold 512 x 9 products of 8-bit numbers;
# what the scratchpads leave is split 3 : 5 between iacts and psums as published.
#
# ``published``: the chip of the paper: 192 PEs, 65 nm, 200 MHz.  Its throughputs are without a
# limit of the DRAM (the paper states the loss under one of 25.6 GB/s), so DRAM is out of the way.
# Its 20-bit psums do not hold 8-bit networks of deep layers, whose sums are cut as on Eyeriss.
#
# ``pe_v2``: one PE with one multiplier, as in Sparseloop's validation of the sparse PE.
#
# ``tiny``: few PEs and little memory, so that every limit is met in small layers.
PRESETS: Mapping[str, EyerissV2Spec] = MappingProxyType(
    {
        "iso": EyerissV2Spec(
            grid_columns=4,
            cluster_rows=4,
            psum_bits=32,
            iact_glb_bytes=133_120,
            psum_glb_bytes=221_952,
            psum_port_bytes=8,
        ),
        "published": EyerissV2Spec(
            clock_hz=200_000_000,
            node_nm=65,
            dram_bandwidth_bytes_per_s=10**15,
            dram_latency_ns=0,
            wide_psums="truncate",
        ),
        "pe_v2": EyerissV2Spec(
            clock_hz=200_000_000,
            node_nm=65,
            dram_bandwidth_bytes_per_s=10**15,
            dram_latency_ns=0,
            grid_rows=1,
            grid_columns=1,
            cluster_rows=1,
            cluster_columns=1,
            macs_per_pe=1,
            weight_spad_words=192,
            wide_psums="truncate",
        ),
        "tiny": EyerissV2Spec(
            grid_rows=2,
            grid_columns=1,
            cluster_rows=2,
            cluster_columns=2,
            weight_spad_words=24,
            weight_spad_columns=8,
            iact_spad_words=8,
            psum_spad_words=8,
            iact_glb_bytes=2 * KIB,
            psum_glb_bytes=4 * KIB,
            psum_bits=32,
        ),
    }
)
