"""The front end without retraining, on a network of ResNet-50's shapes with random weights.

Capture, decompose, ternarize, calibrate on four random images, lower and encode; then decode.
Seeded random weights: the times are real, the accuracy of such a network means nothing.
"""

import json
import subprocess
import sys

from timing import report

MEASURE = """
import json, resource, sys, tempfile, time
import numpy as np, torch
from torch import nn
from escalate.store import model_file
from escalate.capture.export import capture
from escalate.recipe.compression import compress
from escalate.train.images import ImageSettings
from escalate.recipe.options import compress_options


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        def conv(c, k, r, s=1):
            return nn.Sequential(nn.Conv2d(c, k, r, s, r // 2, bias=False), nn.BatchNorm2d(k))
        self.one, self.two = conv(channels, width, 1), conv(width, width, 3, stride)
        self.three = conv(width, 4 * width, 1)
        joined = stride == 1 and channels == 4 * width
        self.short = nn.Identity() if joined else conv(channels, 4 * width, 1, stride)

    def forward(self, x):
        y = self.three(torch.relu(self.two(torch.relu(self.one(x)))))
        return torch.relu(y + self.short(x))


torch.manual_seed(0)
parts, channels = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
parts.append(nn.MaxPool2d(3, 2, 1))
for width, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
    for place in range(depth):
        parts.append(Bottleneck(channels, width, stride if place == 0 else 1))
        channels = 4 * width
parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)]
module = nn.Sequential(*parts).eval()
pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 224, 224), dtype=np.uint8)
settings = ImageSettings(1 / 255, (0.5,) * 3, (0.25,) * 3, (224, 224))
begun = time.perf_counter()
network = capture(module, torch.zeros(1, 3, 224, 224), "resnet50")
captured = time.perf_counter()
options = compress_options(epochs=0, density=0.3)
model = compress(network, options, pixels, None, settings)
compressed = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    model_file.save(model, folder)
    saved = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    size = model_file.bytes_on_disk(folder)
    start = time.perf_counter()
    model_file.load(folder)
    loaded = time.perf_counter() - start
print(json.dumps({
    "seconds": saved - begun, "capture_seconds": captured - begun,
    "compress_seconds": compressed - captured, "save_seconds": saved - compressed,
    "decode_seconds": loaded, "peak_mb": peak,
    "ratio": 4 * network.original_parameters / size,
}))
"""


def main() -> None:
    """Measure in a process of its own."""
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    decode = found.pop("decode_seconds")
    rest = {name: round(value, 2) for name, value in found.items() if name != "seconds"}
    report("compress resnet50", found["seconds"], **rest)
    report("decode resnet50", decode)


if __name__ == "__main__":
    main()
