"""FloatNetwork: a captured network, batch norm folded, as a graph and float arrays."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from escalate.errors import CaptureError
from workloads.graph import Graph


@dataclass(frozen=True, slots=True, eq=False)
class FloatNetwork:
    """A trained network in floats.

    Parameters
    ----------
    graph : Graph
    weights : per convolution, float32 of shape (K, C/groups, R, S)
    biases : per convolution, float32 of shape (K,)
    original_parameters : number of parameters before folding (weights, biases, batch norm scale
        and shift), the numerator of the compression ratio at 4 bytes each
    linear_parameters : those of fully connected layers among them

    Raises
    ------
    CaptureError
        For a missing or wrongly shaped array, NaN or infinity; names layer and field.
    """

    graph: Graph
    weights: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    original_parameters: int
    linear_parameters: int = 0

    def __post_init__(self) -> None:
        for node in self.graph.convs:
            assert node.layer is not None
            shapes = {"weights": node.layer.weight_shape, "biases": (node.layer.K,)}
            for field, shape in shapes.items():
                array = getattr(self, field).get(node.name)
                if array is None:
                    raise CaptureError(f"{node.name}: {field} missing")
                if array.dtype != np.float32 or array.shape != shape:
                    raise CaptureError(
                        f"{node.name}: {field} is {array.dtype} {array.shape}, "
                        f"wanted float32 {shape}"
                    )
                if not np.isfinite(array).all():
                    where = np.argwhere(~np.isfinite(array))[0].tolist()
                    raise CaptureError(f"{node.name}: {field} at {where} is not a finite number")
