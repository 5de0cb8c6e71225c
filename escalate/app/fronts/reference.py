"""reference: how far each model's answers move, and what a Gaussian model would pay for that.

Both on the same images, which are ones that accuracy is scored on too: nothing is chosen by these
numbers.  To second order the divergence of the answers is half of sum I_i (w_i - what_i)^2, with
the Fisher information I of ``escalate.train.fisher``.  So half the distortion that
``escalate.compressors.water_filling`` fills up to and the measured divergence share an axis.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from escalate.app.images import Images
from escalate.app.job import Job
from escalate.app.scores import divergence, integer_logits
from escalate.compressors.water_filling import water_filling
from escalate.train.file_ranges import image_quantizer
from escalate.train.fisher import Asked
from escalate.train.fisher_cache import cached_fisher
from escalate.train.modules import float_module
from workloads.integer import IntegerModel

IMAGES = 256  # Assumption: enough to tell models apart
PLACES = 33  # of the reference curve
LEAST = 1e-7  # of the distortion of no weights at all, at which the curve ends
BITS = 8  # of a byte


class Reference:
    """The original's answers on a few images, and the water-filling curve.

    Parameters
    ----------
    job : Job
    seed : of the classes that Fisher information draws where a network has many
    """

    def __init__(self, job: Job, seed: int = 0) -> None:
        self._job, self._seed = job, seed
        self.images: Images = job.test.first(IMAGES)

    @cached_property
    def _original(self) -> np.ndarray:
        return self._job.float_logits(self.images)

    def divergence(self, model: IntegerModel) -> float:
        """Mean Kullback-Leibler divergence of a model's answers from the original's, nats."""
        return divergence(integer_logits(model, self.images), self._original)

    def curve(self) -> Iterator[tuple[float, float]]:
        """Bytes of the weights, and half the distortion that so many bytes allow, nats.

        Every output channel's weights are taken for Gaussian, with the channel's power.
        """
        job = self._job
        original = float_module(job.network).to(job.device)
        image = image_quantizer(job.network, job.settings, job.train.pixels)
        found = cached_fisher(original, image, self.images.pixels, Asked("model", seed=self._seed))
        costs, powers = [], []
        for name, cost in found.items():
            squares = job.network.weights[name].astype(np.float64) ** 2
            power = np.broadcast_to(squares.mean(axis=(1, 2, 3), keepdims=True), cost.shape)
            costs.append(cost[power > 0])
            powers.append(power[power > 0])
        all_costs, all_powers = np.concatenate(costs), np.concatenate(powers)
        most = float((all_costs * all_powers).sum())
        for distortion in most * np.geomspace(LEAST, 1, PLACES, endpoint=False) if most else ():
            level = water_filling(all_costs, all_powers, float(distortion))
            yield level.bits / BITS, float(distortion) / 2
