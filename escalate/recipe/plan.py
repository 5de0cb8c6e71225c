"""plan: each convolution's form: 8 bits, what the method makes of it, or a basis of M."""

from collections.abc import Mapping

import numpy as np

from escalate.capture.network import FloatNetwork
from escalate.errors import DecompositionError
from escalate.recipe.method import METHODS
from escalate.recipe.options import DEFAULT_BASIS, CompressOptions
from escalate.ternary.decompose import dropped_energy
from workloads.graph import Graph


def kept_layers(graph: Graph, options: CompressOptions) -> frozenset[str]:
    """Convolutions that stay at eight bits.

    Raises
    ------
    DecompositionError
        If ``options.keep_int8`` names a layer that the network does not have.
    """
    names = [node.name for node in graph.convs]
    if options.method == "int8":
        return frozenset(names)
    if options.keep_int8 is None:
        depthwise = [n.name for n in graph.convs if n.layer is not None and n.layer.is_depthwise]
        kept = {names[0], *depthwise} if names else set()
    else:
        kept = set(options.keep_int8)
    _known(graph, kept, names, "keep_int8")
    if names and (options.classifier == "int8" or options.structure == "rows"):
        kept.add(names[-1])  # a class without its row would never be answered
    return frozenset(kept)


def sparse_layers(graph: Graph, options: CompressOptions) -> tuple[str, ...]:
    """Convolutions that are not kept, in execution order: those that the method changes.

    Raises
    ------
    DecompositionError
        If a table names a layer that has no such form, or a density table misses one.
    """
    kept = kept_layers(graph, options)
    names = tuple(node.name for node in graph.convs if node.name not in kept)
    pruned = options.method == "prune"
    if options.method != "int8" and isinstance(options.density, Mapping):
        _complete(
            graph, options.density, names, "the density table", METHODS[options.method].layers
        )
    if isinstance(options.clusters, Mapping):
        _complete(
            graph, options.clusters, names, "the clusters table", METHODS[options.method].layers
        )
    if isinstance(options.weight_bits, Mapping):
        whole = [*sorted(kept), *(names if pruned else ())]
        _known(graph, options.weight_bits, whole, "weight_bits", "layer at 8 bits")
    return names


def basis_sizes(network: FloatNetwork, options: CompressOptions) -> dict[str, int]:
    """M of every layer that gets a basis: ternary ones with R*S > 1.

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
    for name in sparse_layers(graph, options):
        layer = graph[name].layer
        assert layer is not None
        if layer.R * layer.S > 1:
            taps[name] = layer.R * layer.S
    if options.error is not None:
        return {name: _enough(network.weights[name], options.error) for name in taps}
    basis = DEFAULT_BASIS if options.basis is None else options.basis
    if isinstance(basis, Mapping):
        return _table_sizes(graph, basis, taps)
    if options.basis is not None and taps and basis > max(taps.values()):
        largest = max(taps, key=taps.__getitem__)
        raise DecompositionError(
            f"{largest}: M is {basis}, wanted 1..{taps[largest]}; "
            f"no layer of {graph.name} has more taps"
        )
    return {name: min(basis, count) for name, count in taps.items()}


def _enough(weights: np.ndarray, error: float) -> int:
    """The smallest M that drops at most that share of the squared sum."""
    shares = dropped_energy(weights)
    return int(np.argmax(shares <= error)) + 1


def _table_sizes(graph: Graph, table: Mapping[str, int], taps: dict[str, int]) -> dict[str, int]:
    _known(graph, table, tuple(taps), "the basis table", "layer with a basis")
    for name, count in taps.items():
        if name not in table:
            raise DecompositionError(f"{name}: the basis table has no entry for the layer")
        if not 1 <= table[name] <= count:
            raise DecompositionError(f"{name}: M is {table[name]}, wanted 1..{count}")
    return {name: table[name] for name in taps}


def _complete(
    graph: Graph, given: Mapping[str, object], names: tuple[str, ...], what: str, kind: str
) -> None:
    _known(graph, given, names, what, kind)
    for name in names:
        if name not in given:
            raise DecompositionError(f"{name}: {what} has no entry for the layer")


def _known(
    graph: Graph,
    given: Mapping[str, object] | set[str],
    names: tuple[str, ...] | list[str],
    what: str,
    kind: str = "layer",
) -> None:
    for name in sorted(given):
        if name not in names:
            raise DecompositionError(
                f"{name}: {what} names it, but {graph.name} has no such {kind}"
            )
