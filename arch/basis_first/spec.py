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

    pe_blocks: Count = Field(32, description="Assumption: output channels in flight")
    slices_per_block: int = Field(
        6, ge=1, le=256, description="Assumption: basis kernels handled in one pass"
    )
    ca_lanes: int = Field(
        16, ge=1, le=64, description="Assumption: operand pairs summed per cycle per slice"
    )
    mac_row_width: int = Field(
        3,
        ge=1,
        le=256,
        description="Assumption: multipliers per slice, one row of a 3x3 kernel per cycle",
    )
    lookahead: int = Field(4, ge=0, le=64, description="Assumption: concentration, rows ahead")
    lookaside: int = Field(
        1, ge=0, le=64, description="Assumption: concentration, lanes either side"
    )
    packing: Literal["window", "ideal", "none"] = Field(
        "window", description="Assumption: how pairs are packed into lanes"
    )
    intermediate_fifo: Count = Field(
        4, description="Assumption: V entries between CA unit and MAC row, per slice"
    )
    broadcast_window: Count = Field(
        4, description="Assumption: pixels a fast block may run ahead of the slowest"
    )
    vector_buffer_bytes: Bytes = Field(
        4096, description="Assumption: pixel vectors waiting, B per block"
    )
    coefficient_buffer_bytes: Bytes = Field(
        1024, description="Assumption: bitmap and signs of the current (k, m), two halves, B/slice"
    )
    psum_buffer_bytes: Bytes = Field(4096, description="Assumption: psums, B per block")
    input_glb_bytes: Bytes = Field(65536, description="Assumption: input GLB, two halves, B")
    output_glb_bytes: Bytes = Field(65536, description="Assumption: output GLB, two halves, B")
    broadcast_bytes_per_cycle: Count = Field(
        128, description="Assumption: GLB port feeding the broadcast, B/cycle"
    )
    pipeline_cycles: Cycles = Field(
        8, description="Assumption: filling and emptying the pipeline, cycles once per step"
    )
    intermediate_bits: int = Field(20, ge=2, le=32, description="Assumption: width of V, bits")
    psum_bits: int = Field(32, ge=2, le=32, description="Assumption: width of a psum, bits")
    loop_order: Literal["auto", "input_outer", "coefficient_outer"] = Field(
        "auto",
        description="Assumption: which operand stays; auto takes the plan with the fewest cycles, "
        "then DRAM bytes, of a set that buffers only narrow",
    )
    layer_fusion: Literal["off", "on"] = Field(
        "off",
        description="Assumption: on keeps an output in its GLB where half of it holds the output "
        "of all images; the GLBs swap roles for the next layer",
    )

    @property
    def sram_bytes(self) -> int:
        """Both GLBs and the buffers of all blocks and slices."""
        per_slice = self.slices_per_block * self.coefficient_buffer_bytes
        per_block = self.vector_buffer_bytes + self.psum_buffer_bytes + per_slice
        return self.input_glb_bytes + self.output_glb_bytes + self.pe_blocks * per_block


PRESETS = {"default": BasisFirstSpec()}
