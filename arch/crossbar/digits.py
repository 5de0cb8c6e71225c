"""Activations as digits: what the DACs put on the rows, beat by beat.

Rule: specification/crossbar.md, XBR-3.
"""

import numpy as np

from arch.crossbar.layout import SIGNED_OFFSET
from arch.crossbar.spec import CrossbarSpec
from arch.pairs import padded, tap_sums
from workloads.layer import ConvLayer


def fed(activations: np.ndarray) -> np.ndarray:
    """What is fed for each activation, int16: itself, or 128 more where they are signed.

    The constant that signed activations add to a psum, 128 times the sum of its column, is known
    beforehand and leaves with the bias.

    Examples
    --------
    >>> fed(np.array([-128, 0], np.int8)).tolist(), fed(np.array([3], np.uint8)).tolist()
    ([0, 128], [3])
    """
    offset = SIGNED_OFFSET if activations.dtype == np.int8 else 0
    return activations.astype(np.int16) + np.int16(offset)


def split(values: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """Digits of what is fed, lowest first, uint8 (beats, ...).

    Examples
    --------
    >>> split(np.array([6]), CrossbarSpec(dac_bits=2)).ravel().tolist()
    [2, 1, 0, 0]
    """
    shifts = np.arange(spec.beats) * spec.dac_bits
    found = values >> shifts.reshape(-1, *(1,) * values.ndim)
    digits: np.ndarray = (found & spec.top_digit).astype(np.uint8)
    return digits


def driven(layer: ConvLayer, activations: np.ndarray, spec: CrossbarSpec) -> np.ndarray:
    """How many digits of each tap are not 0, all outputs of all images; int64 (C, R, S).

    A row whose digit is 0 gets no voltage, and its cells no current.

    Parameters
    ----------
    layer : ConvLayer
    activations : uint8 or int8, shape (N, C, H, W); padding is 0, fed like any other
    spec : CrossbarSpec

    Examples
    --------
    >>> layer = ConvLayer("a", C=1, K=1, H=1, W=3, S=3, padding=(0, 0, 1, 1))
    >>> driven(layer, np.array([[[[1, 0, 3]]]], np.uint8), CrossbarSpec()).tolist()
    [[[1, 3, 2]]]
    """
    table = np.count_nonzero(split(np.arange(256), spec), axis=0)
    return tap_sums(layer, table[fed(padded(layer, activations))])
