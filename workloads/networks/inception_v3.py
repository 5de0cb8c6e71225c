"""Inception v3 for ImageNet: Szegedy et al., CVPR 2016, table 1 and figures 5 to 7.

There is no auxiliary classifier; the stem and the reductions are those of the trained network.
"""

from workloads.network import Network, NetworkLayer, Published
from workloads.sketch import Plane, Sketch

Kernel = int | tuple[int, int]
Steps = tuple[tuple[int, Kernel], ...]  # output channels and kernel of layers in a row
FLAT, TALL = (1, 7), (7, 1)


def _row(sketch: Sketch, name: str, plane: Plane, steps: Steps, *, halves: bool = False) -> Plane:
    """Convolutions in a row; where ``halves``, the last has stride 2 and no padding."""
    for place, (K, kernel) in enumerate(steps):
        at = f"{name}.{place}" if len(steps) > 1 else name
        last = halves and place == len(steps) - 1
        plane = sketch.conv(
            at, plane, K, kernel, stride=2 if last else 1, padding=(0, 0) if last else None
        )
    return plane


def _module(sketch: Sketch, name: str, plane: Plane, branches: tuple[Steps, ...]) -> Plane:
    made = [_row(sketch, f"{name}.{i}", plane, steps) for i, steps in enumerate(branches)]
    return made[0].beside(*made[1:])


def _reduction(sketch: Sketch, name: str, plane: Plane, branches: tuple[Steps, ...]) -> Plane:
    """Branches of stride 2 beside a maximum pool of the same."""
    made = [
        _row(sketch, f"{name}.{i}", plane, steps, halves=True) for i, steps in enumerate(branches)
    ]
    return made[0].beside(*made[1:], plane.sized(made[0].height))


def _fork(sketch: Sketch, name: str, plane: Plane, steps: Steps) -> Plane:
    stem = _row(sketch, f"{name}.stem", plane, steps)
    wide = sketch.conv(f"{name}.wide", stem, 384, (1, 3))
    return wide.beside(sketch.conv(f"{name}.high", stem, 384, (3, 1)))


def _last_module(sketch: Sketch, name: str, plane: Plane) -> Plane:
    one = sketch.conv(f"{name}.0", plane, 320)
    two = _fork(sketch, f"{name}.1", plane, ((384, 1),))
    three = _fork(sketch, f"{name}.2", plane, ((448, 1), (384, 3)))
    return one.beside(two, three, sketch.conv(f"{name}.3", plane, 192))


def _fives(pooled: int) -> tuple[Steps, ...]:
    return (((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)), ((pooled, 1),))


def _sevens(m: int) -> tuple[Steps, ...]:
    twice = ((m, 1), (m, TALL), (m, FLAT), (m, TALL), (192, FLAT))
    return (((192, 1),), ((m, 1), (m, FLAT), (192, TALL)), twice, ((192, 1),))


def _layers() -> tuple[NetworkLayer, ...]:
    sketch = Sketch()
    plane = sketch.conv("stem.0", Plane((), 3, 299, 299), 32, 3, stride=2, padding=(0, 0))
    plane = sketch.conv("stem.1", plane, 32, 3, padding=(0, 0))
    plane = sketch.conv("stem.2", plane, 64, 3).sized(73)
    plane = sketch.conv("stem.3", plane, 80)
    plane = sketch.conv("stem.4", plane, 192, 3, padding=(0, 0)).sized(35)
    for place, pooled in enumerate((32, 64, 64)):
        plane = _module(sketch, f"five{place}", plane, _fives(pooled))
    branches: tuple[Steps, ...] = (((384, 3),), ((64, 1), (96, 3), (96, 3)))
    plane = _reduction(sketch, "reduce0", plane, branches)
    for place, m in enumerate((128, 160, 160, 192)):
        plane = _module(sketch, f"seven{place}", plane, _sevens(m))
    branches = (((192, 1), (320, 3)), ((192, 1), (192, FLAT), (192, TALL), (192, 3)))
    plane = _reduction(sketch, "reduce1", plane, branches)
    for place in range(2):
        plane = _last_module(sketch, f"three{place}", plane)
    sketch.biased("fc", plane.sized(1), 1000)
    return tuple(sketch.layers)


NETWORK = Network(
    "inception_v3",
    "Inception v3, ImageNet 299x299, no auxiliary classifier",
    "Szegedy et al., CVPR 2016, table 1; as in torchvision",
    (3, 299, 299),
    _layers(),
    published_parameters=Published(
        23_834_568,
        "torchvision, Inception_V3_Weights, num_params 27,161,264, "
        "less 3,326,696 of the auxiliary classifier",
    ),
    published_macs=Published(
        5_713_000_000, "torchvision, Inception_V3_Weights, 5.713 GFLOPS", within=500_000
    ),
)
