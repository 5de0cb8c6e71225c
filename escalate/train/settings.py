"""settings: what training and calibration can be told; it imports nothing heavy."""

import math
from dataclasses import dataclass
from typing import Literal

from escalate.errors import DecompositionError

Augmentation = Literal["none", "crop", "mix"]
Calibration = Literal["max", "percentile", "mse"]
Scope = Literal["global", "layer"]


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """How to retrain.

    Parameters
    ----------
    epochs : int >= 0
    learning_rate : float > 0.  For Adam relative: every tensor moves in units of the root mean
        square it starts with.  It falls to 0 along half a cosine over all steps
    batch : int >= 1, images per step
    seed : int >= 0, settles the order of the images and how they are augmented
    distillation : share of the loss, 0..1, that compares with the teacher's logits
    optimizer : ``adam``, or ``sgd`` with Nesterov momentum 0.9
    l1 : float >= 0, times the mean magnitude of the latent coefficients, added to the loss
    updates : ``joint``, or ``alternating``: odd epochs train coefficients, even ones bases, scales
        and biases (PENNI, arXiv 2005.07133)
    ramp : share of the epochs, 0..1, over which coefficients or weights are dropped step by step
    augment : ``none``, ``crop`` (mirrored or not, and moved by up to an eighth of the side), or
        ``mix`` (that, and each image laid over another one of its batch)
    precision : of forward and backward pass; ``bfloat16`` is faster where the processor has it

    Raises
    ------
    DecompositionError
        If a value is out of range.
    """

    epochs: int
    learning_rate: float = 0.01
    batch: int = 64
    seed: int = 0
    distillation: float = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    l1: float = 0.0
    updates: Literal["joint", "alternating"] = "joint"
    ramp: float = 0.0
    augment: Augmentation = "none"
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        wanted = {
            "epochs": self.epochs >= 0,
            "learning_rate": 0 < self.learning_rate < math.inf,
            "batch": self.batch >= 1,
            "seed": self.seed >= 0,
            "distillation": 0 <= self.distillation <= 1,
            "l1": 0 <= self.l1 < math.inf,
            "ramp": 0 <= self.ramp <= 1,
        }
        for field, fine in wanted.items():
            if not fine:
                raise DecompositionError(f"retraining: {field} is {getattr(self, field)}")
