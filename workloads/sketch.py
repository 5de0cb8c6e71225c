"""Sketch: a network's layers as they are listed one after the other, and the planes they make."""

from dataclasses import dataclass, field, replace

from workloads.layer import ConvLayer
from workloads.network import NetworkLayer


@dataclass(frozen=True, slots=True)
class Plane:
    """What a layer reads: channels of some rows and columns.

    ``producers`` : the layers whose outputs they are, side by side; empty for the image, and where
    channels were moved
    """

    producers: tuple[str, ...]
    channels: int
    height: int
    width: int

    def sized(self, height: int, width: int | None = None) -> "Plane":
        """The same channels pooled, upsampled or cropped to another size."""
        return replace(self, height=height, width=height if width is None else width)

    def moved(self) -> "Plane":
        """Its channels in another order, or only some of them, or some twice."""
        return replace(self, producers=())

    def beside(self, *others: "Plane") -> "Plane":
        """Its channels and those of others behind them."""
        planes = (self, *others)
        known = all(plane.producers for plane in planes)
        producers = tuple(name for plane in planes for name in plane.producers) if known else ()
        return replace(self, producers=producers, channels=sum(plane.channels for plane in planes))


@dataclass(slots=True)
class Sketch:
    """The layers so far; ``bias`` and ``batch_norm`` say what its convolutions have."""

    bias: bool = False
    batch_norm: bool = True
    layers: list[NetworkLayer] = field(default_factory=list)

    def conv(
        self,
        name: str,
        plane: Plane,
        K: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: tuple[int, int] | None = None,
        groups: int = 1,
        shortcut: Plane | None = None,
        extra: int = 0,
    ) -> Plane:
        """List a convolution and return what it makes; ``padding`` of rows and of columns is half
        the kernel unless it is given, ``extra`` and ``shortcut`` are as in NetworkLayer.

        Examples
        --------
        >>> sketch = Sketch()
        >>> sketch.conv("stem", Plane((), 3, 9, 9), 8, 3, stride=2)
        Plane(producers=('stem',), channels=8, height=5, width=5)
        >>> sketch.layers[0].parameters
        232
        """
        R, S = (kernel, kernel) if isinstance(kernel, int) else kernel
        down, across = (R // 2, S // 2) if padding is None else padding
        edges = (down, down, across, across)
        layer = ConvLayer(
            name, plane.channels, K, plane.height, plane.width, R, S, stride, edges, groups=groups
        )
        waits = () if shortcut is None else shortcut.producers
        self.layers.append(
            NetworkLayer(layer, plane.producers, waits, self.bias, self.batch_norm, extra)
        )
        return Plane((name,), K, layer.P, layer.Q)

    def biased(
        self, name: str, plane: Plane, K: int, *, shortcut: Plane | None = None, extra: int = 0
    ) -> Plane:
        """A 1x1 convolution or fully connected layer with biases and no batch norm."""
        made = self.conv(name, plane, K, shortcut=shortcut, extra=extra)
        self.layers[-1] = replace(self.layers[-1], bias=True, batch_norm=False)
        return made

    def gate(self, name: str, plane: Plane, squeezed: int) -> Plane:
        """The two layers of a squeeze-and-excite block; the plane, scaled, is what it was."""
        hidden = self.biased(f"{name}.fc1", plane.sized(1), squeezed)
        self.biased(f"{name}.fc2", hidden, plane.channels)
        return plane
