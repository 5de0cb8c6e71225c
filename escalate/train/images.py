"""Images as a network sees them: normalization settings, and the grid of the input's integers."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from escalate.errors import DataError
from escalate.train.activation_range import Range, choose_range
from workloads.execute import quantize_images
from workloads.integer import ImageQuantizer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How the network was trained to see pixels: x = (pixel * pixel_scale - mean[c]) / std[c].

    Parameters
    ----------
    pixel_scale : float > 0; 1/255 for 8-bit pixels, 1/16 for the bundled digits
    mean, std : one float per channel, in units of the scaled pixel; std > 0
    size : (H, W) that the network wants

    Raises
    ------
    DataError
        If mean and std differ in length or a scale is not positive.
    """

    pixel_scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise DataError(
                f"image settings: {len(self.mean)} means and {len(self.std)} standard deviations, "
                "wanted one of each per channel"
            )
        if not self.pixel_scale > 0 or not all(s > 0 for s in self.std):
            raise DataError(
                f"image settings: pixel scale {self.pixel_scale} and std {self.std}, wanted > 0"
            )

    def quantizer(self, pixels: np.ndarray) -> ImageQuantizer:
        """Eight-bit quantizer that clips none of these pixels, uint8 (N, C, H, W).

        Unsigned if no normalized pixel is negative, else symmetric.

        Raises
        ------
        DataError
            If there is no image, or the shape is not the network's.

        Examples
        --------
        >>> settings = ImageSettings(1 / 16, (0.5,), (0.5,), (1, 2))
        >>> found = settings.quantizer(np.array([[[[0, 8]]]], np.uint8))
        >>> found.low, found.high, found.scale == 1 / 127
        (-127, 127, True)
        """
        check_images(pixels, (len(self.mean), *self.size))
        axis = (slice(None), None, None)
        extremes = np.stack([pixels.min(axis=0), pixels.max(axis=0)]).astype(np.float64)
        values = (extremes * self.pixel_scale - np.array(self.mean)[axis]) / np.array(self.std)[
            axis
        ]
        low, high = (-127, 127) if values.min() < 0 else (0, 255)
        span = choose_range(values, low, high, "max")
        return ImageQuantizer(
            self.pixel_scale, self.mean, self.std, span.scale, low, high, self.size
        )


def check_images(
    pixels: np.ndarray, shape: tuple[int, ...], labels: np.ndarray | None = None
) -> None:
    """Refuse pixels that are not uint8 (N >= 1, C, H, W), and labels that are not theirs.

    Raises
    ------
    DataError
        Saying what came and what was wanted.

    Examples
    --------
    >>> check_images(np.zeros((2, 1, 8, 8), np.uint8), (1, 8, 8), np.array([3, 4]))
    """
    if pixels.dtype != np.uint8 or pixels.shape[1:] != shape or len(pixels) < 1:
        raise DataError(
            f"images: pixels are {pixels.dtype} {pixels.shape}, "
            f"wanted uint8 (N, {', '.join(map(str, shape))}), N >= 1"
        )
    if labels is not None and (
        labels.shape != pixels.shape[:1] or not np.issubdtype(labels.dtype, np.integer)
    ):
        raise DataError(
            f"images: labels are {labels.dtype} {labels.shape}, wanted integers ({len(pixels)},)"
        )


def image_range(image: ImageQuantizer) -> Range:
    """The range of the network's input.

    Examples
    --------
    >>> image_range(ImageQuantizer(1 / 16, (0.0,), (1.0,), 0.25, 0, 255, (8, 8)))
    Range(scale=0.25, low=0, high=255)
    """
    return Range(image.scale, image.low, image.high)


def image_tensor(image: ImageQuantizer, pixels: np.ndarray) -> "torch.Tensor":
    """Pixels on the grid of the input's integers, as float32 (N, C, H, W).

    Examples
    --------
    >>> image = ImageQuantizer(1 / 16, (0.0,), (1.0,), 0.25, 0, 255, (1, 2))
    >>> image_tensor(image, np.array([[[[7, 16]]]], np.uint8)).tolist()
    [[[[0.5, 1.0]]]]
    """
    import torch

    channels = np.arange(pixels.shape[1])[:, None, None]
    return torch.from_numpy(_levels(image)[channels, pixels])


@lru_cache(maxsize=4)
def _levels(image: ImageQuantizer) -> np.ndarray:
    """What each of the 256 pixel values becomes in each channel, float32 (C, 256)."""
    every = np.arange(256, dtype=np.uint8)
    values = np.broadcast_to(every, (1, len(image.mean), 1, 256))
    steps = quantize_images(replace(image, size=(1, 256)), values)
    levels: np.ndarray = (steps[0, :, 0].astype(np.float64) * image.scale).astype(np.float32)
    return levels
