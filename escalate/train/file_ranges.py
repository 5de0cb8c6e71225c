"""Ranges that a quantized file states, in place of those that calibration would choose.

A file's codes have any zero point, ours have 0: a tensor that is never negative keeps the file's
grid exactly, and so does one of codes -128..127 around 0, but for the code -128.  Any other gets
steps as wide as our codes need to reach as far.
"""

from collections.abc import Iterable

import numpy as np

from escalate.capture.codes import Codes
from escalate.capture.network import FloatNetwork
from escalate.train.activation_range import Range, limits
from escalate.train.images import ImageSettings, check_images
from workloads.integer import ImageQuantizer

SHIFTED = 1  # code that a symmetric range lacks: -128


def range_of(codes: Codes, low: int, high: int) -> tuple[Range, bool]:
    """The range for codes of a file among integers low..high, and whether its steps stay.

    Examples
    --------
    >>> range_of(Codes(0.5, -128, -128, 127), 0, 255)
    (Range(scale=0.5, low=0, high=255), True)
    >>> range_of(Codes(0.5, 0, -128, 127), -127, 127)
    (Range(scale=0.5, low=-127, high=127), True)
    >>> range_of(Codes(0.5, 1, 0, 255), -127, 127)
    (Range(scale=1.0, low=-127, high=127), False)
    """
    lowest, highest = (0 if low == 0 else codes.lowest), max(codes.highest, 1)
    if lowest >= low - SHIFTED and highest <= high:
        return Range(codes.scale, max(lowest, low), highest), True
    furthest = max(-lowest, highest)
    return Range(codes.scale * furthest / high, low, high), False


def file_ranges(network: FloatNetwork, *, signed_input: bool) -> tuple[dict[str, Range], int]:
    """The ranges of the tensors of which the file states them, and how many have other steps."""
    bounds = limits(network.graph, signed_input=signed_input)
    found, others = {}, 0
    for name, codes in network.codes.items():
        if name != network.graph.nodes[0].name:
            found[name], exact = range_of(codes, *bounds[name])
            others += not exact
    return found, others


def image_quantizer(
    network: FloatNetwork, settings: ImageSettings, pixels: np.ndarray
) -> ImageQuantizer:
    """How pictures become integers: as the file says, else so that these pixels are not clipped.

    Parameters
    ----------
    pixels : uint8, shape (N, C, H, W)

    Raises
    ------
    DataError
        If there is no image, or the shape is not the network's.
    """
    codes = network.codes.get(network.graph.nodes[0].name)
    if codes is None:
        return settings.quantizer(pixels)
    check_images(pixels, (len(settings.mean), *settings.size))
    low, high = (0, 255) if codes.lowest == 0 else (-127, 127)
    span, _ = range_of(codes, low, high)
    return ImageQuantizer(
        settings.pixel_scale,
        settings.mean,
        settings.std,
        span.scale,
        span.low,
        span.high,
        settings.size,
    )


def told_ranges(network: FloatNetwork) -> Iterable[str]:
    """What there is to say of a network from a quantized file."""
    if not network.codes:
        return
    first = network.codes.get(network.graph.nodes[0].name)
    signed = first is not None and first.lowest < 0
    _, others = file_ranges(network, signed_input=signed)
    if first is not None:
        others += not range_of(first, *((-127, 127) if signed else (0, 255)))[1]
    told = f"ranges of {len(network.codes)} tensors are the quantized file's"
    if others:
        told += f", {others} of them with zero points in steps of our own"
    yield told
    whole, convs = len(network.steps), len(network.graph.convs)
    yield f"8-bit weights of {whole} of {convs} layers are the quantized file's"
