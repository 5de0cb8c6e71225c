"""orders: both orders of the two stages of every decomposed layer, counted on the same tensors."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arch.basis_first.model import BasisFirst
from arch.basis_first.orders import OrderCost, stage_orders
from arch.basis_first.spec import BasisFirstSpec
from arch.errors import SpecError
from escalate.app.fed_images import model_inputs
from escalate.app.feed import Feed, check_feed
from escalate.app.fleet import Watch
from escalate.app.machines import Choice
from escalate.app.sources import ModelSource, ShapeSource, Source, SourceError, TensorSource
from workloads.convolve import convolve
from workloads.execute import execute
from workloads.synthetic import synthetic_layers
from workloads.tensors import LayerTensors

Row = dict[str, int | float | str]
SUMMED = ("multiplies", "scale_multiplies", "adds")
HELD = ("intermediate_words", "intermediate_bytes")
OURS, THEIRS = "coefficients_first", "convolve_first"


@dataclass(frozen=True, slots=True)
class Orders:
    """One row per decomposed layer; ``skipped`` names the layers that have no two stages.

    ``totals`` adds up what is done; of what is held between the stages it gives the most, since
    layers follow one another.  ``notes`` say what the tensors were.
    """

    network: str
    layers: tuple[Row, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def totals(self) -> Row:
        """All layers together."""
        row: Row = {"layer": "all layers"}
        for order in (OURS, THEIRS):
            for name in (*SUMMED, *HELD):
                values = [int(layer[f"{order}_{name}"]) for layer in self.layers]
                total = sum(values) if name in SUMMED else max(values, default=0)
                row[f"{order}_{name}"] = total
        return _with_ratio(row)


def _row(layer: str, costs: Iterable[OrderCost]) -> Row:
    row: Row = {"layer": layer}
    for cost in costs:
        for name in (*SUMMED, *HELD):
            row[f"{cost.order}_{name}"] = getattr(cost, name)
    return _with_ratio(row)


def _with_ratio(row: Row) -> Row:
    """How many times less is held between the stages."""
    ours, theirs = (int(row[f"{order}_intermediate_bytes"]) for order in (OURS, THEIRS))
    return row | {"intermediate_ratio": theirs / ours} if ours else row


def _each(
    source: Source, feed: Feed, visit: Callable[[LayerTensors, int], None]
) -> tuple[str, ...]:
    """Call ``visit`` with the tensors of every layer and the number of layers; gives notes."""
    if isinstance(source, TensorSource):
        for tensors in source.layers:
            visit(tensors, len(source.layers))
        return ("own tensors",)
    if isinstance(source, ModelSource):
        model, _ = source.model_for(BasisFirst.name)
        inputs, images = model_inputs(source, model, feed)
        total = len(model.graph.convs)

        def psums(tensors: LayerTensors) -> np.ndarray:
            visit(tensors, total)
            return convolve(tensors)

        execute(model, inputs, psums)
        return (f"images: {images.name}, the first {len(inputs)}",)
    assert isinstance(source, ShapeSource)
    if feed.synthetic is None:
        raise SourceError(
            f"{source.name}: orders needs tensors, not only shapes; give a compressed folder, "
            ".npz files, or --synthetic coefficients=D,activations=D"
        )
    for tensors in synthetic_layers(source.network, feed.synthetic):
        visit(tensors, len(source.layers))
    return (f"synthetic tensors: {feed.synthetic.told}",)


def orders(
    source: Source, choice: Choice, feed: Feed | None = None, watch: Watch | None = None
) -> Orders:
    """Count every decomposed layer of a source in both orders.

    Parameters
    ----------
    source : Source
    choice : a Basis-First machine; its channel tiles, FIFOs, blocks and widths are used
    feed : images for a compressed model, seeded tensors for shapes
    watch : called before every layer

    Raises
    ------
    SpecError
        If the machine is another one.
    SourceError
        If the source has no tensors.
    OperandError
        If V or a psum leaves its width; names the layer.
    """
    if not isinstance(choice.spec, BasisFirstSpec):
        raise SpecError(f"orders: wanted --machine basis_first, got {choice.machine.name}")
    spec, wanted = choice.spec, feed or Feed()
    check_feed(source, wanted)
    rows: list[Row] = []
    skipped: list[str] = []

    def visit(tensors: LayerTensors, total: int) -> None:
        if watch is not None:
            watch("counting", len(rows) + len(skipped), total)
        if tensors.mode == "decomposed":
            rows.append(_row(tensors.layer.name, stage_orders(tensors, spec)))
        else:
            skipped.append(tensors.layer.name)

    notes = _each(source, wanted, visit)
    return Orders(source.name, tuple(rows), tuple(skipped), (*choice.notes, *notes))


def orders_object(found: Orders) -> Mapping[str, Any]:
    """What ``orders --format json`` prints."""
    return {
        "network": found.network,
        "totals": found.totals,
        "layers": list(found.layers),
        "skipped": list(found.skipped),
        "notes": list(found.notes),
    }
