"""Eyeriss's actions, what each costs, and the traffic between its levels."""

from collections.abc import Mapping

import numpy as np

from arch.buffers import Buffer, Buffers
from arch.charges import Key
from arch.eyeriss import kernels as count
from arch.eyeriss.plan import Plan
from arch.eyeriss.spec import EyerissSpec

Bytes = Mapping[str, np.ndarray]


def buffers(spec: EyerissSpec) -> Buffers:
    """Banks of the GLB, those of its weight part, and the weight spads; the rest are registers.

    Examples
    --------
    >>> buffers(EyerissSpec())["glb"]
    Buffer(size_bytes=4096, port_bytes=8, instances=82)
    """
    return {
        "glb": Buffer(spec.bank_bytes, spec.port_bytes, spec.banks),
        "filter_glb": Buffer(
            min(spec.bank_bytes, spec.filter_glb_bytes),
            spec.port_bytes,
            -(-spec.filter_glb_bytes // spec.bank_bytes),
        ),
        "filter_spad": Buffer(
            spec.filter_spad_words * spec.operand_bytes, spec.operand_bytes, spec.units
        ),
    }


def _filled(planned: Plan, line: int) -> int:
    """``line`` for each input row in DRAM that a step fetches, all steps."""
    heights = np.array([high - low for low, high in planned.strips], np.int64)
    steps = planned.n[:, None, None, None] * heights[:, None, None] * planned.c * line
    return int((steps * planned.fresh_inputs).sum()) * planned.shape.groups


def _outputs(planned: Plan) -> int:
    """Output rows of all images."""
    shape = planned.shape
    return shape.images * shape.K * shape.groups * shape.P


def traffic(planned: Plan, spec: EyerissSpec) -> dict[Key, int]:
    """Bytes by (level, tensor, direction).

    ``glb`` is the GLB on both sides; outputs are read from it once, to go to DRAM.  ``array`` is
    what PEs hand to their neighbours.
    """
    word, psum, shape = spec.operand_bytes, spec.psum_bytes, planned.shape
    weights = planned.total(count.WEIGHTS) * word
    return {
        ("glb", "input", "write"): _filled(planned, shape.W) * word,
        ("glb", "input", "read"): planned.total(count.INPUTS) * word,
        ("glb", "weight", "write"): weights,
        ("glb", "weight", "read"): weights,
        ("glb", "psum", "write"): planned.total(count.PSUMS_OUT) * psum,
        ("glb", "psum", "read"): planned.total(count.PSUMS_IN) * psum,
        ("glb", "output", "read"): _outputs(planned) * shape.Q * psum,
        ("array", "psum", "read"): planned.total(count.LINK) * psum,
    }


def mac_accesses(macs: int, multiplies: int) -> dict[Key, int]:
    """Accesses to the spads that multiply-accumulates make.

    Each reads an input, a weight and a psum and writes the psum.  A zero input is seen when it is
    read: neither the weight is read nor is anything multiplied.  Assumption: the psum is read and
    written all the same.
    """
    return {
        ("ifmap_spad", "read", "input"): macs,
        ("filter_spad", "read", "weight"): multiplies,
        ("psum_spad", "read", "psum"): macs,
        ("psum_spad", "write", "psum"): macs,
    }


def events(planned: Plan, macs: int, multiplies: int, spec: EyerissSpec) -> dict[Key, int]:
    """Actions by (component, action, tensor).

    A PE reads each psum that it hands on once more; the PE above adds it to its own.
    """
    shape = planned.shape
    added = planned.total(count.LINK) + planned.total(count.PSUMS_IN)
    line = -(-shape.W * spec.operand_bytes // spec.port_bytes)
    out = -(-shape.Q * spec.psum_bytes // spec.port_bytes)
    weights = planned.total(count.WEIGHT_ACCESSES)
    table = mac_accesses(macs, multiplies)
    table["psum_spad", "read", "psum"] += planned.total(count.CHAINED)
    return table | {
        ("ifmap_spad", "write", "input"): planned.total(count.IFMAP_WRITES),
        ("filter_spad", "write", "weight"): planned.total(count.FILTER_WRITES),
        ("pe", "multiply", "psum"): multiplies,
        ("pe", "add", "psum"): multiplies + added,
        ("glb", "write", "input"): _filled(planned, line),
        ("glb", "read", "input"): planned.total(count.INPUT_ACCESSES),
        ("glb", "write", "psum"): planned.total(count.PSUM_OUT_ACCESSES),
        ("glb", "read", "psum"): planned.total(count.PSUM_IN_ACCESSES),
        ("glb", "read", "output"): _outputs(planned) * out,
        ("filter_glb", "write", "weight"): weights,
        ("filter_glb", "read", "weight"): weights,
    }
