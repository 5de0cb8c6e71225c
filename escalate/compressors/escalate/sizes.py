"""sizes: M of every layer that gets a basis: ternary ones with R*S > 1."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from escalate.capture.network import FloatNetwork
from escalate.compressors.escalate.compressor import BASIS, COMPRESSOR
from escalate.compressors.layers import changed, check_complete
from escalate.errors import DecompositionError
from escalate.ternary.decompose import dropped_energy
from workloads.graph import Graph
from workloads.layer import ConvLayer

if TYPE_CHECKING:
    from escalate.compressors.escalate.compressor import EscalateOptions


def basis_sizes(network: FloatNetwork, options: "EscalateOptions") -> dict[str, int]:
    """M of every layer that gets a basis.

    One number for all layers is lowered to R*S where a layer has fewer taps; a table is taken
    literally.

    Raises
    ------
    DecompositionError
        If M lies outside 1..R*S, for a table at any layer, for one number at all of them; or if
        a table misses a layer or names one that gets no basis.
    """
    graph = network.graph
    taps: dict[str, int] = {}
    found: dict[str, int] = {}
    for name in changed(graph, COMPRESSOR, options):
        layer = graph[name].layer
        assert layer is not None
        if layer.R * layer.S > 1:
            taps[name] = layer.R * layer.S
    if options.error is None:
        _check(graph, options.basis, taps)
    for name in taps:
        layer = graph[name].layer
        assert layer is not None
        size = basis_size(layer, network.weights[name], options)
        assert size is not None
        found[name] = size
    return found


def basis_size(layer: ConvLayer, weights: np.ndarray, options: "EscalateOptions") -> int | None:
    """M of one layer; None where it has one tap and so no basis."""
    taps = layer.R * layer.S
    if taps == 1:
        return None
    if options.error is not None:
        return int(np.argmax(dropped_energy(weights) <= options.error)) + 1
    if isinstance(options.basis, Mapping):
        return options.basis[layer.name]
    return min(options.basis or BASIS, taps)


def _check(graph: Graph, basis: int | Mapping[str, int] | None, taps: Mapping[str, int]) -> None:
    """Refuse one number that no layer has as many taps for, or a table that does not fit."""
    if isinstance(basis, Mapping):
        check_complete(graph, basis, tuple(taps), "the basis table", "layer with a basis")
        for name, count in taps.items():
            if not 1 <= basis[name] <= count:
                raise DecompositionError(f"{name}: M is {basis[name]}, wanted 1..{count}")
    elif basis is not None and taps and basis > max(taps.values()):
        largest = max(taps, key=taps.__getitem__)
        raise DecompositionError(
            f"{largest}: M is {basis}, wanted 1..{taps[largest]}; "
            f"no layer of {graph.name} has more taps"
        )
