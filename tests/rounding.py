"""Other processors' arithmetic: every step of a training is moved by about one part in a million.

Set ``ESCALATE_ROUNDING`` to any number and trainings in the tests end in other last bits, as on a
processor with other vector instructions, another BLAS or another number of threads.  What moves a
weight is a function of the weight alone, so that a training repeated or resumed still gives the
same bytes.  What a test says of a trained network must hold for every such number.
"""

import os
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

VARIABLE = "ESCALATE_ROUNDING"
SIZE = 1e-6  # ten float32 roundings: what many steps and long sums add up to


def _moved(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    phase = float(os.environ[VARIABLE])
    with torch.no_grad():
        for group in optimizer.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:  # others were not part of this step
                    weights.mul_(1 + SIZE * torch.sin(1e4 * weights + phase))


def install() -> None:
    """Move the weights of all trainings from here on, if the variable is set."""
    if os.environ.get(VARIABLE):
        register_optimizer_step_post_hook(_moved)
