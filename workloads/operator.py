"""Operator: the base class of operators; each file in ``workloads/operators`` holds one.

An operator says everything about itself: its attributes and the shape it makes, what it computes
in integers (in NumPy and, independently, in torch) and in floats, and what it does to channels,
scales and bounds.  Interpreters, importers, calibration, lowering, removal and model files ask it
and know no operator by name.  torch is imported inside functions only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

    from workloads.channels import Classes
    from workloads.graph import Node
    from workloads.integer import IntegerModel

Shape = tuple[int, int, int]
ANY_NUMBER = 1 << 16
LARGEST = 1 << 16  # of kernels, strides and padding
MOST_REAL = 1e12


class Span(Protocol):
    """How a tensor's numbers stand for values: value = integer * scale, low <= integer <= high."""

    @property
    def scale(self) -> float:
        """The value of one step."""

    @property
    def low(self) -> int:
        """The lowest integer."""

    @property
    def high(self) -> int:
        """The highest integer."""


class Whole(NamedTuple):
    """An attribute: a list of so many whole numbers, each ``least`` or more; of 1, the number.

    A list of ``ANY_NUMBER`` may have any length.  With a ``default`` it may be left out.
    """

    numbers: int
    least: int
    most: int = LARGEST
    default: tuple[int, ...] | None = None


class Real(NamedTuple):
    """An attribute: a number from ``least`` to ``most``."""

    least: float
    most: float = MOST_REAL


class Checked(NamedTuple):
    """An attribute of another kind: what refuses a value, given the node's name, if it is wrong."""

    check: Callable[[str, Any], None]


class Operator:
    """One kind of node. A subclass overrides what differs from these defaults.

    A node makes one tensor.  What has several outputs, such as a split, is several nodes, one for
    each of them, whose attributes say which part they take.

    Attributes
    ----------
    operands : fewest and most tensors that a node reads
    attributes : what ``Node.attributes`` holds, by name; what has no default must be there
    reads_bytes : its operand is eight bits wide, even where that is the network's last tensor
    stores : the tables of ``IntegerModel`` in which each node has its integers
    has_layer : ``Node.layer`` is set, and a machine computes the node
    owns_range : its output has a scale of its own; otherwise it has that of the first operand
    rounds_operands : each operand is rounded to the output's scale before anything is computed
    keeps_zero : an output is 0 wherever everything that it is made of is 0
    adds : it is the sum of its operands, one of which a machine may add to the other as it computes
    runs_early : it only picks or places numbers, and runs right behind its operand
    moves : it only picks, places or joins numbers as they are read: none crosses DRAM for it
    on_host : no machine computes it, so that its operands and its output cross DRAM
    """

    operands: tuple[int, int] = (1, 1)
    attributes: Mapping[str, Whole | Real | Checked] = {}
    stores: tuple[str, ...] = ()
    reads_bytes: bool = False
    has_layer: bool = False
    owns_range: bool = False
    rounds_operands: bool = False
    keeps_zero: bool = True
    adds: bool = False
    runs_early: bool = False
    moves: bool = False
    on_host: bool = False

    def constants(self, node: "Node") -> int:
        """How many further operands, float numbers of the network, one for each channel, it has."""
        return 0

    # Shape.

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """(C, H, W) of the output, from those of the operands and the node's attributes.

        Raises
        ------
        WorkloadError
            If the operands or the attributes do not fit; names the node.
        """
        raise NotImplementedError(f"{type(self).__name__} infers no shape")

    # What it computes.  The activation behind it and the clamp to its bounds are done by those
    # who call, for all operators alike.

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The exact output in NumPy, any integer type, of uint8, int8 or int16 (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} computes no integers")

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The same integers in torch, int64 to int64; written independently of ``integers``."""
        raise NotImplementedError(f"{type(self).__name__} computes no integers in torch")

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The output in floats. Weights and biases, if any, follow as further operands."""
        raise NotImplementedError(f"{type(self).__name__} computes no floats")

    # What it costs, see ``workloads.operator_costs``.

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """How often a machine does each of its ``ACTIONS`` for one image; moving is none of them.

        A clamp behind a rescale, or in front of a store, is part of it.
        """
        if self.moves:
            return {}
        raise NotImplementedError(f"{type(self).__name__} does not say what it costs")

    def operations(self, node: "Node", operands: Sequence[Shape]) -> int:
        """Arithmetic operations on the host for one image, of an operator ``on_host``."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it costs")

    # Scales and bounds.

    @property
    def clamps(self) -> bool:
        """Whether its integers end in a clamp, into which an activation function can be fused."""
        return "bounds" in self.stores or "convs" in self.stores

    def bounds(self, model: "IntegerModel", node: "Node") -> tuple[int, int] | None:
        """Lowest and highest integer of the output; None for the limits of the operand's type."""
        return model.bounds[node.name] if "bounds" in self.stores else None

    def rectifies(self, node: "Node") -> bool:
        """Whether a ReLU is part of the node."""
        return node.relu

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Whether the output may be negative, given whether each operand may."""
        return any(operands) and not self.rectifies(node)

    def ratios(self, node: "Node", scales: Sequence[float], target: float) -> tuple[float, ...]:
        """The factor of each of the node's rescales; none if it has no rescales.

        ``scales`` are the values of one step of each operand, ``target`` that of the output.
        """
        return ()

    def lowered(
        self, node: "Node", constants: Sequence[np.ndarray], before: Sequence[Span], after: Span
    ) -> Mapping[str, np.ndarray]:
        """Its integers, the ``arrays`` of the model, where it stores some.

        Parameters
        ----------
        constants : float32, each (C,)
        before, after : of the operands and of the output

        Returns
        -------
        by field, arrays whose first axis has 1 or C elements

        Raises
        ------
        WorkloadError
            If there are no such integers; names the node.
        """
        raise NotImplementedError(f"{type(self).__name__} stores no arrays")

    def check_arrays(self, node: "Node", arrays: Mapping[str, np.ndarray]) -> str | None:
        """What is wrong with stored arrays; None where they are as ``lowered`` makes them."""
        raise NotImplementedError(f"{type(self).__name__} stores no arrays")

    def misshapen(
        self, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], dtype: type
    ) -> str | None:
        """Which array is missing, too many, or of another shape or type."""
        for field in arrays.keys() - shapes.keys():
            return f"{field} is no field of it"
        for field, shape in shapes.items():
            found = arrays.get(field)
            if found is None:
                return f"{field} is missing"
            if found.shape != shape or found.dtype != dtype:
                return f"{field} is {found.dtype} {found.shape}, wanted {dtype.__name__} {shape}"
        return None

    # Channels.  Operands lie side by side: the second one's channels are counted behind the
    # first one's.  By default, channels that are of a node's own stay, and need all operands.

    def sources(self, node: "Node", channels: Sequence[int]) -> np.ndarray | None:
        """The operand channels from which each output channel is made; None if it makes its own.

        Parameters
        ----------
        channels : how many each operand has

        Returns
        -------
        int64 of shape (C, any number); -1 stands for zeros that come from nowhere
        """
        return np.arange(channels[0])[:, None]

    def keeps_operands(self, node: "Node") -> bool:
        """Whether none of its operands may lose a channel."""
        return False

    def classes(
        self, node: "Node", operands: Sequence[np.ndarray], classes: "Classes"
    ) -> np.ndarray:
        """The class of each output channel, int64 (C,), given those of the operands' channels."""
        sources = self.sources(node, [each.size for each in operands])
        if self.keeps_operands(node) or sources is None:
            for each in operands:
                classes.fix(each)
        if sources is None:
            return classes.fresh(node.shape[0], fixed=True)
        joined = np.concatenate(operands)
        made = sources[:, 0] < 0
        found = joined[np.maximum(sources[:, 0], 0)]
        found[made] = classes.fresh(int(made.sum()))
        for others in sources[:, 1:].T:
            classes.join(found, joined[others])
        return found

    def zeros(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Which output channels are 0 for every image, bool (C,), given the operands' zero
        channels.
        """
        sources = self.sources(node, [each.size for each in operands])
        if sources is None or not self.keeps_zero:
            return np.zeros(node.shape[0], bool)
        joined = np.concatenate([*operands, [True]])  # the last one stands at -1
        found: np.ndarray = joined[sources].all(axis=1)
        return found

    def used(
        self, model: "IntegerModel", node: "Node", wanted: np.ndarray, channels: Sequence[int]
    ) -> list[np.ndarray]:
        """Which operand channels matter if only the ``wanted`` output channels do; bool."""
        sources = self.sources(node, channels)
        if sources is None:
            return [np.full(count, wanted.any()) for count in channels]
        needed = np.zeros(sum(channels) + 1, bool)
        needed[sources[wanted]] = True
        return np.split(needed[:-1], np.cumsum(channels)[:-1])

    def smaller(self, node: "Node", operands: Sequence[np.ndarray], kept: np.ndarray) -> "Node":
        """The node with only some channels kept, bool (C,) for each operand and the output."""
        return replace(node, shape=(int(kept.sum()), *node.shape[1:]))
