"""YOLOv8n, 640 x 640: github.com/ultralytics/ultralytics, cfg/models/v8/yolov8.yaml, scale n.

Backbone, neck and the convolutions of the detection heads; the decoding of boxes, which has 16
constants, is left out.  What reads half of a layer's channels has no producers.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

SIDES, CLASSES = 64, 80  # outputs of a detection head: 16 bins for each side of a box, and classes


def _bottlenecks(
    sketch: Sketch, name: str, plane: Plane, K: int, repeats: int, *, adds: bool = False
) -> Plane:
    """C2f: half of the channels through bottlenecks, all that is made on the way side by side."""
    split = sketch.conv(f"{name}.cv1", plane, K)
    half, made = Plane((), K // 2, split.height, split.width), [split]
    for number in range(repeats):
        inner = sketch.conv(f"{name}.m.{number}.cv1", half, half.channels, 3)
        shortcut = half if adds else None
        half = sketch.conv(f"{name}.m.{number}.cv2", inner, half.channels, 3, shortcut=shortcut)
        made.append(half)
    return sketch.conv(f"{name}.cv2", made[0].beside(*made[1:]), K)


def _pyramid(sketch: Sketch, name: str, plane: Plane) -> Plane:
    """SPPF: maximum pools of stride 1 one behind the other, side by side."""
    first = sketch.conv(f"{name}.cv1", plane, plane.channels // 2)
    return sketch.conv(f"{name}.cv2", first.beside(first, first, first), plane.channels)


def _detect(sketch: Sketch, name: str, planes: tuple[Plane, ...]) -> None:
    heads = {
        (number, branch): (plane, K)
        for number, plane in enumerate(planes)
        for branch, K in (("cv2", SIDES), ("cv3", CLASSES))
    }
    for (number, branch), (plane, K) in heads.items():
        at = f"{name}.{branch}.{number}"
        inner = sketch.conv(f"{at}.1", sketch.conv(f"{at}.0", plane, K, 3), K, 3)
        sketch.biased(f"{at}.2", inner, K)


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch()
    x = sketch.conv("model.0", Plane((), 3, 640, 640), 16, 3, stride=2)
    x = sketch.conv("model.1", x, 32, 3, stride=2)
    x = _bottlenecks(sketch, "model.2", x, 32, 1, adds=True)
    x = sketch.conv("model.3", x, 64, 3, stride=2)
    p3 = _bottlenecks(sketch, "model.4", x, 64, 2, adds=True)
    x = sketch.conv("model.5", p3, 128, 3, stride=2)
    p4 = _bottlenecks(sketch, "model.6", x, 128, 2, adds=True)
    x = sketch.conv("model.7", p4, 256, 3, stride=2)
    x = _bottlenecks(sketch, "model.8", x, 256, 1, adds=True)
    p5 = _pyramid(sketch, "model.9", x)
    n4 = _bottlenecks(sketch, "model.12", p5.sized(40).beside(p4), 128, 1)
    n3 = _bottlenecks(sketch, "model.15", n4.sized(80).beside(p3), 64, 1)
    x = sketch.conv("model.16", n3, 64, 3, stride=2)
    m4 = _bottlenecks(sketch, "model.18", x.beside(n4), 128, 1)
    x = sketch.conv("model.19", m4, 128, 3, stride=2)
    m5 = _bottlenecks(sketch, "model.21", x.beside(p5), 256, 1)
    _detect(sketch, "model.22", (n3, m4, m5))
    return tuple(sketch.layers)


NETWORK = Network(
    "yolov8n",
    "YOLOv8n, COCO 640x640, without the decoding of boxes",
    "github.com/ultralytics/ultralytics, cfg/models/v8/yolov8.yaml, scale n",
    (3, 640, 640),
    _layers(),
    published_parameters=Published(
        3_157_184, "Ultralytics, summary of yolov8n.yaml: 3157200 parameters, 3157184 gradients"
    ),
    published_macs=Published(
        4_350_000_000, "Ultralytics, yolov8.yaml, 8.7 GFLOPS of two each", within=25_000_000
    ),
)
