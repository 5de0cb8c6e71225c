"""The fields of Eyeriss and its presets.

Letters of the papers (JSSC 2017, ISCA 2016) in ours: M filters are K, an E x F output is P x Q,
a batch of N images is N.  The mapping's own letters (m, n, e, p, q, r, t) are the papers', see
``arch.eyeriss.mapping``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from arch.spec import Bytes, Count, MachineSpec, PortBytes, PsumBits
from workloads.number import is_whole, whole_number

KIB = 1024
AUTO = "auto"
LETTERS = ("m", "n", "e", "p", "q", "r", "t")
MOST_LETTER = 1 << 16
Words = Annotated[int, Field(ge=1, le=1 << 20)]  # of a bus, in a cycle


class EyerissSpec(MachineSpec):
    """One dense row-stationary array behind a global buffer (GLB).

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, and a ``mapping`` that is not ``auto`` or seven positive integers.

    Examples
    --------
    >>> spec = EyerissSpec(rows=12, columns=14)
    >>> spec.units, spec.banks
    (168, 82)
    """

    UNITS: ClassVar[tuple[str, ...]] = ("rows", "columns")

    rows: Count = Field(32, description="rows of PEs")
    columns: Count = Field(32, description="columns of PEs")
    ifmap_spad_words: Count = Field(
        12, description="input words in the scratchpad (spad) of a PE, made of registers"
    )
    filter_spad_words: Count = Field(
        224, description="weight words in the scratchpad of a PE, an SRAM"
    )
    psum_spad_words: Count = Field(
        24, description="psums in the scratchpad of a PE, made of registers"
    )
    glb_bytes: Bytes = Field(
        82 * 4 * KIB,
        description="global buffer (GLB) for inputs and psums, B; Assumption: the iso preset's "
        "share of SRAM",
    )
    filter_glb_bytes: Bytes = Field(
        24 * KIB,
        description="part of the GLB that holds the weights of the next pass, B; Assumption: the "
        "iso preset's share of SRAM",
    )
    bank_bytes: Bytes = Field(
        4 * KIB, description="size of a GLB bank; a bank holds either inputs or psums, B"
    )
    port_bytes: PortBytes = Field(8, description="width of a bank's port, B")
    filter_bus_words: Words = Field(
        24,
        description="weights sent per cycle; Assumption: iso has as many per PE as the chip, 4 "
        "for 168 PEs",
    )
    ifmap_bus_words: Words = Field(
        6,
        description="inputs sent per cycle; Assumption: iso has as many per PE as the chip, 1 for "
        "168 PEs",
    )
    psum_bus_words: Words = Field(
        24,
        description="psums sent per cycle, and as many back; Assumption: iso has as many per PE "
        "as the chip, 4 for 168 PEs",
    )
    operand_bytes: Literal[1, 2] = Field(1, description="bytes of an input, weight or output word")
    psum_bits: PsumBits = Field(
        32, description="width of a psum in scratchpads, GLB and buses, bits"
    )
    wide_psums: Literal["refuse", "truncate"] = Field(
        "refuse",
        description="a layer whose psums need more than psum_bits: refuse rejects it; Assumption: "
        "truncate stands for a chip that drops low bits: the model keeps the exact sum, moves "
        "words of psum_bits, and the row tells psum_bits_needed",
    )
    dram_overlap: Literal["on", "off"] = Field(
        "on",
        description="off: no pass runs while inputs come from DRAM or outputs go there, as on the "
        "chip; Assumption: on overlaps them, and the GLB must hold the inputs and psums of two "
        "steps",
    )
    compression: Literal["rlc", "all", "off"] = Field(
        "rlc",
        description="which feature maps are run-length coded in DRAM: rlc, all except the "
        "network's own input, as on the chip; all, that one too; off, none",
    )
    run_bits: int = Field(5, ge=1, le=16, description="bits of a run of zeros in the code")
    objective: Literal["latency", "energy"] = Field(
        "latency",
        description="what the mapper minimizes: latency, cycles with all waits for DRAM, then "
        "DRAM bytes; energy, data movement at the published relative costs, then cycles",
    )
    mapping: str = Field(
        AUTO,
        description="auto searches the best mapping of each layer; seven numbers m,n,e,p,q,r,t "
        "name one for every layer, such as 96,1,7,16,1,1,2",
    )

    @field_validator("mapping")
    @classmethod
    def _letters(cls, value: str) -> str:
        if value == AUTO:
            return value
        numbers = [part.strip() for part in value.split(",")]
        if len(numbers) != len(LETTERS) or not all(
            is_whole(whole_number(part), 1, MOST_LETTER) for part in numbers
        ):
            raise ValueError(
                f"wanted {AUTO!r} or seven whole numbers 1 to {MOST_LETTER}, {','.join(LETTERS)}"
            )
        return ",".join(numbers)

    @property
    def units(self) -> int:
        """Number of PEs; each holds one multiplier and one adder."""
        return self.rows * self.columns

    @property
    def banks(self) -> int:
        """Banks of the GLB for inputs and psums; what is left of the last one is not used."""
        return self.glb_bytes // self.bank_bytes

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum in the GLB and on its buses."""
        return -(-self.psum_bits // 8)

    @property
    def copies(self) -> int:
        """Steps whose inputs and psums the GLB holds at once."""
        return 2 if self.dram_overlap == "on" else 1

    @property
    def checked_bits(self) -> int:
        """Bits that a final psum may have."""
        return self.psum_bits if self.wide_psums == "refuse" else 32

    @property
    def pairs_per_word(self) -> int:
        """(run, level) pairs in a 64-bit word of a coded feature map; one bit ends the stream."""
        return 63 // (self.run_bits + 8 * self.operand_bytes)

    @property
    def sram_bytes(self) -> int:
        """GLB and weight spads; the other spads are registers."""
        spads = self.units * self.filter_spad_words * self.operand_bytes
        return self.glb_bytes + self.filter_glb_bytes + spads


ISO = EyerissSpec()

# ``iso``: 1024 multipliers, 800 MHz, 45 nm and 589,824 B of SRAM like the default Basis-First
# machine: weight spads of 224 B in 1024 PEs leave 360,448 B for the GLB.  Spads hold as many words
# as published.  Split of the GLB (Assumption): 24 KiB for weights, the share that 8 of 108 kB are,
# in whole banks.  Psums have 32 bits, as in the other machines.
#
# ``published``: the chip of JSSC 2017, tables III to VI: 12x14 PEs, 108 kB of GLB, 65 nm, 200 MHz,
# 1 V.  Assumption: its link to DRAM moves one 64-bit word per cycle of its 60 MHz.
#
# ``tiny``: ``iso`` with a GLB so small that layers fall into many steps.
PRESETS: Mapping[str, EyerissSpec] = MappingProxyType(
    {
        "iso": ISO,
        "published": EyerissSpec(
            clock_hz=200_000_000,
            node_nm=65,
            supply_v=1.0,
            dram_bandwidth_bytes_per_s=480_000_000,
            rows=12,
            columns=14,
            glb_bytes=25 * 4 * KIB,
            filter_glb_bytes=8 * KIB,
            filter_bus_words=4,
            ifmap_bus_words=1,
            psum_bus_words=4,
            operand_bytes=2,
            psum_bits=16,
            wide_psums="truncate",
            dram_overlap="off",
        ),
        "tiny": EyerissSpec(
            rows=12,
            columns=14,
            glb_bytes=16 * KIB,
            filter_glb_bytes=4 * KIB,
            bank_bytes=KIB,
            filter_bus_words=4,
            ifmap_bus_words=1,
            psum_bus_words=4,
        ),
    }
)
