"""footprint: where a compressed model's bytes are, by layer and by format."""

from collections.abc import Mapping
from typing import Any

from escalate.store.footprint import compression_ratio, footprint, sizes
from workloads.integer import IntegerModel

COUNTED: Mapping[str, str] = {
    "on disk": "every file that decoding needs, headers and manifest included",
    "payload": "encoded coefficients, weights, bases and scales, without headers and manifest",
    "hardware": "what the Basis-First machine reads: weights and bases, once each, no scales",
    "ideal": "lower bound of the rows above: entropy of coefficients, weights; bases; no scales",
}


def layer_table(model: IntegerModel) -> list[dict[str, Any]]:
    """One row per convolution: its form, its bytes, and those that each format would take."""
    rows = []
    for each in footprint(model):
        row = {
            "layer": each.name,
            "form": each.form,
            "M": each.M or None,
            "weights": each.weights,
            "density": each.density,
            "coding": each.coding,
            "bits_per_weight": each.bits_per_weight,
            "coefficient_bytes": each.coefficient_bytes,
            "basis_bytes": each.basis_bytes,
            "requantizer_bytes": each.requantizer_bytes,
            "effective_bits": " ".join(map(str, each.effective_bits)),
        }
        rows.append(row | {f"{name}_bytes": size for name, size in each.formats.items()})
    return rows


def size_table(model: IntegerModel) -> list[dict[str, Any]]:
    """The four ways of counting, with ratios to FP32 where the model's story knows its origin."""
    found = sizes(model)
    parameters = model.provenance.get("original_parameters")
    convolutions = model.provenance.get("convolution_parameters")
    counts = (found.on_disk, found.payload, found.hardware, found.ideal)
    rows = [
        {"counted": name, "stored_bytes": count, **_ratio(parameters, count), "what": what}
        for (name, what), count in zip(COUNTED.items(), counts, strict=True)
    ]
    row = {"counted": "convolutions", "stored_bytes": found.convolutions}
    what = "their part of the payload, against their parameters alone"
    return [*rows, row | _ratio(convolutions, found.convolutions) | {"what": what}]


def _ratio(parameters: object, size: int) -> dict[str, float | None]:
    if not isinstance(parameters, int) or size == 0:
        return {"compression_ratio": None}
    return {"compression_ratio": compression_ratio(parameters, size)}
