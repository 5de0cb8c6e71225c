"""Time the systolic array: one fixed layer on real integers, and ResNet-18's shapes.

Prints one JSON line per measurement, ``{"name": ..., "seconds": ...}``; ``--record FILE`` appends
them to a file as well.  Run it before and after touching the model.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from arch.systolic.model import MACHINE
from arch.systolic.spec import PRESETS
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

# (name, C, K, H, R, stride) of He et al., CVPR 2016, table 1; square planes, "same" padding.
RESNET18 = (
    ("conv1", 3, 64, 224, 7, 2),
    ("conv2", 64, 64, 56, 3, 1),
    ("conv3_1", 64, 128, 56, 3, 2),
    ("conv3", 128, 128, 28, 3, 1),
    ("conv4_1", 128, 256, 28, 3, 2),
    ("conv4", 256, 256, 14, 3, 1),
    ("conv5_1", 256, 512, 14, 3, 2),
    ("conv5", 512, 512, 7, 3, 1),
)
REPEATS = 3


def layer(name, C, K, H, R, stride):
    return ConvLayer(name, C, K, H, H, R, R, stride, (R // 2,) * 4)


def fastest(action):
    """Seconds of the fastest of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def real_layer():
    rng = np.random.default_rng(0)
    conv = layer("conv3", 128, 128, 28, 3, 1)
    pixels = rng.integers(0, 256, (1, 128, 28, 28)).astype(np.uint8)
    weights = rng.integers(-128, 128, conv.weight_shape).astype(np.int8)
    return LayerTensors(conv, pixels, weights, origin="synthetic")


def measure():
    tensors = real_layer()
    shapes = [layer(*row) for row in RESNET18]
    for dataflow in ("os", "ws", "is"):
        spec = PRESETS["iso"].model_copy(update={"dataflow": dataflow})
        yield (
            f"systolic {dataflow} 128x28x28 3x3 tensors",
            fastest(lambda spec=spec: MACHINE.run(tensors, spec)),
        )
        seconds = fastest(lambda spec=spec: [MACHINE.run_shape(shape, spec) for shape in shapes])
        yield f"systolic {dataflow} resnet18 per shape", seconds / len(shapes)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, help="append the lines to this file")
    record = parser.parse_args().record
    for name, seconds in measure():
        line = json.dumps({"name": name, "seconds": round(seconds, 6)})
        print(line, flush=True)
        if record:
            with record.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
