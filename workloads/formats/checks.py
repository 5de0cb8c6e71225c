"""Checks shared by the storage formats."""

import numpy as np

from workloads.errors import WorkloadError


def check_ternary(coefficients: np.ndarray) -> np.ndarray:
    """The coefficients as a flat int8 vector in C order.

    Raises
    ------
    WorkloadError
        If the dtype is not int8 or a value lies outside -1, 0, +1.

    Examples
    --------
    >>> check_ternary(np.array([[[1, 0]], [[-1, 0]]], np.int8)).tolist()
    [1, 0, -1, 0]
    """
    if coefficients.dtype != np.int8:
        raise WorkloadError(f"coefficients are {coefficients.dtype}, wanted int8")
    if coefficients.size and (coefficients.min() < -1 or coefficients.max() > 1):
        where = np.argwhere((coefficients < -1) | (coefficients > 1))[0].tolist()
        raise WorkloadError(
            f"coefficients at {where} is {coefficients[tuple(where)]}, wanted -1, 0 or 1"
        )
    return np.ascontiguousarray(coefficients).reshape(-1)


def check_payload(payload: np.ndarray) -> None:
    """Raise an error unless a payload is a uint8 vector.

    Raises
    ------
    WorkloadError
        If the dtype is not uint8 or there is not exactly one dimension.

    Examples
    --------
    >>> check_payload(np.zeros(3, np.uint8))
    """
    if payload.dtype != np.uint8 or payload.ndim != 1:
        raise WorkloadError(
            f"payload is {payload.dtype} of shape {payload.shape}, wanted a uint8 vector"
        )


def check_length(payload: np.ndarray, wanted: int, shape: tuple[int, ...]) -> None:
    """Raise an error unless a payload has ``wanted`` bytes.

    Raises
    ------
    WorkloadError
        Naming both lengths and the shape.

    Examples
    --------
    >>> check_length(np.zeros(3, np.uint8), 3, (4, 2, 1))
    """
    if payload.size != wanted:
        raise WorkloadError(
            f"payload holds {payload.size} bytes, coefficients of shape {shape} take {wanted}"
        )
