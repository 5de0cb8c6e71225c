"""Manifest: everything of an IntegerModel but its arrays, as compact JSON.

What follows from the rest is not stored: names of earlier nodes become positions, sizes of a
convolution come from its operand, defaults are left out.  The manifest counts as compressed
size, so it is stored compressed.
"""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from workloads.check_node import check_node
from workloads.graph import Graph, Node
from workloads.integer import ConvIntegers, ImageQuantizer, IntegerModel
from workloads.layer import ConvLayer
from workloads.operators import NAMES, operator
from workloads.requantize import storage_dtype
from workloads.tensors import MOST_SCALE

FORMAT: Literal["escalate-model"] = "escalate-model"
VERSION: Literal[2] = 2


Size = Annotated[int, Field(ge=1, le=1 << 24)]
Edge = Annotated[int, Field(ge=0, le=1 << 16)]
Shift = Annotated[int, Field(ge=0, le=62)]
Int32 = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Scale = Annotated[int, Field(ge=1, le=MOST_SCALE)]
Positive = Annotated[float, Field(gt=0)]
Level = Annotated[int, Field(ge=-(1 << 15), lt=1 << 15)]  # of what a tensor holds

if TYPE_CHECKING:
    Op = str
else:
    Op = Literal[NAMES]  # the operators that there are, which no type checker knows


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Kernel(_Part):
    """A ConvLayer without its name and what its operand's shape says."""

    K: Size
    R: Size = 1
    S: Size = 1
    stride: Size | tuple[Size, Size] = 1
    padding: tuple[Edge, Edge, Edge, Edge] = (0, 0, 0, 0)
    dilation: Size | tuple[Size, Size] = 1
    groups: Size = 1


class Numbers(_Part):
    """An array of an operator's integers, or of its constants, in C order."""

    dtype: Literal["int16", "int32", "float64"]
    shape: tuple[Size, ...]
    values: tuple[int | float, ...]

    def array(self) -> np.ndarray:
        """The array.

        Raises
        ------
        ValueError
            If the values are not as many as the shape says, or do not fit the type.
        """
        if math.prod(self.shape) != len(self.values):
            raise ValueError(f"{len(self.values)} values, wanted {math.prod(self.shape)}")
        found = np.array(self.values, np.float64).reshape(self.shape)
        array = found.astype(self.dtype)
        if not np.array_equal(array, found):
            raise ValueError(f"values that are no {self.dtype}")
        return array


def numbers(array: np.ndarray) -> Numbers:
    """An array as the manifest holds it."""
    dtype: Any = array.dtype.name
    return Numbers(dtype=dtype, shape=array.shape, values=tuple(array.ravel().tolist()))


class Entry(_Part):
    """One node: its place in the graph and its integers that are no arrays.

    ``inputs`` are positions of earlier entries, None for the entry before; ``shape`` is None
    for a convolution.  ``requantizer`` is (shift, low, high).  ``payload`` is the number of bytes
    of the encoded coefficients, None for 8-bit weights; ``basis`` the number of basis kernels,
    None where there is no basis; ``coding`` the storage format of the coefficients; ``alpha``
    whether there are scales per filter and kernel; ``macs`` those of the layer before anything was
    removed from it; ``arrays`` what else an operator computes with, by field.
    """

    name: str
    op: Op = "conv"
    inputs: tuple[int, ...] | None = None
    shape: tuple[Size, Size, Size] | None = None
    kernel: Kernel | None = None
    relu: bool = False
    maximum: Positive | None = None
    attributes: dict[str, Any] = {}
    requantizer: tuple[Shift, Level, Level] | None = None
    payload: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None
    basis: Annotated[int, Field(ge=1, le=1 << 10)] | None = None
    coding: str = "entropy"
    alpha: bool = False
    two_sided: tuple[Scale, Scale] | None = None
    macs: Annotated[int, Field(ge=0, lt=1 << 63)] | None = None
    rescales: tuple[tuple[Int32, Shift], ...] | None = None
    bounds: tuple[Level, Level] | None = None
    arrays: dict[str, Numbers] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        has_layer = operator(self.op).has_layer
        for field in ("kernel", "requantizer"):
            if (getattr(self, field) is not None) != has_layer:
                raise ValueError(f"{self.name}: {field} and op disagree")
        if (self.shape is None) != has_layer:
            raise ValueError(f"{self.name}: shape and op disagree")
        return self


class Image(_Part):
    """The fields of an ImageQuantizer."""

    pixel_scale: Positive
    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    scale: Positive
    low: Level
    high: Level
    size: tuple[Size, Size]


class Manifest(_Part):
    """The whole of ``manifest.json.gz``.

    ``digests`` has the digest of each other file of the folder, by name.
    """

    format: Literal["escalate-model"]
    version: Literal[2]
    name: str
    digests: dict[str, str]
    image: Image
    output_scale: Positive
    nodes: tuple[Entry, ...]

    def dump(self) -> bytes:
        """Compact JSON without what is at its default."""
        return self.model_dump_json(exclude_defaults=True).encode()

    def graph(self) -> Graph:
        """The network's graph.

        Raises
        ------
        ValueError
            If an entry reads what is not before it, or the nodes form no graph.
        """
        nodes: list[Node] = []
        for position, entry in enumerate(self.nodes):
            operands = [nodes[i] for i in _inputs(entry, position)]
            nodes.append(_node(entry, operands))
            check_node(nodes[-1], [each.shape for each in operands])
            _check_integers(entry, nodes[-1])
        if nodes:
            self._check_image(nodes[0].shape)
        return Graph(self.name, tuple(nodes))

    def _check_image(self, shape: tuple[int, int, int]) -> None:
        """Whether the image is what the first node takes."""
        image = self.image
        found = (len(image.mean), *image.size)
        if found != shape or len(image.std) != len(image.mean):
            raise ValueError(
                f"image: {len(image.mean)} means and {len(image.std)} deviations of size "
                f"{image.size}, wanted those of {self.nodes[0].name}, {shape}"
            )
        storage_dtype(image.low, image.high)


def describe(model: IntegerModel, digests: dict[str, str]) -> Manifest:
    """The manifest of a model, given the digests of the other files."""
    position = {node.name: index for index, node in enumerate(model.graph.nodes)}
    entries = []
    for index, node in enumerate(model.graph.nodes):
        fields = _operator_fields(model, node)
        if node.layer is not None:
            fields = _conv_fields(model.convs[node.name], node)
        inputs = tuple(position[name] for name in node.inputs)
        entries.append(
            Entry(
                name=node.name,
                op=node.op,
                inputs=None if inputs == ((index - 1,) if index else ()) else inputs,
                relu=node.relu,
                maximum=node.maximum,
                attributes=dict(node.attributes),
                **fields,
            )
        )
    image = {name: getattr(model.image, name) for name in Image.model_fields}
    return Manifest(
        format=FORMAT,
        version=VERSION,
        name=model.graph.name,
        digests=digests,
        image=Image(**image),
        output_scale=model.output_scale,
        nodes=tuple(entries),
    )


def image_quantizer(image: Image) -> ImageQuantizer:
    """The ImageQuantizer that the manifest describes."""
    return ImageQuantizer(**{name: getattr(image, name) for name in Image.model_fields})


def _inputs(entry: Entry, position: int) -> tuple[int, ...]:
    if entry.inputs is None:
        return (position - 1,) if position else ()
    for operand in entry.inputs:
        if not 0 <= operand < position:
            raise ValueError(f"{entry.name}: reads node {operand}, wanted one of 0..{position - 1}")
    return entry.inputs


def _check_integers(entry: Entry, node: Node) -> None:
    """Whether an operator has its integers, and no others."""
    stores = node.operator.stores
    count = None if entry.rescales is None else len(entry.rescales)
    ratios = node.operator.ratios(node, (1.0,) * len(node.inputs), 1.0)
    wanted = len(ratios) if "rescales" in stores else None
    if count != wanted:
        raise ValueError(f"{entry.name}: has {count or 'no'} rescales, wanted {wanted or 'none'}")
    if (entry.bounds is not None) != ("bounds" in stores):
        raise ValueError(f"{entry.name}: bounds and op disagree")
    if entry.bounds is not None:
        low, high = entry.bounds
        if not low <= high:
            raise ValueError(f"{entry.name}: bounds are {low}..{high}, wanted a range")
        storage_dtype(low, high)
    if (entry.arrays is not None) != ("arrays" in stores):
        raise ValueError(f"{entry.name}: arrays and op disagree")
    if entry.arrays is not None:
        wrong = node.operator.check_arrays(node, arrays_of(entry))
        if wrong is not None:
            raise ValueError(f"{entry.name}: {wrong}")


def arrays_of(entry: Entry) -> dict[str, np.ndarray]:
    """The arrays of an entry.

    Raises
    ------
    ValueError
        Naming the node and the field.
    """
    found = {}
    for field, each in (entry.arrays or {}).items():
        try:
            found[field] = each.array()
        except ValueError as error:
            raise ValueError(f"{entry.name}: {field}: {error}") from error
    return found


def _node(entry: Entry, operands: list[Node]) -> Node:
    inputs = tuple(operand.name for operand in operands)
    common: dict[str, Any] = {
        "relu": entry.relu,
        "maximum": entry.maximum,
        "attributes": entry.attributes,
    }
    if entry.kernel is None:
        assert entry.shape is not None
        return Node(entry.name, entry.op, inputs, entry.shape, **common)
    if len(operands) != 1:
        raise ValueError(f"{entry.name}: a convolution of {len(operands)} operands, wanted 1")
    c, h, w = operands[0].shape
    layer = ConvLayer(entry.name, C=c, H=h, W=w, **entry.kernel.model_dump())
    return Node(entry.name, entry.op, inputs, (layer.K, layer.P, layer.Q), layer, **common)


def _conv_fields(conv: ConvIntegers, node: Node) -> dict[str, Any]:
    requantizer, weights = conv.requantizer, conv.weights
    basis, ternary = weights.basis, weights.coefficients is not None
    kernel = {name: getattr(node.layer, name) for name in Kernel.model_fields}
    return {
        "kernel": Kernel(**kernel),
        "requantizer": (requantizer.shift, requantizer.low, requantizer.high),
        "basis": None if basis is None else basis.shape[0],
        "alpha": weights.alpha is not None,
        "two_sided": weights.two_sided,
        "macs": conv.macs,
        "payload": conv.payload.size if ternary else None,
        **({"coding": conv.coding} if ternary else {}),
    }


def _operator_fields(model: IntegerModel, node: Node) -> dict[str, Any]:
    rescales, arrays = model.rescales.get(node.name), model.arrays.get(node.name, {})
    return {
        "shape": node.shape,
        "rescales": rescales and tuple((r.multiplier, r.shift) for r in rescales),
        "bounds": model.bounds.get(node.name),
        "arrays": {field: numbers(array) for field, array in arrays.items()} or None,
    }
