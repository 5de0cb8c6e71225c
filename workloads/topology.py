"""SCALE-Sim's topology CSV: read and write lists of layers.

Two forms, told apart by the header line:

convolutions
    ``Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,
    Strides,``
products
    ``Layer, M, N, K,``: M outputs of N filters with K taps; becomes a 1x1 convolution with
    C = K, K = N, H = M, W = 1.

Read as SCALE-Sim 3.0.0 reads them:

* There is no padding column.  A window that hangs over the lower or right edge counts as a whole
  output, P = ceil((H - R) / stride) + 1; such a layer gets just the zeros it needs below and on
  the right, every other layer has pad 0.
* A layer whose name contains ``DP`` is depthwise: each of its channels has ``Num Filter`` filters.
* What follows the last comma of a line is a remark.  A ninth column may repeat the stride, for
  columns, or give a sparsity ratio; ratios other than 1:1 have no meaning for dense layers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer

CONV_COLUMNS = (
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
GEMM_COLUMNS = ("M", "N", "K")
DEPTHWISE_MARK = "DP"


def read_topology(path: str | Path) -> tuple[str, tuple[ConvLayer, ...]]:
    """The name of the network (the file's, without its ending) and its layers in order.

    Raises
    ------
    WorkloadError
        Naming file, line, column, value and what was wanted.
    """
    file = Path(path)
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WorkloadError(f"{file}: cannot be read as text: {error}") from error
    rows = [
        (number, [cell.strip() for cell in line.split(",")])
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise WorkloadError(f"{file}: the file is empty, wanted a header line and layers")
    columns = _columns(file, *rows[0])
    layers: dict[str, ConvLayer] = {}
    for number, cells in rows[1:]:
        where = f"{file}: line {number}"
        layer = _layer(where, columns, cells)
        if layer.name in layers:
            raise WorkloadError(f"{where}: layer name {layer.name!r} appears twice")
        layers[layer.name] = layer
    if not layers:
        raise WorkloadError(f"{file}: no layer follows the header line")
    return file.stem, tuple(layers.values())


def _columns(file: Path, number: int, cells: list[str]) -> tuple[str, ...]:
    """The columns that the header line announces."""
    names = [cell.casefold() for cell in cells[1:]]
    if names[:3] == ["m", "n", "k"]:
        return GEMM_COLUMNS
    if len(names) >= len(CONV_COLUMNS) and not any(_is_integer(name) for name in names):
        return CONV_COLUMNS
    wanted = ", ".join(CONV_COLUMNS)
    raise WorkloadError(
        f"{file}: line {number}: the header is {','.join(cells)!r}, "
        f"wanted 'Layer name, {wanted},' or 'Layer, M, N, K,'"
    )


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,18}", text) is not None


def _layer(where: str, columns: tuple[str, ...], cells: list[str]) -> ConvLayer:
    name = cells[0]
    if not name:
        raise WorkloadError(f"{where}: the layer has no name")
    values = []
    for position, column in enumerate(columns, start=1):
        text = cells[position] if position < len(cells) else ""
        if not _is_integer(text) or int(text) < 1:
            raise WorkloadError(f"{where}: {column} is {text!r}, wanted an integer >= 1")
        values.append(int(text))
    try:
        if columns is GEMM_COLUMNS:
            _check_extra(where, cells[4:], stride=None)
            m, n, k = values
            return ConvLayer(name, C=k, K=n, H=m, W=1)
        _check_extra(where, cells[8:], stride=values[-1])
        return _convolution(where, name, values)
    except WorkloadError as error:
        if str(error).startswith(where):
            raise
        raise WorkloadError(f"{where}: {error}") from error


def _check_extra(where: str, cells: list[str], *, stride: int | None) -> None:
    """Refuse what further columns say and a dense layer with one stride cannot."""
    for cell in cells:
        parts = cell.split(":")
        if stride is not None and _is_integer(cell) and int(cell) != stride:
            raise WorkloadError(
                f"{where}: Strides are {stride} for rows and {cell} for columns, wanted equal ones"
            )
        if len(parts) == 2 and all(_is_integer(part) for part in parts) and parts[0] != parts[1]:
            raise WorkloadError(f"{where}: Sparsity is {cell!r}, wanted 1:1 (dense)")


def overhang(layer: ConvLayer) -> tuple[int, int, int, int]:
    """Padding that lets the last window hang over the lower and right edges, as SCALE-Sim does.

    Examples
    --------
    >>> overhang(ConvLayer("conv1", C=3, K=64, H=224, W=224, R=7, S=7, stride=2))
    (0, 1, 0, 1)
    """
    return (
        0,
        -(layer.H - layer.R) % layer.stride,
        0,
        -(layer.W - layer.S) % layer.stride,
    )


def _convolution(where: str, name: str, values: list[int]) -> ConvLayer:
    height, width, rows, columns, channels, filters, stride = values
    for what, inner, outer in (("Height", rows, height), ("Width", columns, width)):
        if inner > outer:
            raise WorkloadError(
                f"{where}: Filter {what} is {inner}, wanted at most the IFMAP {what} {outer}"
            )
    depthwise = DEPTHWISE_MARK in name
    plain = ConvLayer(
        name,
        C=channels,
        K=filters * channels if depthwise else filters,
        H=height,
        W=width,
        R=rows,
        S=columns,
        stride=stride,
        groups=channels if depthwise else 1,
    )
    return replace(plain, padding=overhang(plain))


def write_topology(path: str | Path, layers: Sequence[ConvLayer], *, gemm: bool = False) -> None:
    """Write layers for SCALE-Sim, as convolutions or with ``gemm`` as products.

    The format has no padding: a padded layer is written with the input size that its windows
    cover, which keeps its outputs and MACs.

    Raises
    ------
    WorkloadError
        Naming the layer and what the format cannot say: dilation, groups that are not
        depthwise, a name with a comma, a dense layer whose name contains ``DP``; or the file,
        if it cannot be written.
    """
    text = topology_text(layers, gemm=gemm)
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        raise WorkloadError(f"{path}: cannot be written: {error}") from error


def topology_text(layers: Sequence[ConvLayer], *, gemm: bool = False) -> str:
    """The text that ``write_topology`` writes; what it refuses, it refuses for the same reasons.

    Examples
    --------
    >>> print(topology_text([ConvLayer("fc", C=64, K=10, H=1, W=1)], gemm=True), end="")
    Layer, M, N, K,
    fc, 1, 10, 64,
    """
    columns = GEMM_COLUMNS if gemm else CONV_COLUMNS
    lines = [", ".join((("Layer" if gemm else "Layer name"), *columns)) + ","]
    names: set[str] = set()
    for layer in layers:
        _check_writable(layer, gemm=gemm)
        if layer.name in names:
            raise WorkloadError(f"layer name {layer.name!r} appears twice")
        names.add(layer.name)
        row = _product_row(layer) if gemm else _convolution_row(layer)
        lines.append(", ".join(str(cell) for cell in (layer.name, *row)) + ",")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Sayable:
    """Layers that the format can say, and one note for each kind of thing it could not."""

    layers: tuple[ConvLayer, ...]
    notes: tuple[str, ...]


def sayable(layers: Sequence[ConvLayer]) -> Sayable:
    """Layers in words that SCALE-Sim understands, with as many multiply-accumulates.

    Depthwise layers get ``DP`` into their names, the mark by which SCALE-Sim knows them; in other
    names it is written small.  A layer of groups becomes one layer for each group.  Padded layers
    stay as they are: ``topology_text`` writes the input that their windows cover.

    Examples
    --------
    >>> layer = ConvLayer("dw", C=8, K=8, H=9, W=9, R=3, S=3, groups=8)
    >>> [layer.name for layer in sayable([layer]).layers]
    ['dw_DP']
    """
    found: list[ConvLayer] = []
    renamed, split = [], []
    padded = [layer.name for layer in layers if layer.padding != overhang(layer)]
    for layer in layers:
        if layer.groups > 1 and not layer.is_depthwise:
            split.append(layer.name)
            found.extend(_groups(layer))
        else:
            found.append(_marked(layer))
            if found[-1].name != layer.name:
                renamed.append(layer.name)
    told = (
        (padded, "padded: written with the input that their windows cover, zeros included"),
        (renamed, f"renamed: depthwise layers, and no others, have {DEPTHWISE_MARK} in their name"),
        (split, "of groups: one line for each group"),
    )
    return Sayable(
        tuple(found), tuple(f"{', '.join(names)}: {what}" for names, what in told if names)
    )


def _marked(layer: ConvLayer) -> ConvLayer:
    """The layer under a name that has the mark of depthwise layers if it is one, and only then."""
    if layer.is_depthwise:
        marked = DEPTHWISE_MARK in layer.name
        return layer if marked else replace(layer, name=f"{layer.name}_{DEPTHWISE_MARK}")
    plain = layer.name.replace(DEPTHWISE_MARK, DEPTHWISE_MARK.lower())
    return replace(layer, name=plain)


def _groups(layer: ConvLayer) -> list[ConvLayer]:
    """One layer for each group."""
    name = layer.name.replace(DEPTHWISE_MARK, DEPTHWISE_MARK.lower())
    one = replace(layer, C=layer.channels_per_group, K=layer.K // layer.groups, groups=1)
    return [replace(one, name=f"{name}_group{n}") for n in range(layer.groups)]


def _check_writable(layer: ConvLayer, *, gemm: bool) -> None:
    name = layer.name
    if not name.strip() or name != name.strip() or "," in name or len(name.splitlines()) != 1:
        raise WorkloadError(f"{name!r}: the name holds a comma, a line break or outer blanks")
    if gemm:
        if layer.groups > 1:
            raise WorkloadError(f"{name}: groups = {layer.groups}, the GEMM format has none")
        return
    if layer.dilation > 1:
        raise WorkloadError(f"{name}: dilation = {layer.dilation}, the format has none")
    if layer.groups > 1 and not layer.is_depthwise:
        raise WorkloadError(
            f"{name}: groups = {layer.groups}, the format has depthwise layers only"
        )
    if layer.C > 1 and layer.is_depthwise != (DEPTHWISE_MARK in name):
        wanted = "contain" if layer.is_depthwise else "not contain"
        raise WorkloadError(
            f"{name}: SCALE-Sim knows depthwise layers by their name, wanted it to {wanted} "
            f"{DEPTHWISE_MARK!r}"
        )


def _product_row(layer: ConvLayer) -> tuple[int, ...]:
    return (layer.P * layer.Q, layer.K, layer.C * layer.R * layer.S)


def _convolution_row(layer: ConvLayer) -> tuple[int, ...]:
    height, width = layer.H, layer.W
    if layer.padding != overhang(layer):
        height = (layer.P - 1) * layer.stride + layer.R
        width = (layer.Q - 1) * layer.stride + layer.S
    filters = layer.K // layer.groups
    return (height, width, layer.R, layer.S, layer.C, filters, layer.stride)
