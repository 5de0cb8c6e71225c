"""Time Bit-Tactical: the schedule of large layers, and ResNet-18 on seeded tensors.

Prints one JSON line per measurement.  Run it before and after touching the model.
"""

import numpy as np
from timing import best_seconds, report

from arch.bit_tactical.layout import layout
from arch.bit_tactical.model import MACHINE
from arch.bit_tactical.schedule import schedule
from arch.bit_tactical.spec import PRESETS
from workloads.layer import ConvLayer
from workloads.network import network
from workloads.synthetic import Synthetic, synthetic_layers

LAYERS = (
    ConvLayer("conv 512x512 3x3", C=512, K=512, H=7, W=7, R=3, S=3),
    ConvLayer("fc6 of VGG-16", C=25088, K=4096, H=1, W=1),
)
DENSITIES = (0.35, 1.0)


def schedules():
    """Weights per second through the front end."""
    spec, rng = PRESETS["iso"], np.random.default_rng(0)
    for layer in LAYERS:
        for density in DENSITIES:
            weights = (rng.random(layer.weight_shape, np.float32) < density).astype(np.int32)
            found = layout(layer, spec)
            seconds = best_seconds(lambda w=weights, f=found: schedule(w, f, spec))
            name = f"bit_tactical schedule, {layer.name}, density {density}"
            report(name, seconds, weights_per_s=weights.size / seconds)


def resnet18():
    """All layers, psums included, one image of 224 x 224."""
    for weights, activations in ((0.35, 0.45), (1.0, 1.0)):
        recipe = Synthetic(weights=weights, activations=activations)
        layers = list(synthetic_layers(network("resnet18"), recipe, dense=True))
        for back_end in ("bit_parallel", "precision", "bits"):
            spec = PRESETS["iso"].model_copy(update={"back_end": back_end})
            seconds = best_seconds(lambda s=spec, n=layers: [MACHINE.run(each, s) for each in n])
            report(f"bit_tactical {back_end} resnet18, weights {weights}", seconds)


if __name__ == "__main__":
    schedules()
    resnet18()
