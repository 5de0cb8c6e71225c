"""FloatNetwork: a captured network, batch norm folded, as a graph and float arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from escalate.capture.codes import Codes
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
    constants : per node that has some, its further operands, each float32 of shape (C,)
    left_out : whether the module's answer is not the network's, as where a softmax was left out
    notes : what of the module is no part of the network, such as a softmax at its end
    steps : per convolution whose weights the file holds as integers, float32 of shape (K,); weights
        are whole numbers of them
    codes : per tensor of which the file states the range, by the node that makes it

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
    constants: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: bool = False
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)
    codes: Mapping[str, Codes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.graph.convs:
            assert node.layer is not None
            shapes = {"weights": node.layer.weight_shape, "biases": (node.layer.K,)}
            for table, shape in shapes.items():
                array = getattr(self, table).get(node.name)
                if array is None:
                    raise CaptureError(f"{node.name}: {table} missing")
                if array.dtype != np.float32 or array.shape != shape:
                    raise CaptureError(
                        f"{node.name}: {table} is {array.dtype} {array.shape}, "
                        f"wanted float32 {shape}"
                    )
                if not np.isfinite(array).all():
                    where = np.argwhere(~np.isfinite(array))[0].tolist()
                    raise CaptureError(f"{node.name}: {table} at {where} is not a finite number")
        for node in self.graph.nodes:
            arrays = self.constants.get(node.name, ())
            if len(arrays) != node.operator.constants(node):
                wanted = node.operator.constants(node)
                raise CaptureError(f"{node.name}: {len(arrays)} constants, wanted {wanted}")
            for place, array in enumerate(arrays):
                if array.shape != node.shape[:1] or not np.isfinite(array).all():
                    raise CaptureError(f"{node.name}: constant {place} is not a finite number each")
