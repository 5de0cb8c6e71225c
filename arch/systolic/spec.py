"""The fields of the systolic array and its presets.

Letters: the array has ``rows`` x ``columns`` PEs (SCALE-Sim: ArrayHeight, ArrayWidth).  A layer is
the product of M output pixels x K taps with K taps x N filters.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.spec import Bytes, Count, Halves, MachineSpec, PortBytes, PsumBits

Dataflow = Literal["os", "ws", "is"]
KIB = 1024


class SystolicSpec(MachineSpec):
    """One dense systolic array with three double-buffered scratchpads.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, a single PE, and timings of another dataflow than their own.

    Examples
    --------
    >>> spec = SystolicSpec(rows=8, columns=16)
    >>> spec.units, spec.ofmap_word_bytes
    (128, 1)
    """

    UNITS: ClassVar[tuple[str, ...]] = ("rows", "columns")

    rows: Count = Field(32, description="rows of PEs")
    columns: Count = Field(32, description="columns of PEs")
    dataflow: Dataflow = Field(
        "os", description="which operand stays in the PEs: os, outputs; ws, weights; is, inputs"
    )
    ifmap_bytes: Halves = Field(
        224 * KIB,
        description="input scratchpad, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    filter_bytes: Halves = Field(
        288 * KIB,
        description="weight scratchpad, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    ofmap_bytes: Halves = Field(
        64 * KIB,
        description="output scratchpad, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    operand_bytes: Literal[1, 2] = Field(1, description="bytes of an input, weight or output word")
    psum_bits: PsumBits = Field(32, description="width of a psum, bits")
    bank_bytes: Bytes = Field(16 * KIB, description="Assumption: size of a scratchpad bank, B")
    port_bytes: PortBytes = Field(32, description="Assumption: width of a bank's port, B")
    fold_overhead: Literal["scalesim", "stonne", "preloaded"] = Field(
        "scalesim",
        description="timing of a fold (one filling of the array): scalesim, folds do not overlap; "
        "stonne, as in its mesh (os only); preloaded, a second register in each PE takes the "
        "next tile during the fold (ws and is only)",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.units < 2:
            raise ValueError("rows x columns is 1, wanted at least 2 PEs")
        if self.fold_overhead == "stonne" and self.dataflow != "os":
            raise ValueError(
                f"fold_overhead = 'stonne' with dataflow = {self.dataflow!r}: STONNE's array is "
                "output stationary, allowed is os"
            )
        if self.fold_overhead == "preloaded" and self.dataflow == "os":
            raise ValueError(
                "fold_overhead = 'preloaded' with dataflow = 'os': no operand stays in the PEs, "
                "allowed are ws, is"
            )
        return self

    @property
    def units(self) -> int:
        """Number of PEs; each holds one multiplier and one adder."""
        return self.rows * self.columns

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum in the ofmap scratchpad and in DRAM."""
        return -(-self.psum_bits // 8)

    @property
    def ofmap_word_bytes(self) -> int:
        """Widest word the ofmap scratchpad holds: only os never stores a psum."""
        return self.operand_bytes if self.dataflow == "os" else self.psum_bytes

    @property
    def sram_bytes(self) -> int:
        """All three scratchpads."""
        return self.ifmap_bytes + self.filter_bytes + self.ofmap_bytes


ISO = SystolicSpec()

# ``iso``: 1024 multipliers, 800 MHz, 45 nm and the 589,824 B of SRAM of the default Basis-First
# machine: 32 blocks x (4 + 4) KiB, 192 coefficient buffers of 1 KiB, two GLBs of 64 KiB.  Split
# (Assumption): a filter half holds the weights of one whole fold of the largest common layer,
# 3x3x512 taps x 32 columns = 144 KiB; 64 KiB for outputs, which leave as they are made; the rest
# for the input.
#
# ``scalesim``: 32x32 PEs, weight stationary, 64 kB each, as in SCALE-Sim's own golden run
# (test/general, reports/published/scalesim_golden.csv); clock and DRAM are not SCALE-Sim's.
#
# ``tiny``: ``iso`` with buffers so small that it waits for the DRAM.
PRESETS: Mapping[str, SystolicSpec] = MappingProxyType(
    {
        "iso": ISO,
        "scalesim": SystolicSpec(
            dataflow="ws",
            ifmap_bytes=64 * KIB,
            filter_bytes=64 * KIB,
            ofmap_bytes=64 * KIB,
        ),
        "tiny": SystolicSpec(
            ifmap_bytes=8 * KIB,
            filter_bytes=4 * KIB,
            ofmap_bytes=4 * KIB,
            bank_bytes=2 * KIB,
        ),
    }
)
