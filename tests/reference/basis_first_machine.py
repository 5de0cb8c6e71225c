"""The fields of the Basis-First machine, plain; see specification/basis_first.md."""

from types import SimpleNamespace

DEFAULTS: dict[str, object] = {
    "pe_blocks": 32,
    "slices_per_block": 6,
    "ca_lanes": 16,
    "mac_row_width": 3,
    "lookahead": 4,
    "lookaside": 1,
    "packing": "window",
    "intermediate_fifo": 4,
    "broadcast_window": 4,
    "vector_buffer_bytes": 4096,
    "coefficient_buffer_bytes": 1024,
    "psum_buffer_bytes": 4096,
    "input_glb_bytes": 65536,
    "output_glb_bytes": 65536,
    "broadcast_bytes_per_cycle": 128,
    "pipeline_cycles": 8,
    "intermediate_bits": 20,
    "psum_bits": 32,
    "clock_hz": 800_000_000,
    "dram_bandwidth_bytes_per_s": 25_600_000_000,
    "dram_latency_ns": 100,
    "dram_burst_bytes": 64,
    "loop_order": "auto",
}
CHOICES = {
    "packing": ("window", "ideal", "none"),
    "loop_order": ("auto", "input_outer", "coefficient_outer"),
}
MAY_BE_ZERO = ("lookahead", "lookaside", "pipeline_cycles", "dram_latency_ns")


class ReferenceInfeasible(ValueError):
    """The layer does not fit this machine, or the machine is none."""


def machine_of(fields: dict | None) -> SimpleNamespace:
    """The defaults overridden by ``fields``, checked."""
    unknown = set(fields or {}) - set(DEFAULTS)
    if unknown:
        raise ReferenceInfeasible(f"no such field: {sorted(unknown)}")
    machine = SimpleNamespace(**{**DEFAULTS, **(fields or {})})
    for name, value in vars(machine).items():
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ReferenceInfeasible(f"{name} is {value!r}, wanted one of {CHOICES[name]}")
        elif not isinstance(value, int) or value < (0 if name in MAY_BE_ZERO else 1):
            raise ReferenceInfeasible(f"{name} is {value!r}, out of range")
    return machine


def ceil_div(a: int, b: int) -> int:
    """The least integer not below a / b."""
    return -(-a // b)


def mask_bytes(channels: int) -> int:
    """One bit per channel, whole bytes."""
    return ceil_div(channels, 8)


def vector_tile_channels(machine: SimpleNamespace) -> int:
    """The largest multiple of 64 channels that fits the vector buffer with its mask."""
    if machine.vector_buffer_bytes < 64 + 64 // 8:
        raise ReferenceInfeasible("vector_buffer_bytes holds no 64 channels and their mask")
    channels = 64
    while channels + 64 + (channels + 64) // 8 <= machine.vector_buffer_bytes:
        channels += 64
    return channels
