"""The fields of Bit-Tactical and its presets.

Words of the paper: TCL is the machine, TCLp its back end for precisions, TCLe the one for effectual
terms, T and L the shapes of the search.  A tile has ``filters`` rows of ``lanes`` lanes; its
bit-serial back ends repeat that for ``columns`` windows, so that a tile of either kind multiplies
as much in a cycle when nothing can be skipped.  A window is the input under one output pixel.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from arch.spec import Bytes, Count, Halves, MachineSpec, PortBytes, PsumBits

BackEnd = Literal["bit_parallel", "precision", "bits"]
KIB = 1024
MOST_LANES = 64  # of one word of a bit mask
MOST_PLACES = 15  # that the counters of candidates can count


class BitTacticalSpec(MachineSpec):
    """Tiles that skip zero weights by a schedule made beforehand, and bits of activations.

    Raises
    ------
    pydantic.ValidationError
        For fields out of range, and for look-aside without look-ahead.

    Examples
    --------
    >>> spec = BitTacticalSpec()
    >>> spec.multipliers, spec.windows, spec.select_bits
    (1024, 8, 3)
    >>> BitTacticalSpec(back_end="bit_parallel").windows
    1
    """

    UNITS: ClassVar[tuple[str, ...]] = ("tiles", "filters", "lanes", "columns")

    tiles: Count = Field(4, description="tiles")
    filters: Count = Field(16, description="filters that a tile works on at once")
    lanes: int = Field(
        16,
        ge=1,
        le=MOST_LANES,
        description="lanes of each filter; each lane multiplies one weight at a time",
    )
    columns: Count = Field(
        8,
        description="windows (inputs under one output) that a tile works on at once with a "
        "bit-serial back end; as many columns as a word has bits give the peak of the "
        "bit-parallel one",
    )
    back_end: BackEnd = Field(
        "precision",
        description="how activations are multiplied: bit_parallel, as words, one step per cycle; "
        "precision (TCLp), one cycle for each bit that the activations of a step need; bits "
        "(TCLe), one cycle for each effectual term of the worst activation",
    )
    terms: Literal["booth", "ones"] = Field(
        "booth",
        description="effectual terms of TCLe: booth, the non-zero signed digits; ones, the ones "
        "of |value|",
    )
    lookahead: int = Field(
        2,
        ge=0,
        le=MOST_PLACES,
        description="h: how many steps ahead a weight may come from; 0 skips nothing",
    )
    lookaside: int = Field(
        5, ge=0, le=MOST_PLACES, description="d: how many places in other lanes are searched"
    )
    search: Literal["T", "L"] = Field(
        "T",
        description="where look-aside searches: T, on both sides; L, on one side, in the next step",
    )
    activation_bytes: Halves = Field(
        224 * KIB,
        description="activation memory, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    weight_bytes: Halves = Field(
        288 * KIB,
        description="weight memories of all tiles, two halves each, B; Assumption: the iso "
        "preset's share of SRAM",
    )
    output_bytes: Halves = Field(
        64 * KIB,
        description="output memory, two halves, B; Assumption: the iso preset's share of SRAM",
    )
    operand_bits: Literal[8, 16] = Field(8, description="bits of an input, weight or output word")
    psum_bits: PsumBits = Field(32, description="Assumption: width of a psum, bits")
    bank_bytes: Bytes = Field(16 * KIB, description="Assumption: size of a memory bank, B")
    port_bytes: PortBytes = Field(32, description="Assumption: width of a bank's port, B")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.lookaside and not self.lookahead:
            raise ValueError(
                f"lookaside = {self.lookaside} with lookahead = 0: weights aside come from later "
                "steps, wanted lookahead >= 1"
            )
        if self.weight_bytes < 2 * self.tiles:
            raise ValueError(
                f"weight_bytes is {self.weight_bytes}, wanted at least two for each of the "
                f"{self.tiles} tiles"
            )
        if self.lookahead + self.lookaside > MOST_PLACES:
            raise ValueError(
                f"lookahead + lookaside is {self.lookahead + self.lookaside}, wanted at most "
                f"{MOST_PLACES}"
            )
        return self

    @property
    def multipliers(self) -> int:
        """Words multiplied in a cycle when nothing can be skipped; bit-parallel equivalents."""
        return self.tiles * self.filters * self.lanes

    @property
    def serial(self) -> bool:
        """Whether the back end takes activations bit by bit."""
        return self.back_end != "bit_parallel"

    @property
    def windows(self) -> int:
        """Windows that a tile works on at once."""
        return self.columns if self.serial else 1

    @property
    def units(self) -> int:
        """Lanes of all filters, windows and tiles."""
        return self.multipliers * self.windows

    @property
    def scheduled(self) -> bool:
        """Whether there is a front end; without one every weight is multiplied, zero or not."""
        return self.lookahead > 0

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Where an empty slot looks for a weight: (steps ahead, lanes to the right), in order.

        Order: by step, then by lane, as DNNsim's scheduler sorts them.

        Examples
        --------
        >>> BitTacticalSpec().places
        ((1, -1), (1, 0), (1, 1), (1, 3), (2, -2), (2, 0), (2, 2))
        >>> BitTacticalSpec(search="L", lookaside=2).places
        ((1, -2), (1, -1), (1, 0), (2, 0))
        """
        found = [(ahead, 0) for ahead in range(1, self.lookahead + 1)]
        for place in range(self.lookaside):
            pair = place // 2  # the T shape leans out by one lane and one step per pair
            if self.search == "L":
                found.append((1, -1 - place))
            else:
                found.append((pair % self.lookahead + 1, (pair + 1) * (-1 if place % 2 else 1)))
        return tuple(sorted(found))

    @property
    def select_bits(self) -> int:
        """Bits that tell a lane's activation selector where a weight came from."""
        return (self.lookahead + self.lookaside).bit_length()

    @property
    def slot_bits(self) -> int:
        """Bits of a weight and its selector."""
        return self.operand_bits + self.select_bits

    @property
    def advance_bits(self) -> int:
        """Bits that tell a tile by how many steps its window of activations moves on."""
        return self.lookahead.bit_length()

    @property
    def operand_bytes(self) -> int:
        """Bytes of a word."""
        return self.operand_bits // 8

    @property
    def psum_bytes(self) -> int:
        """Bytes of a psum in the output memory."""
        return -(-self.psum_bits // 8)

    @property
    def sram_bytes(self) -> int:
        """All memories."""
        return self.activation_bytes + self.weight_bytes + self.output_bytes


ISO = BitTacticalSpec()

# ``iso``: 1024 8-bit multipliers, 800 MHz, 45 nm and 589,824 B of SRAM, split as the systolic
# array's; four tiles of 16 x 16 lanes, eight columns for eight bits.
#
# ``published``: 16 tiles of 16 lanes x 16 filters, 16 bits, T shape, h = 2, d = 5 (DNNsim's
# defaults; 16 columns as well).  Assumption: 1 GHz, 65 nm, and the iso memories times eight: four
# times the tiles, words twice as wide.  Nobody could read the paper's own figures.
#
# ``dense``: ``published`` without front end, bit-parallel: the dense data-parallel machine that
# the published one is compared with (DaDianNao-like, the same peak).
#
# ``groups``: ``iso`` with a PE per tile, made for weights of which whole groups of 16 input
# channels of a filter are 0 (``--method wpc``): 64 tiles of one filter and 16 lanes that multiply
# words, and a look-ahead of nine steps, the taps of a 3x3 kernel, so that an empty group takes no
# cycle unless ten empty steps and more follow each other.  Lanes do not look aside.  Assumption:
# ours; the paper that prunes by PE (Yang, He, Fan, AAAI 2020) could not be read.
#
# ``tiny``: ``iso`` with memories so small that it waits for the DRAM.
PUBLISHED = BitTacticalSpec(
    clock_hz=1_000_000_000,
    node_nm=65,
    tiles=16,
    columns=16,
    operand_bits=16,
    activation_bytes=8 * 224 * KIB,
    weight_bytes=8 * 288 * KIB,
    output_bytes=8 * 64 * KIB,
)
PRESETS: Mapping[str, BitTacticalSpec] = MappingProxyType(
    {
        "iso": ISO,
        "published": PUBLISHED,
        "dense": PUBLISHED.model_copy(
            update={"back_end": "bit_parallel", "lookahead": 0, "lookaside": 0}
        ),
        "groups": ISO.model_copy(
            update={
                "tiles": 64,
                "filters": 1,
                "back_end": "bit_parallel",
                "lookahead": 9,
                "lookaside": 0,
            }
        ),
        "tiny": ISO.model_copy(
            update={
                "activation_bytes": 16 * KIB,
                "weight_bytes": 16 * KIB,
                "output_bytes": 4 * KIB,
                "bank_bytes": 2 * KIB,
            }
        ),
    }
)
