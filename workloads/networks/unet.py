"""U-Net, 572 x 572: Ronneberger et al., MICCAI 2015, figure 1: unpadded convolutions, two classes.

A 2x2 transposed convolution of stride 2 is a 1x1 convolution that makes the four outputs of each
pixel as channels; they have one bias for the four.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

CHANNELS = (64, 128, 256, 512, 1024)


def _pair(sketch: Sketch, name: str, plane: Plane, K: int) -> Plane:
    first = sketch.conv(f"{name}.0", plane, K, 3, padding=(0, 0))
    return sketch.conv(f"{name}.2", first, K, 3, padding=(0, 0))


def _doubled(sketch: Sketch, name: str, plane: Plane, K: int) -> Plane:
    """Twice as high and wide; its channels were moved to other pixels."""
    bare = Sketch(batch_norm=False, layers=sketch.layers)
    bare.conv(name, plane, 4 * K, extra=K)
    return Plane((), K, 2 * plane.height, 2 * plane.width)


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch(bias=True, batch_norm=False)
    plane, kept = Plane((), 1, 572, 572), []
    for level, K in enumerate(CHANNELS):
        read = plane.sized(plane.height // 2) if level else plane
        plane = _pair(sketch, f"downs.{level}", read, K)
        kept.append(plane)
    for level, skip in enumerate(kept[-2::-1]):
        up = _doubled(sketch, f"ups.{level}", plane, skip.channels)
        plane = _pair(sketch, f"convs.{level}", skip.sized(up.height).beside(up), up.channels)
    sketch.conv("last", plane, 2)
    return tuple(sketch.layers)


NETWORK = Network(
    "unet",
    "U-Net, one channel of 572x572",
    "Ronneberger et al., MICCAI 2015, figure 1",
    (1, 572, 572),
    _layers(),
    published_parameters=Published(
        31_030_658, "gchlebus.github.io, on the memory that U-Net takes: parameter_count"
    ),
)
