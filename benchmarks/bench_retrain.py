"""A retraining step beside a plain float step, and integer inference: ResNet-20 on random images.

The plain step is the original module with its batch norms, forward, backward and SGD.  The
retraining step has fake quantization, Adam, and the original network's answers to distil from.
"""

import runpy
import time
from pathlib import Path

import numpy as np
import torch
from timing import best_seconds, report
from torch.nn import functional

from escalate.capture.export import capture
from escalate.compressors.compressor import Task
from escalate.integers import integer
from escalate.recipe.compression import compress
from escalate.recipe.options import compress_options
from escalate.recipe.trials import quantized
from escalate.train.images import ImageSettings, image_tensor
from escalate.train.modules import float_module
from escalate.train.retrain import Lesson, retrain

RECIPE = Path(__file__).parent.parent / "docs" / "recipes" / "resnet20_cifar10.py"
BATCH, STEPS, IMAGES = 128, 6, 5000


def plain_seconds(module: torch.nn.Module, inputs: torch.Tensor, precision: str) -> float:
    """One step of training the original module."""
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), 0.01, momentum=0.9)
    labels = torch.zeros(len(inputs), dtype=torch.long)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = functional.cross_entropy(module(inputs).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    found = best_seconds(step, repeats=STEPS)
    module.eval()
    return found


def main() -> None:
    """Measure."""
    torch.manual_seed(0)
    module = runpy.run_path(str(RECIPE))["build"]().eval()
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (BATCH * STEPS, 3, 32, 32), dtype=np.uint8)
    labels = random.integers(0, 10, len(pixels))
    settings = ImageSettings(1 / 255, (0.5,) * 3, (0.25,) * 3, (32, 32))
    network = capture(module, torch.zeros(1, 3, 32, 32), "resnet20")
    image, original = settings.quantizer(pixels), float_module(network)
    inputs = image_tensor(image, pixels[:BATCH]).to(memory_format=torch.channels_last)
    for precision in ("float32", "bfloat16"):
        plain = plain_seconds(module, inputs, precision)
        report(f"plain step {precision}", plain)
        for distillation in (0.0, 0.5):
            options = compress_options(
                batch=BATCH,
                epochs=1,
                precision=precision,
                distillation=distillation,
                augment="crop",
            )
            student = quantized(Task(network, image, pixels[:64], original), options)
            seconds = []
            for _ in range(3):
                retrain(
                    student,
                    Lesson(image, pixels, labels),
                    options.retraining(),
                    teacher=original,
                    progress=lambda each, found=seconds: found.append(each.seconds / STEPS),
                )
            name = "distilled" if distillation else "alone"
            report(
                f"retraining step {precision} {name}",
                min(seconds),
                times_plain=round(min(seconds) / plain, 2),
            )
    model = compress(network, compress_options(epochs=0), pixels[:64], None, settings)
    many = random.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    begun = time.perf_counter()
    integer.predict(model, many, batch=100)
    report("integer inference of 5000 CIFAR images", time.perf_counter() - begun)


if __name__ == "__main__":
    main()
