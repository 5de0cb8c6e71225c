"""networks: those that can be named on the command line, with the shapes of their layers."""

from collections.abc import Sequence
from typing import Any

from escalate.errors import FrontEndError
from workloads.layer import ConvLayer
from workloads.network import NETWORKS, Network, NetworkLayer
from workloads.network import network as published_network


class NetworkError(FrontEndError):
    """A network that is not known by name."""


def _entry(
    name: str,
    source: str,
    C: int,
    K: int,
    size: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    groups: int = 1,
    shortcut: str = "",
) -> NetworkLayer:
    padding = (kernel // 2,) * 4
    layer = ConvLayer(name, C, K, size, size, kernel, kernel, stride, padding, groups=groups)
    linear = name == "classifier"
    return NetworkLayer(
        layer,
        (source,) if source else (),
        (shortcut,) if shortcut else (),
        bias=linear,
        batch_norm=not linear,
    )


# The same layers that capture finds in escalate.app.demo_network; a test compares them.
DIGITS_CNN = Network(
    "digits_cnn",
    "residual CNN for the bundled 8x8 digits, with every kind of layer",
    "ours: escalate/app/demo_network.py",
    (1, 8, 8),
    (
        _entry("stem.0", "", 1, 32, 8),
        _entry("down.0", "stem.0", 32, 64, 8, stride=2),
        _entry("left.0", "down.0", 64, 64, 4),
        _entry("right.0", "left.0", 64, 64, 4, shortcut="down.0"),
        _entry("depthwise.0", "down.0", 64, 64, 4, groups=64),
        _entry("pointwise.0", "depthwise.0", 64, 96, 4, 1),
        _entry("wide.0", "pointwise.0", 96, 96, 4),
        _entry("classifier", "wide.0", 96, 10, 1, 1),
    ),
)


def names() -> tuple[str, ...]:
    """Every network there is."""
    return (DIGITS_CNN.name, *NETWORKS)


def network(name: str) -> Network:
    """The network of that name.

    Raises
    ------
    NetworkError
        Listing the networks there are.
    """
    if name == DIGITS_CNN.name:
        return DIGITS_CNN
    if name not in NETWORKS:
        raise NetworkError(f"unknown network {name!r}, allowed are {', '.join(names())}")
    return published_network(name)


def network_rows() -> list[dict[str, str | int]]:
    """Name and size of every network."""
    found = [network(name) for name in names()]
    return [
        {
            "network": each.name,
            "layers": len(each.layers),
            "parameters": each.parameters,
            "macs": each.macs,
            "what": each.summary,
        }
        for each in found
    ]


def layer_rows(layers: Sequence[ConvLayer]) -> list[dict[str, Any]]:
    """The shape table of layers."""
    return [
        {
            "layer": layer.name,
            **{letter: getattr(layer, letter) for letter in ("C", "K", "H", "W", "R", "S")},
            "stride": _steps(layer.strides),
            "padding": ",".join(map(str, layer.padding)),
            "dilation": _steps(layer.dilations),
            "groups": layer.groups,
            "P": layer.P,
            "Q": layer.Q,
            "macs": layer.macs,
        }
        for layer in layers
    ]


def _steps(steps: tuple[int, int]) -> int | str:
    """One number, or those of rows and of columns where they differ."""
    return steps[0] if steps[0] == steps[1] else f"{steps[0]},{steps[1]}"
