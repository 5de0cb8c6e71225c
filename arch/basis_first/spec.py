"""The fields of the Basis-First machine; what they mean: specification/basis_first.md.

The paper's sizes could not be read, so every default here is an ``Assumption:`` of ours unless
its description says otherwise.
"""

from typing import ClassVar, Literal

from pydantic import Field

from arch.spec import Bytes, Count, Cycles, MachineSpec


class BasisFirstSpec(MachineSpec):
    """One Basis-First machine; unknown fields are refused.

    Examples
    --------
    >>> BasisFirstSpec(lookahead=2).ca_lanes
    16
    """

    UNITS: ClassVar[tuple[str, ...]] = ("pe_blocks", "slices_per_block", "ca_lanes")

    pe_blocks: Count = Field(
        32, description="Assumption: PE blocks; each works on one output channel"
    )
    slices_per_block: int = Field(
        6,
        ge=1,
        le=256,
        description="Assumption: PE slices of a block; each works on one basis kernel",
    )
    ca_lanes: int = Field(
        16,
        ge=1,
        le=64,
        description="Assumption: lanes of the coefficient-accumulate (CA) unit of a slice: pairs "
        "added per cycle",
    )
    mac_row_width: int = Field(
        3,
        ge=1,
        le=256,
        description="Assumption: multipliers of the MAC row of a slice; 3 take one row of a 3x3 "
        "kernel per cycle",
    )
    lookahead: int = Field(
        4,
        ge=0,
        le=64,
        description="Assumption: concentration (packing pairs into lanes): rows ahead from which "
        "a lane may take a pair",
    )
    lookaside: int = Field(
        1,
        ge=0,
        le=64,
        description="Assumption: concentration: lanes on either side from which a lane may take a "
        "pair",
    )
    packing: Literal["window", "ideal", "none"] = Field(
        "window",
        description="Assumption: how pairs are packed into lanes: window, by lookahead and "
        "lookaside; ideal, always full lanes; none, one row of coefficients per cycle",
    )
    intermediate_fifo: Count = Field(
        4,
        description="Assumption: values of V (sums of the first stage) that may wait between CA "
        "unit and MAC row, per slice",
    )
    broadcast_window: Count = Field(
        4, description="Assumption: pixels that a fast block may be ahead of the slowest one"
    )
    vector_buffer_bytes: Bytes = Field(
        4096, description="Assumption: buffer of pixel vectors that wait, B per block"
    )
    coefficient_buffer_bytes: Bytes = Field(
        1024,
        description="Assumption: buffer of bitmaps and signs of coefficients, two halves, B per "
        "slice",
    )
    psum_buffer_bytes: Bytes = Field(
        4096, description="Assumption: buffer of psums (partial sums), B per block"
    )
    input_glb_bytes: Bytes = Field(
        65536, description="Assumption: global buffer (GLB) for inputs, two halves, B"
    )
    output_glb_bytes: Bytes = Field(65536, description="Assumption: GLB for outputs, two halves, B")
    broadcast_bytes_per_cycle: Count = Field(
        128, description="Assumption: width of the GLB port that feeds the broadcast, B/cycle"
    )
    pipeline_cycles: Cycles = Field(
        8, description="Assumption: cycles to fill and empty the pipeline, once per step"
    )
    intermediate_bits: int = Field(20, ge=2, le=32, description="Assumption: width of V, bits")
    psum_bits: int = Field(32, ge=2, le=32, description="Assumption: width of a psum, bits")
    loop_order: Literal["auto", "input_outer", "coefficient_outer"] = Field(
        "auto",
        description="Assumption: which operand stays on chip; auto takes the plan with the fewest "
        "cycles, then the fewest DRAM bytes, among those that fit the buffers",
    )
    layer_fusion: Literal["off", "on"] = Field(
        "off",
        description="Assumption: on keeps an output on chip if half of the output GLB holds the "
        "outputs of all images; the two GLBs then swap roles for the next layer",
    )

    @property
    def sram_bytes(self) -> int:
        """Both GLBs and the buffers of all blocks and slices."""
        per_slice = self.slices_per_block * self.coefficient_buffer_bytes
        per_block = self.vector_buffer_bytes + self.psum_buffer_bytes + per_slice
        return self.input_glb_bytes + self.output_glb_bytes + self.pe_blocks * per_block


PRESETS = {"default": BasisFirstSpec()}
