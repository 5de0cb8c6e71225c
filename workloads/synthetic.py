"""Synthetic tensors: seeded integers of a stated density for every layer of a network.

Assumption: the first layer and depthwise layers keep int8 weights, all else is ternary, with a
basis of a stated size for kernels larger than 1x1.  All inputs have the same stated density,
whether or not a ReLU precedes them, and so have the operands of shortcuts; the image is dense.

Every tensor has its own stream of random bits, seeded by (seed, network, layer, tensor).  So a
layer does not depend on which other layers are made, coefficients do not change with the density
of activations, and a higher density of the kind ``iid`` only adds non-zeros.  NumPy keeps these
bits stable between its versions; the Beta draws of the kind ``channel`` it does not promise.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from workloads.densities import PUBLISHED, published
from workloads.errors import WorkloadError
from workloads.network import Network, NetworkLayer
from workloads.number import MOST_SEED, between, is_whole, shown
from workloads.tensors import LayerTensors

Kind = Literal["iid", "channel"]
DENSITIES = ("coefficients", "activations", "weights")
WORDS = 1 << 16  # values of a random word; a density is met to within 1 / WORDS
INT8_MAX = 127
LIMITS = {"basis": (1, 1024), "seed": (0, MOST_SEED), "images": (1, 10**6)}
CHUNK = 1 << 17  # elements made at once, so that the words stay in cache

# Assumption: in the kind ``channel`` the density of a channel is drawn from a Beta distribution
# whose two parameters add up to this.  0.7 and 30 are what the real masks of pruned MobileNet
# (four 1x1 layers, published with Sparseloop's MICRO 2022 artifact) give by moments, per input
# channel, for activations (0.53 to 0.90) and for weights (11 to 67).
ACTIVATION_CONCENTRATION = 0.7
WEIGHT_CONCENTRATION = 30.0


@dataclass(frozen=True, slots=True)
class Synthetic:
    """The parameters of synthetic tensors; recorded in the provenance of every result.

    Parameters
    ----------
    coefficients, activations, weights : density, the share of non-zeros, 0 to 1; None stands for
        one that is not given, which is refused where a layer needs it.  For activations and
        weights also the name of published densities, which differ from layer to layer
    basis : M, kernels in a basis, at most R x S in each layer; the bounds of these three are in
        ``LIMITS``
    seed : of all tensors
    images : batch size
    kind : ``iid``, every element alike; ``channel``, a density per input channel for
        activations, per output channel for coefficients and weights, with the mean as stated

    Raises
    ------
    WorkloadError
        Naming the field, what came and what is allowed.
    """

    coefficients: float | None = None
    activations: float | str | None = None
    weights: float | str = 1.0
    basis: int = 6
    seed: int = 0
    images: int = 1
    kind: Kind = "iid"

    def __post_init__(self) -> None:
        for name in DENSITIES:
            value = getattr(self, name)
            if value is None and name != "weights":
                continue
            wanted = "wanted a density 0..1"
            if name != "coefficients":
                if value in PUBLISHED:
                    continue
                wanted += f" or the published ones of {', '.join(PUBLISHED)}"
            if type(value) not in (int, float) or not 0 <= value <= 1:
                raise WorkloadError(f"synthetic: {name} is {shown(value)}, {wanted}")
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if not is_whole(value, least, most):
                raise WorkloadError(
                    f"synthetic: {name} is {shown(value)}, wanted an integer {between(least, most)}"
                )
        if self.kind not in get_args(Kind):
            allowed = ", ".join(get_args(Kind))
            raise WorkloadError(f"synthetic: kind is {self.kind!r}, allowed are {allowed}")

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that have a value."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def told(self) -> str:
        """The parameters in words for a note, with the sources of published densities.

        Examples
        --------
        >>> Synthetic(coefficients=0.1, seed=3).told
        'coefficients 0.1, weights 1.0, basis 6, seed 3, images 1, kind iid'
        """
        named = {str(each) for each in (self.activations, self.weights) if each in PUBLISHED}
        sources = [f"{name} is {PUBLISHED[name].source}" for name in sorted(named)]
        return ", ".join([*(f"{name} {value}" for name, value in self.given.items()), *sources])


def synthetic_layers(
    network: Network, recipe: Synthetic, *, dense: bool = False
) -> Iterator[LayerTensors]:
    """The tensors of all layers in order; each is made on demand.

    ``dense`` gives all layers int8 weights at the ``weights`` density, for machines that eat
    those; activations are the same either way.

    Raises
    ------
    WorkloadError
        Before the first layer is made, naming a layer and the density it needs.

    Examples
    --------
    >>> from workloads.network import network
    >>> recipe = Synthetic(coefficients=0.1, activations=0.4)
    >>> for tensors in synthetic_layers(network("resnet20_cifar10"), recipe):
    ...     if tensors.layer.name in ("conv1", "layer1.0.conv1", "fc"):
    ...         print(tensors.layer.name, tensors.mode, tensors.producers)
    conv1 bypass ()
    layer1.0.conv1 decomposed ('conv1',)
    fc pointwise ('layer3.2.conv2',)
    """
    for entry in network.layers:
        _check_given(network, entry, recipe, dense)
    return (synthetic_layer(network, entry, recipe, dense=dense) for entry in network.layers)


def synthetic_layer(
    network: Network, entry: NetworkLayer, recipe: Synthetic, *, dense: bool = False
) -> LayerTensors:
    """The tensors of one layer; the same bytes as ``synthetic_layers`` gives.

    Raises
    ------
    WorkloadError
        Naming the layer and a density it needs.
    """
    _check_given(network, entry, recipe, dense)
    layer = entry.layer
    weights = basis = coefficients = None
    if _keeps_weights(network, entry, dense):
        weights = _weights(network, entry, recipe)
    else:
        coefficients = _coefficients(network, entry, recipe)
        if layer.R * layer.S > 1:
            basis = _basis(network, entry, recipe)
    activations = _activations(
        _source(recipe.seed, network, entry, "activations"),
        (layer.C, layer.H, layer.W),
        recipe,
        1.0 if _is_first(network, entry) else _density(network, entry, recipe, "activations"),
    )
    return LayerTensors(
        layer,
        activations,
        weights=weights,
        basis=basis,
        coefficients=coefficients,
        origin="synthetic",
        producers=entry.producers,
        shortcut=_shortcut(network, entry, recipe) if entry.shortcut else None,
    )


def _is_first(network: Network, entry: NetworkLayer) -> bool:
    return entry.name == network.layers[0].name


def _keeps_weights(network: Network, entry: NetworkLayer, dense: bool) -> bool:
    """Whether the layer has int8 weights, not ternary coefficients."""
    return dense or _is_first(network, entry) or entry.layer.is_depthwise


def _check_given(network: Network, entry: NetworkLayer, recipe: Synthetic, dense: bool) -> None:
    needed = []
    if not _keeps_weights(network, entry, dense):
        needed.append("coefficients")
    if entry.shortcut or not _is_first(network, entry):
        needed.append("activations")
    if _keeps_weights(network, entry, dense):
        needed.append("weights")
    for name in needed:
        if _density(network, entry, recipe, name) is None:
            raise WorkloadError(
                f"{network.name}: {entry.name} needs the density of its {name}, wanted {name}=0..1"
            )


def _density(network: Network, entry: NetworkLayer, recipe: Synthetic, name: str) -> float | None:
    """The density of one of a layer's tensors, as given or as published."""
    value: float | str | None = getattr(recipe, name)
    if isinstance(value, str):
        return published(value, network.name, name)[entry.name]
    return value


def _source(seed: int, network: Network, entry: NetworkLayer, tensor: str) -> np.random.Generator:
    """The random bits of one tensor, the same in whatever order tensors are made."""
    name = "\0".join((network.name, entry.name, tensor))
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4")
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words.tolist()])))


def _activations(
    source: np.random.Generator,
    shape: tuple[int, int, int],
    recipe: Synthetic,
    density: float | None,
) -> np.ndarray:
    """uint8, shape (N, C, H, W), non-zeros 1..255."""
    assert density is not None
    channels, height, width = shape
    rows = _rows(source, density, channels, recipe.kind, ACTIVATION_CONCENTRATION)
    if isinstance(rows, np.ndarray):
        rows = np.tile(rows, recipe.images)
    values = sparse_uint8(source, (recipe.images * channels, height * width), rows)
    return values.reshape(recipe.images, *shape)


def _shortcut(network: Network, entry: NetworkLayer, recipe: Synthetic) -> np.ndarray:
    """The other operand of the addition, between zero channels if it has fewer than K."""
    layer = entry.layer
    channels = sum(network[producer].layer.K for producer in entry.shortcut)
    operand = _activations(
        _source(recipe.seed, network, entry, "shortcut"),
        (channels, layer.P, layer.Q),
        recipe,
        _density(network, entry, recipe, "activations"),
    )
    if channels == layer.K:
        return operand
    before = (layer.K - channels) // 2
    return np.pad(operand, ((0, 0), (before, layer.K - channels - before), (0, 0), (0, 0)))


def _weights(network: Network, entry: NetworkLayer, recipe: Synthetic) -> np.ndarray:
    """int8, shape (K, C/groups, R, S), non-zeros -127..127."""
    shape = entry.layer.weight_shape
    source = _source(recipe.seed, network, entry, "weights")
    density = _density(network, entry, recipe, "weights")
    assert density is not None
    rows = _rows(source, density, shape[0], recipe.kind, WEIGHT_CONCENTRATION)
    return sparse_int8(source, (shape[0], math.prod(shape[1:])), rows).reshape(shape)


def _coefficients(network: Network, entry: NetworkLayer, recipe: Synthetic) -> np.ndarray:
    """int8, shape (K, C/groups, M), values -1, 0, +1."""
    assert recipe.coefficients is not None
    layer = entry.layer
    shape = (layer.K, layer.channels_per_group, min(recipe.basis, layer.R * layer.S))
    source = _source(recipe.seed, network, entry, "coefficients")
    rows = _rows(source, recipe.coefficients, layer.K, recipe.kind, WEIGHT_CONCENTRATION)
    return sparse_ternary(source, (shape[0], shape[1] * shape[2]), rows).reshape(shape)


def _basis(network: Network, entry: NetworkLayer, recipe: Synthetic) -> np.ndarray:
    """int8, shape (M, R, S), no zeros."""
    R, S = entry.layer.R, entry.layer.S
    source = _source(recipe.seed, network, entry, "basis")
    M = min(recipe.basis, R * S)
    return sparse_int8(source, (M, R * S), 1.0).reshape(M, R, S)


def _rows(
    source: np.random.Generator, density: float, rows: int, kind: Kind, concentration: float
) -> float | np.ndarray:
    """One density for all rows, or one for each."""
    if kind == "iid":
        return density
    return channel_densities(source, density, rows, concentration=concentration)


def channel_densities(
    source: np.random.Generator, mean: float, channels: int, *, concentration: float
) -> np.ndarray:
    """Densities drawn from a Beta distribution, float64 of shape (channels,).

    They are then pressed towards 0 or 1, all by the same factor, so that their mean is exactly
    the one asked for.

    Examples
    --------
    >>> drawn = channel_densities(np.random.default_rng(0), 0.4, 99, concentration=10.0)
    >>> round(float(drawn.mean()), 9), bool(drawn.min() < 0.3 < 0.5 < drawn.max())
    (0.4, True)
    """
    if mean in (0, 1):
        return np.full(channels, float(mean))
    drawn = source.beta(mean * concentration, (1 - mean) * concentration, channels)
    found = float(drawn.mean())
    pressed = (
        drawn * (mean / found) if found > mean else 1 - (1 - drawn) * ((1 - mean) / (1 - found))
    )
    return np.clip(pressed, 0.0, 1.0)


def sparse_uint8(
    source: np.random.Generator, shape: tuple[int, int], density: float | np.ndarray
) -> np.ndarray:
    """Non-zeros 1..255 where random words are small; 1 is twice as likely as the others.

    Parameters
    ----------
    source : only its raw bits are used
    shape : (rows, columns)
    density : share of non-zeros, for all rows or one for each, shape (rows,)

    Examples
    --------
    >>> sparse_uint8(np.random.default_rng(0), (2, 3), np.array([0.0, 1.0])).astype(bool)
    array([[False, False, False],
           [ True,  True,  True]])
    """
    out = np.empty(shape, np.uint8)
    for part, words in _words(source, shape):
        mask = words < _limit(density, part, WORDS)
        values = np.maximum(_bits(source, mask.size, np.uint8).reshape(mask.shape), 1)
        np.multiply(values, mask.view(np.uint8), out=out[part])
    return out


def sparse_int8(
    source: np.random.Generator, shape: tuple[int, int], density: float | np.ndarray
) -> np.ndarray:
    """Non-zeros -127..127, as ``sparse_uint8``; 1 and -127 are twice as likely as the others.

    Examples
    --------
    >>> values = sparse_int8(np.random.default_rng(0), (1, 9999), 1.0)
    >>> int(values.min()), int(values.max()), bool(values.all())
    (-127, 127, True)
    """
    out = np.empty(shape, np.int8)
    for part, words in _words(source, shape):
        mask = words < _limit(density, part, WORDS)
        values = np.maximum(_bits(source, mask.size, np.int8).reshape(mask.shape), -INT8_MAX)
        values += (values == 0).view(np.int8)
        np.multiply(values, mask.view(np.int8), out=out[part])
    return out


def sparse_ternary(
    source: np.random.Generator, shape: tuple[int, int], density: float | np.ndarray
) -> np.ndarray:
    """+1 where random words are small, -1 where they are large, as ``sparse_uint8``.

    Examples
    --------
    >>> sparse_ternary(np.random.default_rng(0), (1, 8), 0.5)
    array([[ 0, -1, -1,  0, -1,  0,  0,  0]], dtype=int8)
    """
    out = np.empty(shape, np.int8)
    for part, words in _words(source, shape):
        limit = _limit(density, part, WORDS // 2)
        low, high = words < limit, words > WORDS - 1 - limit
        np.subtract(low.view(np.int8), high.view(np.int8), out=out[part])
    return out


def _limit(density: float | np.ndarray, part: slice, scale: int) -> Any:
    """How many of ``scale`` words are non-zero; a uint16 per row if there is a density per row."""
    if not isinstance(density, np.ndarray):
        return round(density * scale)
    limits = np.rint(density[part] * scale)
    return np.minimum(limits, WORDS - 1).astype(np.uint16)[:, None]


def _words(
    source: np.random.Generator, shape: tuple[int, int]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows, and random uint16 for them; few enough rows at a time that they stay in cache."""
    rows, columns = shape
    step = max(1, CHUNK // columns)
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        count = part.stop - part.start
        yield part, _bits(source, count * columns, np.uint16).reshape(count, columns)


def _bits(source: np.random.Generator, count: int, dtype: type[np.integer]) -> np.ndarray:
    """Random integers over the whole range of ``dtype``, the same on any machine."""
    per_word = 8 // np.dtype(dtype).itemsize
    raw = source.bit_generator.random_raw(-(-count // per_word)).astype("<u8", copy=False)
    return raw.view(np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)[:count]
