"""SCNN's actions, what each costs, and the traffic between its levels."""

from arch.buffers import Buffer, Buffers, banked
from arch.charges import Key
from arch.scnn.counts import Part
from arch.scnn.spec import ScnnSpec

SMALLEST = 512  # bytes of the smallest memory in the tables


def vector_bytes(values: int, spec: ScnnSpec) -> int:
    """Bytes of a vector of stored values, the width of the port it passes.

    Examples
    --------
    >>> vector_bytes(4, ScnnSpec())
    6
    """
    return -(-values * spec.entry_bits // 8)


def buffers(spec: ScnnSpec) -> Buffers:
    """The memories of all PEs.

    Assumption: accumulator banks are smaller than any memory in the tables, so all psums of the
    machine are priced, and leak, as that many bytes of the smallest one.

    Examples
    --------
    >>> buffers(ScnnSpec())["iaram"]
    Buffer(size_bytes=1024, port_bytes=6, instances=192)
    """
    pixels = vector_bytes(spec.activation_vector, spec)
    weights = vector_bytes(spec.weight_vector, spec)
    psums = -(-spec.pes * spec.accumulator_bytes // SMALLEST)
    return {
        "iaram": banked(spec.iaram_bytes, spec.bank_bytes, pixels, spec.pes),
        "oaram": banked(spec.oaram_bytes, spec.bank_bytes, pixels, spec.pes),
        "weight_fifo": Buffer(spec.fifo_bytes, weights, spec.pes),
        "accumulator": Buffer(SMALLEST, spec.psum_bytes, psums),
    }


def traffic(
    found: Part, spec: ScnnSpec, *, useful: int, output: int, loaded: int, stored: int
) -> dict[Key, int]:
    """Bytes by (level, tensor, direction).

    Parameters
    ----------
    found : Part, of all images
    spec : ScnnSpec
    useful : products that belong to an output
    output : bytes of the compressed output
    loaded, stored : bytes that come from DRAM into IARAM, and leave OARAM for it
    """
    pixels = vector_bytes(spec.activation_vector, spec)
    weights = vector_bytes(spec.weight_vector, spec)
    return {
        ("iaram", "input", "write"): loaded,
        ("iaram", "input", "read"): found.activation_vectors * pixels,
        ("weight_fifo", "weight", "write"): found.weight_vectors * weights,
        ("weight_fifo", "weight", "read"): found.blocks * weights,
        ("accumulator", "psum", "write"): (useful + found.halo_words) * spec.psum_bytes,
        ("accumulator", "psum", "read"): (useful + 2 * found.halo_words) * spec.psum_bytes,
        ("neighbour", "psum", "write"): found.halo_words * spec.psum_bytes,
        ("oaram", "output", "write"): output,
        ("oaram", "output", "read"): stored,
    }


def events(
    found: Part, spec: ScnnSpec, moved: dict[Key, int], *, useful: int, outputs: int
) -> dict[Key, int]:
    """Actions by (component, action, tensor).

    A vector of activations is read once for each group of filters and stays in registers while
    the group's weights pass.  A halo psum is read by its maker and added by its owner.

    Parameters
    ----------
    found : Part, of all images
    spec : ScnnSpec
    moved : as ``traffic`` returns it
    useful : products that belong to an output
    outputs : number of outputs, each read once from the accumulators
    """
    port = vector_bytes(spec.activation_vector, spec)
    vectors = spec.activation_vector
    added = useful + found.halo_words
    return {
        ("iaram", "write", "input"): -(-moved["iaram", "input", "write"] // port),
        ("iaram", "read", "input"): found.activation_vectors,
        ("operand_register", "write", "input"): found.activation_vectors * vectors,
        ("operand_register", "read", "input"): found.blocks * vectors,
        ("weight_fifo", "write", "weight"): found.weight_vectors,
        ("weight_fifo", "read", "weight"): found.blocks,
        ("multiplier", "multiply", "psum"): found.products,
        ("coordinate", "add", "psum"): 2 * found.products,
        ("crossbar", "transfer", "psum"): useful,
        ("accumulator", "read", "psum"): added + found.halo_words,
        ("accumulator", "write", "psum"): added,
        ("accumulator", "add", "psum"): added,
        ("accumulator", "read", "output"): outputs,
        ("oaram", "write", "output"): -(-moved["oaram", "output", "write"] // port),
        ("oaram", "read", "output"): -(-moved["oaram", "output", "read"] // port),
    }
