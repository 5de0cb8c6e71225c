"""The passes of any mapping of one layer, in cycles and bytes; what mappings share is kept.

The mapper asks this for the exact cost of a mapping.  The same steps are worked out once more,
with all counts, when the layer runs with the mapping that was chosen.
"""

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from arch.eyeriss_v2.columns import Columns, ColumnTable
from arch.eyeriss_v2.iacts import iacts, skips_iacts
from arch.eyeriss_v2.kernels import met_by_pes, pe_slots, slowest_of, stored_under
from arch.eyeriss_v2.mapping import Mapping
from arch.eyeriss_v2.passes import Passes, lengths, loading, loads, passes, words_of_pes
from arch.eyeriss_v2.spec import EyerissV2Spec
from arch.eyeriss_v2.stored import (
    input_of_pieces,
    output_of_words,
    output_words,
    row_bits,
    weight_bits,
    weight_of_bits,
)
from arch.steps import Steps
from workloads.tensors import LayerTensors

T = TypeVar("T")
HELD = 64  # of each kind that are kept at once


class Worked:
    """One layer on one machine.

    Parameters
    ----------
    tensors : LayerTensors
    weights : integers that fit int8, shape (K, C/groups, R, S)
    output : integers (N, K, P, Q), the values that are stored
    spec : EyerissV2Spec
    """

    def __init__(
        self, tensors: LayerTensors, weights: np.ndarray, output: np.ndarray, spec: EyerissV2Spec
    ) -> None:
        self.tensors, self.spec = tensors, spec
        self.table = ColumnTable(tensors.layer, weights, spec)
        self._output = output
        self._found: dict[str, dict[Hashable, Any]] = {}

    def _keep(self, purpose: str, key: Hashable, make: Callable[[], T]) -> T:
        found = self._found.setdefault(purpose, {})
        if key not in found:
            if len(found) >= HELD:
                del found[next(iter(found))]
            found[key] = make()
        value: T = found[key]
        return value

    @cached_property
    def stored(self) -> np.ndarray:
        """Iacts stored of every row, int32 (N, C, H)."""
        pixels = self.tensors.activations
        if not skips_iacts(self.tensors.layer, self.spec):
            return np.full(pixels.shape[:3], pixels.shape[3], np.int32)
        return np.count_nonzero(pixels, axis=3).astype(np.int32)

    @cached_property
    def output_words(self) -> np.ndarray:
        """Values stored of every output row, int64 (N x P, G, K/G)."""
        return output_words(self.tensors.layer, self._output, self.spec)

    def columns(self, mapping: Mapping) -> Columns:
        """The columns of a mapping."""
        return self.table.get(mapping.M0)

    def words(self, mapping: Mapping) -> np.ndarray:
        """Words of weights of every PE, int64 (G, M pieces, items)."""
        key = (mapping.M0, mapping.C0, mapping.S0)
        return self._keep("words", key, lambda: words_of_pes(mapping, self.columns(mapping)))

    def passes(self, mapping: Mapping) -> Passes:
        """What the weights say of the passes."""
        return passes(mapping, self.words(mapping), self.spec)

    def _taps(self, mapping: Mapping) -> np.ndarray:
        pixels = self.tensors.activations
        return self._keep("taps", mapping.f1, lambda: iacts(mapping, pixels, self.spec).taps)

    def _met(self, mapping: Mapping, tiles: np.ndarray, e1: int) -> np.ndarray:
        """Iacts that taps meet in the rows of a PE, int32 (tiles, G, C/G, R, S, f1 x e1)."""
        layer, taps = mapping.layer, self._taps(mapping)
        shape = (tiles.size - 1, layer.C, layer.R, layer.S, mapping.f1 * e1)
        met = np.zeros(shape, np.int32)
        met_by_pes(taps, tiles, np.array([layer.strides[0], layer.dilations[0], layer.P]), met)
        return met.reshape(shape[0], layer.groups, -1, *shape[2:])

    def slots_of(self, mapping: Mapping, met: np.ndarray) -> np.ndarray:
        """Slots of every PE, int64 (parts, G, M pieces, items), of iacts met in parts."""
        pes = (mapping.layer.groups, mapping.m_pieces, mapping.items)
        found = np.zeros((met.shape[0], *pes), np.int64)
        pe_slots(met, self.columns(mapping).words, np.array([mapping.C0, mapping.S0]), found)
        return found

    def piece_slots(self, mapping: Mapping) -> np.ndarray:
        """Slots of every PE in each piece of the rows, int64 (f1, G, M pieces, items)."""
        every = np.array([0, mapping.images * mapping.layer.P])
        every.setflags(write=False)  # as other tiles: one kernel for both
        met = self._keep("pieces", mapping.f1, lambda: self._met(mapping, every, 1))
        return self.slots_of(mapping, np.ascontiguousarray(np.moveaxis(met[0], -1, 0)))

    def lengths(self, mapping: Mapping, most: int) -> np.ndarray | None:
        """Cycles of each pass, int64 of ``mapping.shape``; None if more than ``most``."""
        spec, load = self.spec, loads(mapping, self.passes(mapping))
        most -= spec.pipeline_stages * load.size
        if spec.weight_loading == "exposed":
            most -= int(load.sum())
        key = (mapping.f1, mapping.e1, mapping.tile_rows)
        met = self._keep("met", key, lambda: self._met(mapping, mapping.tiles, mapping.e1))
        parts = np.array([mapping.C0, mapping.S0, mapping.D, mapping.g1, mapping.m1])
        longest = np.zeros(mapping.shape, np.int64)
        if not slowest_of(met, self.columns(mapping).words, parts, most, longest):
            return None
        return lengths(mapping, longest, load, spec)

    def _input(self, mapping: Mapping) -> np.ndarray:
        def rows() -> np.ndarray:
            return np.ascontiguousarray(row_bits(mapping, self.stored, self.spec))

        def tiles() -> np.ndarray:
            layer = mapping.layer
            steps = [layer.strides[0], layer.dilations[0], layer.P]
            steps += [layer.padding[0], layer.H, layer.R]
            bits = self._keep("rows", (mapping.C0, mapping.S0), rows)
            found = np.zeros((mapping.tiles.size - 1, *bits.shape[1:]), np.int64)
            stored_under(bits, mapping.tiles, np.array(steps), found)
            return found

        key = (mapping.C0, mapping.S0, mapping.tile_rows)
        return input_of_pieces(mapping, self._keep("tiles", key, tiles))

    def _weight(self, mapping: Mapping) -> np.ndarray:
        key = (mapping.M0, mapping.C0, mapping.S0)
        columns = self.columns(mapping)
        bits = self._keep("bits", key, lambda: weight_bits(mapping, columns, self.spec))
        return weight_of_bits(mapping, bits) * loading(mapping)

    def steps(self, mapping: Mapping, lengths: np.ndarray) -> Steps:
        """The passes one after the other, of which ``lengths`` are known."""
        inputs, weights = self._input(mapping), self._weight(mapping)
        outputs = output_of_words(mapping, self.output_words, self.spec)
        return Steps(
            lengths.ravel(),
            {"input": inputs.ravel(), "weight": weights.ravel()},
            {"output": outputs.ravel()},
        )
