"""What the weights alone say of each pass: words in the PEs, and how long they take to load.

Rule: specification/eyeriss_v2.md, EV2-7.
"""

from dataclasses import dataclass

import numpy as np

from arch.eyeriss_v2.columns import Columns
from arch.eyeriss_v2.kernels import weigh_passes
from arch.eyeriss_v2.mapping import Mapping, by_item
from arch.eyeriss_v2.spec import EyerissV2Spec


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """Passes of one tile of output rows, int64 of the shape of ``turns``.

    ``most`` words of weights in one PE, which are also its slots per output if all iacts are
    non-zero; ``total`` of all different PEs; ``load`` cycles to bring them in.
    """

    most: np.ndarray
    total: np.ndarray
    load: np.ndarray


def words_of_pes(mapping: Mapping, columns: Columns) -> np.ndarray:
    """Words of weights in one PE: int64 (G, M pieces, items)."""
    return by_item(mapping, columns.words)


def passes(mapping: Mapping, words: np.ndarray, spec: EyerissV2Spec) -> Passes:
    """Weigh the passes of one tile of output rows.

    Assumption: every weight router brings one word of macs_per_pe weights a cycle, words are
    spread evenly over routers, PEs with the same weights are fed at once, a PE takes one word a
    cycle.

    Parameters
    ----------
    mapping : Mapping
    words : int64 (G, M pieces, items), see ``words_of_pes``
    spec : EyerissV2Spec
    """
    most, total = np.zeros(mapping.turns, np.int64), np.zeros(mapping.turns, np.int64)
    weigh_passes(words, np.array([mapping.D, mapping.g1, mapping.m1]), most, total)
    return Passes(most, total, np.maximum(most, -(-total // spec.weight_routers)))


def lengths(
    mapping: Mapping, slots: np.ndarray, load: np.ndarray, spec: EyerissV2Spec
) -> np.ndarray:
    """Cycles of every pass, int64 of ``mapping.shape``: load, fill and the slowest PE.

    With ``overlapped`` loading the weights come during the pass before; to keep every pass's
    books closed, a pass lasts at least as long as its own weights take.

    Parameters
    ----------
    mapping : Mapping
    slots : int64 (tiles, *turns), slots of the slowest PE
    load : int64 (tiles, *turns), cycles to load, see ``loads``
    spec : EyerissV2Spec
    """
    exposed = spec.weight_loading == "exposed"
    busy = load + slots if exposed else np.maximum(load, slots)
    found: np.ndarray = busy + spec.pipeline_stages
    return found


def loads(mapping: Mapping, found: Passes) -> np.ndarray:
    """Cycles in which each pass loads its weights, int64 of ``mapping.shape``."""
    return found.load * loading(mapping)


def loading(mapping: Mapping) -> np.ndarray:
    """Which passes load weights: bool of ``mapping.shape``.

    Where one pass does all of a tile of rows, the next tile finds its weights there.
    """
    found = np.ones(mapping.shape, bool)
    if weights_stay(mapping):
        found[1:] = False
    return found


def weights_stay(mapping: Mapping) -> bool:
    """Whether one pass does all of a tile of rows."""
    return mapping.turns == (1, 1, 1)
