"""MobileNet v3: inverted residuals of which some gate their channels."""

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.network import NetworkLayer
from workloads.sketch import Plane, Sketch


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the paper's tables 1 and 2; the activation changes no shape and is left out."""

    kernel: int
    expanded: int
    out: int
    gated: bool
    stride: int


def nearest_eighth(channels: float) -> int:
    """The nearest multiple of 8, the next one where that is below nine tenths.

    Examples
    --------
    >>> nearest_eighth(18), nearest_eighth(30)
    (24, 32)
    """
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8


def mobilenet_v3_layers(rows: Sequence[Row], hidden: int, classes: int) -> tuple[NetworkLayer, ...]:
    """Stem, blocks, last convolution and the two layers of the classifier, for 224 x 224."""
    sketch = Sketch()
    plane = sketch.conv("stem", Plane((), 3, 224, 224), 16, 3, stride=2)
    for number, row in enumerate(rows):
        plane = _block(sketch, f"block{number}", plane, row)
    last = sketch.conv("last", plane, 6 * plane.channels)
    sketch.biased("fc2", sketch.biased("fc1", last.sized(1), hidden), classes)
    return tuple(sketch.layers)


def _block(sketch: Sketch, name: str, plane: Plane, row: Row) -> Plane:
    wide = plane
    if row.expanded != plane.channels:
        wide = sketch.conv(f"{name}.expand", plane, row.expanded)
    wide = sketch.conv(
        f"{name}.depthwise", wide, row.expanded, row.kernel, stride=row.stride, groups=row.expanded
    )
    if row.gated:
        wide = sketch.gate(f"{name}.gate", wide, nearest_eighth(row.expanded // 4))
    adds = row.stride == 1 and plane.channels == row.out
    return sketch.conv(f"{name}.project", wide, row.out, shortcut=plane if adds else None)
