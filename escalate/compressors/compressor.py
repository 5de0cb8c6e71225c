"""Compressor: what every method offers, and what it is given.

A method is a folder of ``escalate.compressors``, or an object that another distribution brings;
``escalate.compressors.registry`` finds both by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from escalate.compressors.knob import Knob, turned
from escalate.compressors.layers import kept
from escalate.compressors.options import Options, TrainedOptions

if TYPE_CHECKING:
    import numpy as np

    from escalate.capture.network import FloatNetwork
    from escalate.compressors.distortion import Cost
    from escalate.train.convolutions import QuantizedConvolution
    from escalate.train.match import Moments
    from escalate.train.modules import GraphModule
    from workloads.graph import Graph
    from workloads.integer import ImageQuantizer
    from workloads.layer import ConvLayer

Size = Callable[[Any, int | None], int]
"""Stored bytes of the model that options make, calibrated on so many images; None for all."""
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Task:
    """A network to compress and the images to do it with; what it says of them is found once.

    Parameters
    ----------
    network : FloatNetwork
    image : ImageQuantizer
    pixels : uint8, shape (N, C, H, W), to measure, match and calibrate with
    original : the same network in floats, on the device to compute on
    labels : integers, shape (N,), where they are known
    images : how many training images there are in all
    """

    network: "FloatNetwork"
    image: "ImageQuantizer"
    pixels: "np.ndarray"
    original: "GraphModule"
    labels: "np.ndarray | None" = None
    images: int = 1

    def first(self, images: int | None) -> "Task":
        """The same task on the first so many of its images; on all for None."""
        labels = None if self.labels is None else self.labels[:images]
        return replace(self, pixels=self.pixels[:images], labels=labels)

    @cached_property
    def input_moments(self) -> "dict[str, np.ndarray]":
        """Second moments of every convolution's input channels, (C,)."""
        from escalate.train.moments import input_moments

        return input_moments(self.original, self.image, self.pixels)

    @cached_property
    def output_moments(self) -> "dict[str, Moments]":
        """Deviation and mean of every convolution's output channels, (K,)."""
        from escalate.train.match import output_moments

        return output_moments(self.original, self.image, self.pixels)


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What there is to make a layer's form of.

    Parameters
    ----------
    layer : ConvLayer
    weights : float32, shape (K, C/groups, R, S)
    bias : float32, shape (K,)
    importance : second moments of the input channels, (C,); None for unweighted errors
    cost : what it costs to move each weight, where the method measures it
    """

    layer: "ConvLayer"
    weights: "np.ndarray"
    bias: "np.ndarray"
    importance: "np.ndarray | None" = None
    cost: "Cost | None" = None

    @property
    def arrays(self) -> "tuple[ConvLayer, np.ndarray, np.ndarray]":
        """Layer, weights and bias."""
        return self.layer, self.weights, self.bias


class Compressor:
    """One method.

    A subclass sets the attributes and defines ``convolution``; all else has a default.

    Attributes
    ----------
    name : what ``--method`` takes
    summary : its models in a few words, for the help of ``--method``
    source : where the method is from
    kind : what its tensors are called in results
    layers : what a layer that it changes is called
    form : its models in a table of forms
    options : its options, a subclass of ``Options``, or of ``TrainedOptions`` if it retrains; the
        default of ``method`` is its name
    basis : whether its weights have a basis; all others are weights of at most 8 bits
    changes : whether it changes any layer
    uses_bits : whether the layers that it changes use ``weight_bits``
    tables : options that may be a table by layer, which then names every layer that it changes
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str] = ""
    kind: ClassVar[str]
    layers: ClassVar[str]
    form: ClassVar[str]
    options: ClassVar[type[Options]]
    basis: ClassVar[bool] = False
    changes: ClassVar[bool] = True
    uses_bits: ClassVar[bool] = False
    tables: ClassVar[tuple[str, ...]] = ()

    @property
    def trained(self) -> bool:
        """Whether it retrains."""
        return issubclass(self.options, TrainedOptions)

    @property
    def budgeted(self) -> bool:
        """Whether it can be told a size."""
        return "ratio" in self.options.model_fields

    def kept(self, graph: "Graph", options: Any) -> frozenset[str]:
        """The convolutions that stay at eight bits.

        Raises
        ------
        DecompositionError
            If ``options.keep_int8`` names a layer that the network does not have.
        """
        return kept(graph, options)

    def check(self, network: "FloatNetwork", options: Any) -> None:
        """Refuse options that do not fit the network, beyond tables by layer.

        Raises
        ------
        DecompositionError
            Naming the layer.
        """

    def label_need(self, options: Any) -> str | None:
        """Why labels are needed even where nothing is retrained, and what would do without."""
        return None

    def weighs_inputs(self, options: Any) -> bool:
        """Whether errors are weighted by the second moments of each layer's input channels."""
        return False

    def measured(self, task: Task, options: Any) -> "Mapping[str, Cost]":
        """What it costs to move each weight, by layer, measured before any form is made."""
        return {}

    def convolution(self, given: Given, options: Any) -> "QuantizedConvolution":
        """The form of one layer; see ``escalate.train.convolutions.QuantizedConvolution``."""
        raise NotImplementedError(f"{type(self).__name__} makes no form")

    def knobs(self, options: Any) -> tuple[Knob, ...]:
        """What a budget settles before anything is trained; none where training settles it all.

        The next one is turned where the lowest number of the one before does not fit.
        """
        return ()

    def within(
        self, task: Task, options: Any, budget: int, size: Size, watch: Watch | None = None
    ) -> Any:
        """The options in which ``ratio`` is replaced by what makes the largest model within it.

        Parameters
        ----------
        task : Task
        options : with a ratio
        budget : bytes
        size : stored bytes of the model that options make, nothing retrained
        watch : called with each layer that is measured, layers done, and layers in all

        Raises
        ------
        BudgetError
            If not even the smallest model fits.
        """
        return turned(self.knobs(options), options, budget, size)

    def storage(self, options: Any) -> str:
        """The storage format of ternary coefficients, or ``best``."""
        return "best"

    def why_below(self, asked: Any, chosen: Mapping[str, Any]) -> str:
        """Why a model came out far smaller than its budget allows.

        Parameters
        ----------
        asked : the options with the budget
        chosen : the fields that followed from it, as a model keeps them
        """
        knobs = self.knobs(asked)
        if not knobs:
            return f"weights of {self.name} are that small before training drops any"
        most = knobs[0].fields(knobs[0].high)
        if all(chosen.get(name) == value for name, value in most.items()):
            told = ", ".join(f"{name} = {value:g}" for name, value in most.items())
            return f"{told} is the largest setting of {self.name}"
        told = ", ".join(f"{name} = {chosen[name]:g}" for name in most if name in chosen)
        return f"it became smaller in training than its setting ({told}) was measured to be"
