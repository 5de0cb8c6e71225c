"""A batch, image by image: mean, least and most of what depends on the values of an image."""

import numpy as np

from arch.basis_first import recurrence as field
from arch.basis_first.steps import Plan


def by_image(steps: Plan, times: np.ndarray, pairs: np.ndarray) -> dict[str, int | float]:
    """Columns of a batch of several images, none for one image.

    Each step belongs to one image; coefficients that wait for several images, and the DRAM, are
    left out, since no image has them alone.

    Parameters
    ----------
    steps : Plan
    times : int64 (steps, FIELDS), as ``step_times`` gives them
    pairs : int64 (images,), operand pairs of each image
    """
    images = pairs.size
    if images == 1:
        return {}
    image = np.array([step.image for step in steps.steps])
    asked = steps.bytes
    counts = {
        "compute_cycles": times[:, field.COMPUTE],
        "ca_cycles": times[:, field.CA_SUM],
        "multiplies": times[:, field.PRODUCTS],
        "input_bytes": asked.input,
        "output_bytes": asked.output,
    }
    each = {"stage1_pairs": pairs}
    for name, of_steps in counts.items():
        each[name] = np.zeros(images, np.int64)
        np.add.at(each[name], image, of_steps)
    return {
        f"image_{name}_{how}": value
        for name, found in each.items()
        for how, value in (
            ("mean", float(found.mean())),
            ("min", int(found.min())),
            ("max", int(found.max())),
        )
    }
