"""The fields of the memristor crossbar machine and its presets.

The layer matrix has a row for each tap (c, r, s) of a group and a column for each filter.  It is
cut into tiles of ``crossbar_rows`` x ``crossbar_columns``.  A tile takes one crossbar for each
slice of ``cell_bits`` bits of the magnitude and each sign: Yuan et al. (ISLPED 2019) keep an 8-bit
positive and an 8-bit negative array, each in two crossbars of 4-bit cells.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.spec import Bytes, Count, Halves, Hertz, MachineSpec, PortBytes, PsumBits

KIB = 1024
WORD_BITS = 8  # of an activation, and of the magnitude of a weight (up to 128)
SIGNS = 2
NS_PER_S = 1_000_000_000


class CrossbarSpec(MachineSpec):
    """Crossbars of memristors with DACs on their rows and ADCs shared by their columns.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, too few crossbars for a tile, and conductances out of order.

    Examples
    --------
    >>> spec = CrossbarSpec()
    >>> spec.slices, spec.crossbars_per_tile, spec.beats, spec.beat_cycles(64)
    (2, 4, 8, 80)
    >>> spec.capacity, spec.multipliers
    (160, 1024)
    """

    UNITS: ClassVar[tuple[str, ...]] = ("crossbar_rows", "crossbar_columns")

    crossbars: int = Field(
        640,
        ge=1,
        le=1 << 20,
        description="Assumption: crossbars on the chip; those of iso make 1024 products per cycle",
    )
    crossbar_rows: Count = Field(128, description="rows of a crossbar")
    crossbar_columns: Count = Field(
        64, description="columns of a crossbar, without its reference column"
    )
    cell_bits: int = Field(4, ge=1, le=8, description="bits of a cell")
    dac_bits: int = Field(
        1,
        ge=1,
        le=8,
        description="bits of an activation that a digital-to-analog converter (DAC) puts on a row "
        "at once",
    )
    adc_bits: int = Field(
        10,
        ge=1,
        le=10,
        description="Assumption: bits of an analog-to-digital converter (ADC); it must represent "
        "every column sum exactly, otherwise the layer is rejected",
    )
    adcs_per_crossbar: Count = Field(1, description="ADCs of a crossbar, shared by its columns")
    adc_hz: Hertz = Field(1_200_000_000, description="conversions per second of an ADC (ISAAC)")
    rows_at_once: Count = Field(
        64, description="Assumption: rows of a crossbar driven together; 64 suit an ADC of 10 bits"
    )
    read_ns: int = Field(
        100, ge=1, le=10**7, description="time of one reading of a crossbar (ISAAC), ns"
    )
    read_volts: float = Field(
        0.2, gt=0, le=10, description="Assumption: voltage of the largest digit on a row, V"
    )
    conductance_min_us: float = Field(
        0.1, gt=0, le=1e6, description="conductance of level 0, which is not zero (10 MOhm), uS"
    )
    conductance_max_us: float = Field(
        1.0, gt=0, le=1e6, description="conductance of the highest level (1 MOhm), uS"
    )
    write_ns: int = Field(
        1000,
        ge=1,
        le=10**7,
        description="Assumption: time to write and verify one row of cells, ns",
    )
    write_pj: float = Field(
        10.0, ge=0, le=1e6, description="Assumption: energy to write and verify one cell, pJ"
    )
    cell_f2: float = Field(
        4.0,
        gt=0,
        le=1e6,
        description="Assumption: area of a cell in squares of the node's length",
    )
    skip: Literal["structured", "tiles", "none"] = Field(
        "structured",
        description="what takes no crossbar: structured, rows and columns without a weight, then "
        "tiles without one; tiles, only tiles without a weight; none, everything takes crossbars",
    )
    programming: Literal["counted", "beforehand"] = Field(
        "counted",
        description="Assumption: counted writes the weights of a layer in every run; beforehand "
        "leaves the writing out for a layer that fits, which is right only if the crossbars of "
        "all layers are on the chip together",
    )
    copies: Literal["fill", "one"] = Field(
        "fill",
        description="Assumption: what is done with crossbars left over: fill, they hold copies "
        "that take turns at the outputs; one, they stay empty",
    )
    input_bytes: Halves = Field(
        384 * KIB,
        description="input buffer, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    weight_bytes: Halves = Field(
        64 * KIB,
        description="buffer of weights to be written, two halves, B; Assumption: the iso preset's "
        "share of SRAM",
    )
    output_bytes: Halves = Field(
        128 * KIB,
        description="output buffer, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    operand_bytes: Literal[1, 2] = Field(1, description="bytes of an input or output word")
    psum_bits: PsumBits = Field(32, description="Assumption: width of a psum, bits")
    bank_bytes: Bytes = Field(16 * KIB, description="Assumption: size of a buffer bank, B")
    port_bytes: PortBytes = Field(32, description="Assumption: width of a bank's port, B")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.crossbars < self.crossbars_per_tile:
            raise ValueError(
                f"crossbars is {self.crossbars}, wanted at least the {self.crossbars_per_tile} "
                f"of one tile with cell_bits = {self.cell_bits}"
            )
        if self.conductance_max_us <= self.conductance_min_us:
            raise ValueError(
                f"conductance_max_us is {self.conductance_max_us}, wanted more than "
                f"conductance_min_us = {self.conductance_min_us}"
            )
        return self

    @property
    def slices(self) -> int:
        """Crossbars that hold the bits of one magnitude."""
        return -(-WORD_BITS // self.cell_bits)

    @property
    def crossbars_per_tile(self) -> int:
        """Crossbars of one tile: slices times signs."""
        return SIGNS * self.slices

    @property
    def capacity(self) -> int:
        """Tiles that the chip holds."""
        return self.crossbars // self.crossbars_per_tile

    @property
    def beats(self) -> int:
        """Digits in which an activation is fed."""
        return -(-WORD_BITS // self.dac_bits)

    @property
    def top_digit(self) -> int:
        """The largest digit."""
        return int((1 << self.dac_bits) - 1)

    @property
    def top_level(self) -> int:
        """The highest level of a cell."""
        return int((1 << self.cell_bits) - 1)

    @property
    def top_code(self) -> int:
        """The largest sum of a column that an ADC tells."""
        return int((1 << self.adc_bits) - 1)

    @property
    def adc_suffices(self) -> bool:
        """Whether the sum of any column fits, whatever the weights.

        Rows at once x largest digit x highest level, not above 2^``adc_bits`` - 1.  The current of
        level 0 is not part of it: that of the reference column is subtracted before.

        Examples
        --------
        >>> CrossbarSpec().adc_suffices, CrossbarSpec(rows_at_once=128).adc_suffices
        (True, False)
        """
        rows = min(self.rows_at_once, self.crossbar_rows)
        return rows * self.top_digit * self.top_level <= self.top_code

    @property
    def read_cycles(self) -> int:
        """Cycles of one reading, rounded up."""
        return -(-self.read_ns * self.clock_hz // NS_PER_S)

    @property
    def write_cycles(self) -> int:
        """Cycles in which a row of cells is written, rounded up."""
        return -(-self.write_ns * self.clock_hz // NS_PER_S)

    def beat_cycles(self, columns: int) -> int:
        """Cycles of one beat: columns of the beat before are converted while cells are read."""
        each = -(-columns // self.adcs_per_crossbar)
        return max(self.read_cycles, -(-each * self.clock_hz // self.adc_hz))

    @property
    def multipliers(self) -> int:
        """Most products of words in a cycle, rounded up; the machine has no multiplier."""
        rows = min(self.rows_at_once, self.crossbar_rows)
        products = self.capacity * rows * self.crossbar_columns
        return -(-products // (self.beats * self.beat_cycles(self.crossbar_columns)))

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum in a buffer and in DRAM."""
        return -(-self.psum_bits // 8)

    @property
    def sram_bytes(self) -> int:
        """All three buffers."""
        return self.input_bytes + self.weight_bytes + self.output_bytes


ISO = CrossbarSpec()

# ``iso``: 800 MHz, 45 nm, DRAM and the 589,824 B of SRAM of the other iso machines; so many
# crossbars that 1024 products of 8-bit words are made in a cycle at most: 160 tiles x 64 rows x 64
# columns every 8 x 80 cycles.  Weights are written for every layer, time and energy counted.
#
# ``published``: Yuan et al. (ISLPED 2019): crossbars of 128 x 64 cells of 4 bits, 0.1 to 1 uS,
# periphery at 45 nm, every layer on crossbars of its own, written once.  Assumption: 8192
# crossbars, enough for the dense convolutions of their VGG-16; converters, clock and buffers, which
# the paper does not tell, as in ``iso``.
#
# ``small``: their crossbars for LeNet-5 and ConvNet, 32 x 32, so few that layers are written in
# passes, and small buffers.
PRESETS: Mapping[str, CrossbarSpec] = MappingProxyType(
    {
        "iso": ISO,
        "published": CrossbarSpec(crossbars=8192, programming="beforehand", copies="one"),
        "small": CrossbarSpec(
            crossbars=64,
            crossbar_rows=32,
            crossbar_columns=32,
            rows_at_once=32,
            adc_bits=9,
            input_bytes=32 * KIB,
            weight_bytes=8 * KIB,
            output_bytes=8 * KIB,
            bank_bytes=2 * KIB,
        ),
    }
)
