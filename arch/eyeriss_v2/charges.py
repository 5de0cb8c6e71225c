"""The machine's actions, what each costs, and the traffic between its levels.

Assumption: iacts, addresses and psums of a PE lie in registers, its weights in an SRAM; every
window reads one segment address and every slide writes one; a product is added to a psum that is
read and written; psums pass from PE to PE and take one more addition each.  Wires and routers
have no published price and are free.
"""

import numpy as np

from arch.buffers import Buffer, Buffers, banked
from arch.charges import Key
from arch.eyeriss_v2.spec import EyerissV2Spec
from arch.eyeriss_v2.tally import Tally


def _bytes(bits: int) -> int:
    return -(-bits // 8)


def buffers(spec: EyerissV2Spec) -> Buffers:
    """The banks of both GLBs and the weight spads.

    Examples
    --------
    >>> buffers(EyerissV2Spec())["psum_glb"]
    Buffer(size_bytes=1920, port_bytes=5, instances=64)
    """
    iact_banks = spec.clusters * spec.cluster_rows
    psum_banks = spec.clusters * spec.cluster_columns
    return {
        "iact_glb": banked(
            spec.iact_glb_bytes, -(-spec.iact_glb_bytes // iact_banks), spec.iact_port_bytes
        ),
        "psum_glb": banked(
            spec.psum_glb_bytes, -(-spec.psum_glb_bytes // psum_banks), spec.psum_port_bytes
        ),
        "weight_spad": Buffer(
            _bytes(spec.spad_bits["weight_spad"]),
            _bytes(spec.macs_per_pe * spec.word_bits),
            spec.pes,
        ),
    }


def traffic(
    loads: np.ndarray, sent: np.ndarray, counts: Tally, turns: int, spec: EyerissV2Spec
) -> dict[Key, int]:
    """Bytes by (level, tensor, direction): the two GLBs, and what enters the PEs' spads.

    Parameters
    ----------
    loads : int64, bytes of input loaded by each pass
    sent : int64, iacts that leave the GLB in each pass
    counts : Tally
    turns : passes that add to each output
    spec : EyerissV2Spec
    """
    psums = _bytes(counts.outputs * turns * spec.psum_bits)
    weights = counts.weight_words * spec.macs_per_pe * spec.word_bits
    return {
        ("glb", "input", "write"): int(loads.sum()),
        ("glb", "input", "read"): _bytes(int(sent.sum()) * spec.word_bits),
        ("glb", "psum", "write"): psums,
        ("glb", "psum", "read"): psums,
        ("pe", "input", "write"): _bytes(counts.received * spec.word_bits),
        ("pe", "weight", "write"): _bytes(weights),
    }


def events(
    loads: np.ndarray, sent: np.ndarray, counts: Tally, turns: int, spec: EyerissV2Spec
) -> dict[Key, int]:
    """Actions by (component, action, tensor); parameters as for ``traffic``."""
    banks = buffers(spec)
    sent_bytes = -(-sent * spec.word_bits // 8)
    psums = banks["psum_glb"].accesses(_bytes(counts.outputs * turns * spec.psum_bits))
    addressed = spec.processing == "csc"
    return {
        ("iact_glb", "write", "input"): int((-(-loads // spec.iact_port_bytes)).sum()),
        ("iact_glb", "read", "input"): int((-(-sent_bytes // spec.iact_port_bytes)).sum()),
        ("psum_glb", "write", "psum"): psums,
        ("psum_glb", "read", "psum"): psums,
        ("iact_address_spad", "write", "input"): counts.windows * addressed,
        ("iact_address_spad", "read", "input"): counts.windows * addressed,
        ("iact_spad", "write", "input"): counts.received,
        ("iact_spad", "read", "input"): counts.visits,
        ("weight_address_spad", "write", "weight"): counts.weight_columns * addressed,
        ("weight_address_spad", "read", "weight"): counts.visits * addressed,
        ("weight_spad", "write", "weight"): counts.weight_words,
        ("weight_spad", "read", "weight"): counts.slots,
        ("psum_spad", "write", "psum"): counts.pairs,
        ("psum_spad", "read", "psum"): counts.pairs + counts.sums,
        ("pe", "multiply", "psum"): counts.pairs,
        ("pe", "add", "psum"): counts.pairs + counts.sums - counts.outputs,
    }
