"""layers: which convolutions a method changes, and tables by layer that must name them."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from escalate.errors import DecompositionError

if TYPE_CHECKING:
    from escalate.compressors.compressor import Compressor
    from escalate.compressors.options import Options
    from workloads.graph import Graph


def kept(graph: "Graph", options: "Options") -> frozenset[str]:
    """The convolutions that stay at eight bits: those named, or the first and depthwise ones.

    Raises
    ------
    DecompositionError
        If ``options.keep_int8`` names a layer that the network does not have.
    """
    names = [node.name for node in graph.convs]
    if options.keep_int8 is None:
        depthwise = [n.name for n in graph.convs if n.layer is not None and n.layer.is_depthwise]
        found = {*names[:1], *depthwise}
    else:
        found = set(options.keep_int8)
    check_known(graph, found, names, "keep_int8")
    if options.classifier == "int8":
        found |= set(names[-1:])
    return frozenset(found)


def changed(graph: "Graph", compressor: "Compressor", options: "Options") -> tuple[str, ...]:
    """The convolutions that a method changes, in execution order.

    Raises
    ------
    DecompositionError
        If a table names a layer that has no such form, or misses one.
    """
    stay = compressor.kept(graph, options)
    names = tuple(node.name for node in graph.convs if node.name not in stay)
    for field in compressor.tables:
        table = getattr(options, field)
        if isinstance(table, Mapping):
            check_complete(graph, table, names, f"the {field} table", compressor.layers)
    if isinstance(options.weight_bits, Mapping):
        whole = [*sorted(stay), *(names if compressor.uses_bits else ())]
        check_known(graph, options.weight_bits, whole, "weight_bits", "layer at 8 bits")
    return names


def check_complete(
    graph: "Graph",
    given: Mapping[str, object],
    names: Collection[str],
    what: str,
    kind: str = "layer",
) -> None:
    """Refuse a table that does not name exactly these layers.

    Raises
    ------
    DecompositionError
        Naming the layer.
    """
    check_known(graph, given, names, what, kind)
    for name in names:
        if name not in given:
            raise DecompositionError(f"{name}: {what} has no entry for the layer")


def check_known(
    graph: "Graph",
    given: Collection[str],
    names: Collection[str],
    what: str,
    kind: str = "layer",
) -> None:
    """Refuse a name that is none of these.

    Raises
    ------
    DecompositionError
        Naming the layer.
    """
    for name in sorted(given):
        if name not in names:
            raise DecompositionError(
                f"{name}: {what} names it, but {graph.name} has no such {kind}"
            )
