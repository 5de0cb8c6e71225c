"""forms: a form for every layer in place of a ratio."""

from collections.abc import Mapping
from typing import Any

from escalate.compressors.compressor import Size, Task, Watch
from escalate.compressors.escalate.budget import fitted
from escalate.compressors.escalate.compressor import EscalateOptions
from escalate.compressors.escalate.curves import Form, sensitivity
from escalate.compressors.knob import MEASURED_IMAGES
from workloads.graph import Graph

CURVE_IMAGES = 256  # Assumption: enough to tell the layers' curves apart
GROWTH = 50  # Assumption: in retraining layers of few bits grow by one part in so many at most


def within(
    task: Task, options: EscalateOptions, budget: int, size: Size, watch: Watch | None = None
) -> EscalateOptions:
    """The options in which ``ratio`` is replaced by a form for every layer.

    Parameters
    ----------
    task : Task, whose first images measure the layers' curves
    options : with a ratio
    budget : bytes
    size : stored bytes of the model that options make
    watch : called with each layer whose curve is measured

    Raises
    ------
    BudgetError
        If no choice is that small.
    """
    few, graph = task.first(CURVE_IMAGES), task.network.graph
    curves = sensitivity(few, options, watch=watch)

    def measure(forms: Mapping[str, Form]) -> int:
        return size(with_forms(graph, options, forms), MEASURED_IMAGES)

    points = fitted(curves, budget, measure)
    thinned = sum(point.bytes for point in points.values() if not point.form.bits)
    growth = budget // GROWTH
    if options.retrained and thinned < 2 * growth:
        points = fitted(curves, budget - growth, measure)
    return with_forms(graph, options, {name: each.form for name, each in points.items()})


def with_forms(
    graph: Graph, options: EscalateOptions, forms: Mapping[str, Form]
) -> EscalateOptions:
    """The options with a table entry for each layer's form, and without a ratio."""
    layers = {node.name: node.layer for node in graph.convs}
    ternary = {name: form for name, form in forms.items() if not form.bits}
    basis = {
        name: form.M
        for name, form in ternary.items()
        if (layer := layers[name]) is not None and layer.R * layer.S > 1
    }
    fields: dict[str, Any] = {
        "ratio": None,
        "basis": basis or None,
        "density": {name: form.density for name, form in ternary.items()} or None,
        "keep_int8": tuple(name for name in layers if name not in ternary),
        "weight_bits": {name: form.bits for name, form in forms.items() if form.bits},
        "classifier": "ternary",
    }
    return options.but(**fields)
