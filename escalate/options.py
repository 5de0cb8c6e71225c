"""CompressOptions: everything a compression can be told, checked at birth."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from escalate.activation_range import Calibration
from escalate.survival import thresholds_at, thresholds_for_density

DEFAULT_DENSITY = 0.3
Count = Annotated[int, Field(ge=1)]


class CompressOptions(BaseModel):
    """How to compress a network.

    Parameters
    ----------
    method : ``escalate`` (ternary coefficients of an 8-bit basis), or ``int8`` (8-bit weights per
        output channel, calibrated, not retrained; only the calibration fields matter then)
    basis : M, one number for all decomposed layers (a layer with fewer taps R*S takes all of its
        taps), or a table naming each decomposed layer with R*S > 1
    density, threshold : which coefficients survive, see ``escalate.ternary``; at most one of the
        two, density 0.3 if neither is given
    epochs, learning_rate, batch, seed, distillation, optimizer : see ``RetrainOptions``
    calibration : how activations are clipped
    calibration_images : how many of the training images (the first ones) serve to calibrate and
        to match the ternary network's signals with the original's
    keep_int8 : layers kept at 8 bits instead of ternary; None for the first convolution and all
        depthwise ones
    classifier : form of the last convolution, unless ``keep_int8`` names it

    Raises
    ------
    pydantic.ValidationError (a ValueError)
        For unknown fields, values out of range, or density together with threshold.

    Examples
    --------
    >>> CompressOptions(basis=5, density=0.2).model_dump()["basis"]
    5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["escalate", "int8"] = "escalate"
    basis: Count | Mapping[str, Count] = 6
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    threshold: Annotated[float, Field(ge=0, lt=1)] | None = None
    epochs: Annotated[int, Field(ge=0)] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    batch: Count = 64
    seed: Annotated[int, Field(ge=0)] = 0
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.5
    optimizer: Literal["adam", "sgd"] = "adam"
    calibration: Calibration = "mse"
    calibration_images: Count = 512
    keep_int8: tuple[str, ...] | None = None
    classifier: Literal["ternary", "int8"] = "ternary"

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.density is not None and self.threshold is not None:
            raise ValueError("density and threshold are both given, wanted at most one")
        return self

    def threshold_rule(self) -> Callable[[np.ndarray], np.ndarray]:
        """Coefficients (K, C/groups, M) to thresholds (K,)."""
        if self.threshold is not None:
            return partial(thresholds_at, threshold=self.threshold)
        density = DEFAULT_DENSITY if self.density is None else self.density
        return partial(thresholds_for_density, density=density)
