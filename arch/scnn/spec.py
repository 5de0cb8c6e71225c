"""The fields of SCNN and its presets.

Words of the paper: a PE multiplies a vector of I non-zero activations by a vector of F non-zero
weights in a cycle; IARAM and OARAM hold its compressed input and output activations; the filters
that share the accumulators are an output-channel group of Kc filters; products at the edge of a
PE's tile belong to a neighbour, they are its halo.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.scnn.kernels import BANKS, MOST_PRODUCTS
from arch.spec import Bytes, Count, Cycles, MachineSpec, PsumBits

Barrier = Literal["group", "channel", "layer"]
Tiling = Literal["output", "padded_input", "input"]


class ScnnSpec(MachineSpec):
    """PEs with a Cartesian product of activations and weights, each on its own tile of the plane.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, and vectors whose product has more than 127 terms.

    Examples
    --------
    >>> spec = ScnnSpec()
    >>> spec.units, spec.entry_bits, spec.pe_bytes, spec.sram_bytes
    (1024, 12, 9216, 589824)
    """

    UNITS: ClassVar[tuple[str, ...]] = (
        "pe_rows",
        "pe_columns",
        "activation_vector",
        "weight_vector",
    )

    pe_rows: Count = Field(8, description="rows of PEs")
    pe_columns: Count = Field(8, description="columns of PEs")
    activation_vector: int = Field(
        4, ge=1, le=MOST_PRODUCTS, description="activations multiplied at once in a PE, I"
    )
    weight_vector: int = Field(
        4, ge=1, le=MOST_PRODUCTS, description="weights multiplied at once in a PE, F"
    )
    accumulator_entries: int = Field(
        512,
        ge=BANKS,
        le=1 << 20,
        description="psums that the 32 banks of a PE hold, in each of two buffers; Assumption: "
        "half of the published 1024, so that SRAM adds up to the iso bytes",
    )
    iaram_bytes: Bytes = Field(
        2922, description="input activations of a PE, B; Assumption: the iso preset's share of SRAM"
    )
    oaram_bytes: Bytes = Field(
        2922,
        description="output activations of a PE, B; Assumption: the iso preset's share of SRAM",
    )
    weight_fifo_entries: Count = Field(50, description="weight vectors in the FIFO of a PE")
    operand_bytes: Literal[1, 2] = Field(
        1, description="bytes of an input, weight or output value, without its index"
    )
    index_bits: int = Field(
        4, ge=1, le=16, description="bits of the index that counts the zeros before a stored value"
    )
    psum_bits: PsumBits = Field(24, description="width of a psum, bits")
    filters_per_group: Count | Literal["fit", "most"] = Field(
        "fit",
        description="filters that share the accumulators (Kc): a number; most, as many as the "
        "accumulators hold (the paper's plan); Assumption: fit, the number and the strips of rows "
        "that take the fewest cycles",
    )
    tiling: Tiling = Field(
        "output",
        description="which plane is cut into one tile per PE; Assumption: the outputs "
        "(padded_input: DNNsim; input: losif63)",
    )
    barrier: Barrier = Field(
        "group",
        description="when PEs wait for the slowest: group, after each group of filters (paper); "
        "channel, after each input channel of a group (DNNsim); layer, only at the end of the "
        "layer (losif63)",
    )
    bank_conflicts: Literal["stall", "queued"] = Field(
        "stall",
        description="cycles of a block of products: stall, as many as its fullest bank has "
        "products (DNNsim); Assumption: queued, one, because queues before the banks absorb the "
        "rest (losif63)",
    )
    halo: Literal["hidden", "serial"] = Field(
        "hidden",
        description="Assumption: when PEs exchange the psums at tile edges (halo): hidden, during "
        "the next group, in a second accumulator buffer; serial, before the next group (DNNsim)",
    )
    channel_cycles: Cycles = Field(
        0,
        description="Assumption: cycles that a PE takes to begin an input channel of a group; 0: "
        "all hidden",
    )
    skip_zeros: bool = Field(
        True,
        description="false: every value is queued and stored without an index, and a block takes "
        "one cycle; this stands in for DCNN, the dense machine of the paper",
    )
    bank_bytes: Bytes = Field(1024, description="Assumption: size of a bank of IARAM and OARAM, B")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        products = self.activation_vector * self.weight_vector
        if products > MOST_PRODUCTS:
            raise ValueError(
                f"activation_vector x weight_vector is {products}, allowed are up to "
                f"{MOST_PRODUCTS} products of a block"
            )
        return self

    @property
    def pes(self) -> int:
        """Number of PEs."""
        return self.pe_rows * self.pe_columns

    @property
    def products(self) -> int:
        """Multipliers of a PE."""
        return self.activation_vector * self.weight_vector

    @property
    def units(self) -> int:
        """Multipliers."""
        return self.pes * self.products

    @property
    def longest_run(self) -> int:
        """Zeros that one entry can tell of."""
        return (1 << self.index_bits) - 1

    @property
    def entry_bits(self) -> int:
        """Bits of a stored value, with its index where zeros are skipped."""
        return 8 * self.operand_bytes + self.index_bits * self.skip_zeros

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum."""
        return -(-self.psum_bits // 8)

    @property
    def fifo_bytes(self) -> int:
        """The weight FIFO of a PE."""
        width = self.weight_vector * (8 * self.operand_bytes + self.index_bits)
        return -(-self.weight_fifo_entries * width // 8)

    @property
    def accumulator_bytes(self) -> int:
        """Both accumulator buffers of a PE."""
        return 2 * -(-self.accumulator_entries * self.psum_bits // 8)

    @property
    def pe_bytes(self) -> int:
        """All memories of a PE."""
        return self.iaram_bytes + self.oaram_bytes + self.fifo_bytes + self.accumulator_bytes

    @property
    def sram_bytes(self) -> int:
        """All memories of all PEs."""
        return self.pes * self.pe_bytes


ISO = ScnnSpec()

# ``iso``: 1024 multipliers, 800 MHz, 45 nm and the 589,824 B of SRAM of the default Basis-First
# machine, 9216 B a PE.  Split (Assumption): the published 50 weight vectors, half of the published
# accumulators, the rest in equal parts for input and output.
#
# ``published``: table 2 of the paper as quoted in public notes: 16-bit values, 24-bit psums, 10 kB
# of IARAM and OARAM, 50 weight vectors, 1024 psums, about 1 GHz in 16 nm, 50 GB/s of DRAM.
#
# ``tiny``: ``iso`` with memories so small that layers are cut into strips and wait for the DRAM.
PRESETS: Mapping[str, ScnnSpec] = MappingProxyType(
    {
        "iso": ISO,
        "published": ScnnSpec(
            clock_hz=1_000_000_000,
            node_nm=16,
            dram_bandwidth_bytes_per_s=50_000_000_000,
            operand_bytes=2,
            accumulator_entries=1024,
            iaram_bytes=10 * 1024,
            oaram_bytes=10 * 1024,
        ),
        "tiny": ScnnSpec(
            iaram_bytes=256,
            oaram_bytes=256,
            accumulator_entries=64,
            dram_bandwidth_bytes_per_s=3_200_000_000,
        ),
    }
)
