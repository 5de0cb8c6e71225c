"""Network: a named table of layers with its source, and the registry of the networks we know."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.plug_ins import names_in


@dataclass(frozen=True, slots=True)
class Published:
    """A total printed by somebody else, ``value``, with a tolerance ``within`` in the same unit.

    ``within`` is 0 where the printed number is exact, half its last digit where it is rounded.

    Examples
    --------
    >>> Published(569_000_000, "MobileNet paper, table 4", within=500_000).agrees(568_740_352)
    True
    """

    value: int
    source: str
    within: int = 0

    def agrees(self, total: int) -> bool:
        """Whether ``total`` equals the printed value within the tolerance."""
        return abs(total - self.value) <= self.within


@dataclass(frozen=True, slots=True)
class NetworkLayer:
    """One layer in its network.

    Parameters
    ----------
    layer : ConvLayer
    producers : the layers whose outputs, side by side, are this layer's input; pooling in between
        keeps them, an addition keeps those of its first operand.  Empty for the image, and behind
        a flatten of more than one pixel, which reorders channels
    shortcut : where an addition waits for this layer, the layers whose outputs are its other
        operand; it is centred between zero channels if it has fewer channels than K
    bias, batch_norm : whether the network as published has one or two more numbers per output
        channel; they count as parameters
    extra : further parameters, of a norm in front of the layer or of scales behind it
    """

    layer: ConvLayer
    producers: tuple[str, ...] = ()
    shortcut: tuple[str, ...] = ()
    bias: bool = False
    batch_norm: bool = False
    extra: int = 0

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def parameters(self) -> int:
        """Number of weights and biases, and of scales and shifts of the batch norm."""
        K, channels, R, S = self.layer.weight_shape
        return K * (channels * R * S + self.bias + 2 * self.batch_norm) + self.extra


@dataclass(frozen=True, slots=True)
class Handover:
    """A layer's output is the whole input of the layer ``to``, which comes next.

    ``others`` : a later layer, an addition or the network's user reads it too
    """

    to: str
    others: bool


@dataclass(frozen=True, slots=True)
class Network:
    """The layers of a network in execution order; totals are derived from them.

    Parameters
    ----------
    name, summary : as listed
    source : where the table comes from
    input : the image, (C, H, W)
    layers : the first one reads the image
    published_parameters, published_macs : totals others printed, None where we know of none

    Raises
    ------
    WorkloadError
        If a name repeats, the first layer does not fit the image, or a producer comes later or
        has another number of channels.
    """

    name: str
    summary: str
    source: str
    input: tuple[int, int, int]
    layers: tuple[NetworkLayer, ...]
    published_parameters: Published | None = None
    published_macs: Published | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise WorkloadError(f"{self.name}: the network has no layer")
        first = self.layers[0].layer
        if self.input != (first.C, first.H, first.W):
            raise WorkloadError(
                f"{self.name}: {first.name}: the input is {(first.C, first.H, first.W)}, "
                f"the image is {self.input}"
            )
        earlier: dict[str, ConvLayer] = {}
        for entry in self.layers:
            if entry.name in earlier:
                raise WorkloadError(f"{self.name}: layer name {entry.name!r} appears twice")
            self._check_operands(entry, earlier)
            earlier[entry.name] = entry.layer

    def _check_operands(self, entry: NetworkLayer, earlier: Mapping[str, ConvLayer]) -> None:
        where = f"{self.name}: {entry.name}"
        for producer in (*entry.producers, *entry.shortcut):
            if producer not in earlier:
                raise WorkloadError(f"{where} reads {producer!r}, which no earlier layer makes")
        channels = sum(earlier[producer].K for producer in entry.producers)
        if entry.producers and channels != entry.layer.C:
            raise WorkloadError(
                f"{where}: C is {entry.layer.C}, the producers have {channels} channels"
            )
        channels = sum(earlier[producer].K for producer in entry.shortcut)
        if channels > entry.layer.K:
            raise WorkloadError(
                f"{where}: K is {entry.layer.K}, the shortcut has {channels} channels"
            )

    def __getitem__(self, name: str) -> NetworkLayer:
        """The layer of that name."""
        for entry in self.layers:
            if entry.name == name:
                return entry
        raise KeyError(name)

    @property
    def shapes(self) -> tuple[ConvLayer, ...]:
        """The layers as ``ConvLayer`` objects."""
        return tuple(entry.layer for entry in self.layers)

    @property
    def handovers(self) -> dict[str, Handover]:
        """Each layer whose output is all that the next layer reads, by name.

        Examples
        --------
        >>> found = network("resnet18").handovers
        >>> found["layer1.0.conv1"], found["conv1"]
        (Handover(to='layer1.0.conv2', others=False), Handover(to='layer1.0.conv1', others=True))
        """
        found = {}
        for entry, after in pairwise(self.layers):
            if after.producers == (entry.name,):
                others = any(
                    entry.name in (*(e.producers if e is not after else ()), *e.shortcut)
                    for e in self.layers
                )
                found[entry.name] = Handover(after.name, others)
        return found

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.shapes)

    @property
    def parameters(self) -> int:
        """Parameters of all layers, biases and batch norms included."""
        return sum(entry.parameters for entry in self.layers)


def square(
    name: str,
    C: int,
    K: int,
    size: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
) -> ConvLayer:
    """A square kernel on a square plane; by default padded by half the kernel on all sides.

    Examples
    --------
    >>> layer = square("conv1", 3, 64, 224, 7, stride=2)
    >>> layer.padding, layer.P
    ((3, 3, 3, 3), 112)
    """
    side = kernel // 2 if padding is None else padding
    return ConvLayer(name, C, K, size, size, kernel, kernel, stride, (side,) * 4, groups=groups)


def linear(name: str, C: int, K: int) -> ConvLayer:
    """A fully connected layer."""
    return ConvLayer(name, C, K, 1, 1)


def chain(
    layers: Iterable[ConvLayer], *, bias: bool = False, batch_norm: bool = False
) -> tuple[NetworkLayer, ...]:
    """Layers that each read the one before. If channels do not match, a plane was flattened.

    Examples
    --------
    >>> table = [square("conv", 3, 8, 4, 3), linear("fc6", 8 * 4 * 4, 9), linear("fc7", 9, 2)]
    >>> [entry.producers for entry in chain(table)]
    [(), (), ('fc6',)]
    """
    entries: list[NetworkLayer] = []
    for layer in layers:
        fits = bool(entries) and entries[-1].layer.K == layer.C
        producers = (entries[-1].name,) if fits else ()
        entries.append(NetworkLayer(layer, producers, bias=bias, batch_norm=batch_norm))
    return tuple(entries)


def unconnected(name: str, layers: Iterable[ConvLayer], source: str) -> Network:
    """A network known only by its shapes, such as an imported topology; no layer has producers."""
    bare = tuple(NetworkLayer(layer) for layer in layers)
    if not bare:
        raise WorkloadError(f"{name}: the network has no layer")
    first = bare[0].layer
    return Network(name, "shapes only", source, (first.C, first.H, first.W), bare)


FOLDER = "workloads.networks"
# name -> module: every file of the folder of networks
NETWORKS: Mapping[str, str] = {name: f"{FOLDER}.{name}" for name in names_in(FOLDER)}


def network(name: str) -> Network:
    """The network of that name. Its module is imported on demand.

    Raises
    ------
    WorkloadError
        Listing the networks there are.

    Examples
    --------
    >>> network("resnet18").parameters
    11689512
    """
    if name not in NETWORKS:
        raise WorkloadError(f"unknown network {name!r}, allowed are {', '.join(NETWORKS)}")
    found = import_module(NETWORKS[name]).NETWORK
    assert isinstance(found, Network)
    return found
