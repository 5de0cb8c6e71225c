"""outputs: the values that a layer stores, computed from its psums.

Rule: specification/memory.md, MEM-15.
"""

import numpy as np

from workloads.tensors import LayerTensors


def stored_output(tensors: LayerTensors, psums: np.ndarray) -> tuple[np.ndarray, int | None]:
    """The layer's stored output, and the right shift that was used if no requantizer is known.

    Without a requantizer: ReLU, and the right shift that brings the largest psum to <= 255.

    Parameters
    ----------
    tensors : LayerTensors
    psums : int32, shape (N, K, P, Q)

    Examples
    --------
    >>> from workloads.layer import ConvLayer
    >>> fc, one = ConvLayer("fc", C=1, K=2, H=1, W=1), np.ones((1, 1, 1, 1), np.uint8)
    >>> tensors = LayerTensors(fc, one, np.array([3, -4], np.int8).reshape(2, 1, 1, 1))
    >>> values, shift = stored_output(tensors, np.array([[[[600]], [[-7]]]], np.int32))
    >>> values.ravel().tolist(), shift
    ([150, 0], 2)
    """
    if tensors.requantizer is not None:
        return tensors.requantizer.apply(psums), None
    positive = np.maximum(psums, 0)
    shift = max(0, int(positive.max()).bit_length() - 8)
    return (positive >> shift).astype(np.uint8), shift
