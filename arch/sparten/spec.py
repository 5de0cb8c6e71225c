"""The fields of the SparTen model and its presets.

Letters: SparTen's compute unit (CU) is our *unit*; a *cluster* holds ``units_per_cluster`` of them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.spec import Bytes, Count, Halves, MachineSpec, PortBytes, PsumBits

Sync = Literal["asynchronous", "broadcast", "chunk"]
Balance = Literal["none", "software", "hardware"]
Skip = Literal["both", "weights", "activations", "none"]
ChunkOrder = Literal["channels_first", "taps"]
KIB = 1024


class SpartenSpec(MachineSpec):
    """Clusters of units that join sparse vectors, one matching pair per cycle and unit.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, and a unit's buffer whose half is smaller than a full chunk.

    Examples
    --------
    >>> spec = SpartenSpec(chunk=128)
    >>> spec.units, spec.chunk_bytes, spec.filters_per_group
    (1024, 144, 64)
    """

    UNITS: ClassVar[tuple[str, ...]] = ("clusters", "units_per_cluster")

    clusters: Count = Field(
        32, description="clusters (recalled from the paper, not checked against it)"
    )
    units_per_cluster: Count = Field(32, description="compute units in a cluster")
    chunk: int = Field(
        128, ge=1, le=1024, description="positions of a chunk, which are the bits of its mask"
    )
    chunk_order: ChunkOrder = Field(
        "channels_first",
        description="channels_first: chunks run along the channels, and each tap has its own; "
        "taps: a filter is flattened as (C, R, S), C slowest, and cut, as in BitSim",
    )
    skip: Skip = Field(
        "both",
        description="whose zeros are skipped: both, two-sided; weights or activations, one-sided; "
        "none, dense",
    )
    sync: Sync = Field(
        "asynchronous",
        description="Assumption: who waits for whom: asynchronous, the units of a cluster after "
        "each output; broadcast, the units of a cluster after each chunk; chunk, all clusters "
        "after each chunk (BitSim)",
    )
    balance: Balance = Field(
        "hardware",
        description="greedy balancing: none; software (GB-S), pairs filters by their density, two "
        "per unit; hardware (GB-H), pairs them anew for each chunk; where one filter per unit is "
        "faster, the layer is not paired and its row says none",
    )
    load_cycles: int = Field(
        1, ge=1, le=10**6, description="Assumption: least cycles of a chunk: the time to load it"
    )
    filter_buffer_bytes: Bytes = Field(
        288, description="Assumption: buffer of filter chunks, two halves, B per unit"
    )
    input_buffer_bytes: Bytes = Field(
        288, description="Assumption: buffer of broadcast input chunks, two halves, B per unit"
    )
    input_glb_bytes: Halves = Field(
        256 * KIB, description="Assumption: shared input buffer (GLB), two halves, B"
    )
    filter_glb_bytes: Halves = Field(
        256 * KIB, description="Assumption: shared filter buffer, two halves, B"
    )
    output_glb_bytes: Halves = Field(
        256 * KIB, description="Assumption: shared output buffer, two halves, B"
    )
    operand_bytes: Literal[1, 2] = Field(1, description="bytes of an input, weight or output word")
    pointer_bytes: int = Field(
        4, ge=0, le=64, description="Assumption: pointer to the packed values of a stored chunk, B"
    )
    psum_bits: PsumBits = Field(32, description="width of a psum, bits")
    bank_bytes: Bytes = Field(
        16 * KIB, description="Assumption: size of a bank of the shared buffers, B"
    )
    port_bytes: PortBytes = Field(32, description="Assumption: width of a shared buffer's port, B")
    unit_port_bytes: PortBytes = Field(
        2, description="Assumption: width of the port of a unit's buffers, B"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name in ("filter_buffer_bytes", "input_buffer_bytes"):
            half = getattr(self, name) // 2
            if half < self.chunk_bytes:
                raise ValueError(
                    f"half of {name} holds {half} B, wanted a full chunk of {self.chunk} "
                    f"positions, {self.chunk_bytes} B"
                )
        if self.unit_port_bytes < self.operand_bytes:
            raise ValueError(
                f"unit_port_bytes is {self.unit_port_bytes}, wanted at least operand_bytes = "
                f"{self.operand_bytes}"
            )
        return self

    @property
    def units(self) -> int:
        """Compute units; each holds one multiplier and one accumulator."""
        return self.clusters * self.units_per_cluster

    @property
    def mask_bytes(self) -> int:
        """Bytes of the mask of a full chunk."""
        return -(-self.chunk // 8)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a full chunk without a zero, mask and values."""
        return self.mask_bytes + self.chunk * self.operand_bytes

    @property
    def filters_per_group(self) -> int:
        """Filters that one cluster works on at once."""
        return self.units_per_cluster * (1 if self.balance == "none" else 2)

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum that waits in the output buffer."""
        return -(-self.psum_bits // 8)

    @property
    def skips_weights(self) -> bool:
        """Weights are stored as masks and values, and their zeros cost nothing."""
        return self.skip in ("both", "weights")

    @property
    def skips_activations(self) -> bool:
        """Activations are stored as masks and values, and their zeros cost nothing."""
        return self.skip in ("both", "activations")

    @property
    def sram_bytes(self) -> int:
        """Buffers of all units and the three shared ones."""
        own = self.units * (self.filter_buffer_bytes + self.input_buffer_bytes)
        return own + self.input_glb_bytes + self.filter_glb_bytes + self.output_glb_bytes


# ``iso``: 1024 multipliers, 800 MHz, 45 nm and the 589,824 B of SRAM of the default Basis-First
# machine.  A chunk of 128 needs 576 B per unit for two operands in two halves, which would be all
# there is; so the chunk is 64 (Assumption) and the units take half: 1024 x (144 + 144) B.  The
# rest (Assumption): 108 KiB for inputs, 108 KiB for filters, 72 KiB for outputs and psums.
#
# ``published``: 32 clusters x 32 units, chunks of 128, GB-H, 800 MHz, 45 nm; shared buffers ours.
#
# ``tiny``: a small machine whose buffers cut small layers into many steps.
PRESETS: Mapping[str, SpartenSpec] = MappingProxyType(
    {
        "iso": SpartenSpec(
            chunk=64,
            filter_buffer_bytes=144,
            input_buffer_bytes=144,
            input_glb_bytes=108 * KIB,
            filter_glb_bytes=108 * KIB,
            output_glb_bytes=72 * KIB,
        ),
        "published": SpartenSpec(),
        "tiny": SpartenSpec(
            clusters=4,
            units_per_cluster=4,
            chunk=16,
            filter_buffer_bytes=36,
            input_buffer_bytes=36,
            input_glb_bytes=16 * KIB,
            filter_glb_bytes=4 * KIB,
            output_glb_bytes=8 * KIB,
            bank_bytes=2 * KIB,
        ),
    }
)
