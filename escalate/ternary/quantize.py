"""Eight-bit quantization: tiny pairs of pure functions, numbers to integers and back."""

from dataclasses import dataclass

import numpy as np

from escalate.errors import DecompositionError

WEIGHT_LIMIT = 127


def quantize(values: np.ndarray, scale: np.ndarray | float, low: int, high: int) -> np.ndarray:
    """Integers nearest to values / scale, half to even, clamped to low..high; int32.

    Examples
    --------
    >>> quantize(np.array([0.25, 0.75, -9.0]), 0.5, -127, 127).tolist()
    [0, 2, -18]
    >>> quantize(np.array([0.25, 0.75, -9.0]), 0.5, 0, 255).tolist()
    [0, 2, 0]
    """
    return np.clip(np.rint(values / scale), low, high).astype(np.int32)


def dequantize(integers: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """The numbers that the integers stand for, float64.

    Examples
    --------
    >>> dequantize(np.array([0, 2, -18]), 0.5).tolist()
    [0.0, 1.0, -9.0]
    """
    return integers.astype(np.float64) * scale


def step_of(values: np.ndarray) -> float:
    """The step that maps the largest magnitude to 127; 1.0 for values that are all zero.

    Examples
    --------
    >>> step_of(np.array([0.5, -254.0])), step_of(np.zeros(3))
    (2.0, 1.0)
    """
    largest = float(np.abs(values).max(initial=0.0))
    return largest / WEIGHT_LIMIT if largest > 0 else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedBasis:
    """The basis as the machine holds it: value of kernel m = step * kernels[m].

    Parameters
    ----------
    kernels : int8, shape (M, R, S), magnitudes <= 127
    step : float > 0, one for the layer; it is folded into the scales a[k] of the requantizer

    Examples
    --------
    >>> QuantizedBasis(np.array([[[127]], [[3]]], np.int8), 0.5).effective_bits
    (8, 3)
    """

    kernels: np.ndarray
    step: float

    def __post_init__(self) -> None:
        if self.kernels.dtype != np.int8 or self.kernels.ndim != 3:
            raise DecompositionError(
                f"basis is {self.kernels.dtype} {self.kernels.shape}, wanted int8 (M, R, S)"
            )
        if not (np.isfinite(self.step) and self.step > 0):
            raise DecompositionError(f"basis step is {self.step}, wanted a finite number > 0")
        self.kernels.setflags(write=False)

    @property
    def effective_bits(self) -> tuple[int, ...]:
        """Bits, sign included, that each kernel really uses; 0 for a kernel of zeros.

        All kernels share one step, so the weak ones keep fewer than eight bits.
        """
        peaks = np.abs(self.kernels.astype(np.int32)).max(axis=(1, 2))
        return tuple(int(peak).bit_length() + 1 if peak else 0 for peak in peaks)


def quantize_basis(kernels: np.ndarray, basis_scales: np.ndarray) -> QuantizedBasis:
    """B[m] = round(b[m] Bf[m] / s), with the one step s = max|b Bf| / 127.

    Parameters
    ----------
    kernels : float, shape (M, R, S), the float basis Bf
    basis_scales : float, shape (M,), the scales b

    Examples
    --------
    >>> quantized = quantize_basis(np.array([[[1.0]], [[0.5]]]), np.array([2.0, 1.0]))
    >>> quantized.kernels.ravel().tolist(), quantized.step == 2 / 127
    ([127, 32], True)
    """
    scaled = kernels.astype(np.float64) * basis_scales.astype(np.float64)[:, None, None]
    step = step_of(scaled)
    codes = quantize(scaled, step, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    return QuantizedBasis(codes, step)


def quantize_weights(
    weights: np.ndarray, limit: int = WEIGHT_LIMIT, scales: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Eight-bit weights with one scale per output channel.

    Parameters
    ----------
    weights : float, shape (K, C/groups, R, S)
    limit : largest magnitude of an integer, 1..127
    scales : float, shape (K,), where they are known; else each channel's largest is ``limit``

    Returns
    -------
    codes : int8, same shape, magnitudes <= ``limit``
    scales : float64, shape (K,); 0.0 exactly where a whole channel is zero

    Examples
    --------
    >>> codes, scales = quantize_weights(np.array([[[[254.0, -2.0]]], [[[0.0, 0.0]]]]))
    >>> codes.tolist(), scales.tolist()
    ([[[[127, -1]]], [[[0, 0]]]], [2.0, 0.0])
    """
    if scales is None:
        scales = np.abs(weights.astype(np.float64)).max(axis=(1, 2, 3)) / limit
    scales = scales.astype(np.float64)
    steps = np.where(scales > 0, scales, 1.0)[:, None, None, None]
    return quantize(weights, steps, -limit, limit).astype(np.int8), scales
