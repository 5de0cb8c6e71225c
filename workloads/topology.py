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
* Columns are found by their heading, in any order; an unknown one is refused.  The stride may have
  a column for rows and one for columns, and a column ``Sparsity`` may give a ratio; ratios other
  than 1:1 have no meaning for dense layers.
* What stands under no heading is a remark.  Only the cell right behind the last heading may still
  give the stride of columns, and any of them a ratio.
* Rows of commas, comments (``#``) and titles (a name alone) hold no layer.  A name that was there
  before gets a number: ``conv1``, ``conv1_2``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workloads.errors import WorkloadError
from workloads.headed_table import Row, places, plain, read_rows
from workloads.layer import ConvLayer
from workloads.number import shown, whole_number

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
NAME, SPARSITY, STRIDE_DOWN, STRIDE_ACROSS = (
    "Layer name",
    "Sparsity",
    "Stride height",
    "Stride width",
)
NAMES = ("layer name", "layer", "name")
RATIOS = ("sparsity", "sparsity ratio", "sparsity support")
CONV_HEADINGS = {
    NAME: NAMES,
    "IFMAP Height": ("ifmap height", "ifmap h"),
    "IFMAP Width": ("ifmap width", "ifmap w"),
    "Filter Height": ("filter height", "filter h"),
    "Filter Width": ("filter width", "filter w"),
    "Channels": ("channels", "channel", "num channels", "num channel"),
    "Num Filter": ("num filter", "num filters", "filters", "number of filters"),
    "Strides": ("strides", "stride"),
    STRIDE_DOWN: ("stride height", "strides height", "stride h"),
    STRIDE_ACROSS: ("stride width", "strides width", "stride w"),
    SPARSITY: RATIOS,
}
GEMM_HEADINGS = {NAME: NAMES, "M": ("m",), "N": ("n",), "K": ("k",), SPARSITY: RATIOS}
DEPTHWISE_MARK = "DP"
Columns = Mapping[str, int]


def read_topology(path: str | Path) -> tuple[str, tuple[ConvLayer, ...]]:
    """The network's name (that of the file, without its ending) and its layers in order.

    Raises
    ------
    WorkloadError
        Naming file, line, column, value and what was wanted.
    """
    file = Path(path)
    rows = read_rows(file)
    if not rows:
        raise WorkloadError(f"{file}: the file is empty, wanted a header line and layers")
    columns = _columns(f"{file}: line {rows[0].line}", rows[0])
    layers = [
        _layer(f"{file}: line {row.line}", columns, row)
        for row in rows[1:]
        if any(row.cells[: columns[NAME]]) or any(row.cells[columns[NAME] + 1 :])  # no title
    ]
    if not layers:
        raise WorkloadError(f"{file}: no layer follows the header line")
    return file.stem, _told_apart(layers)


def _told_apart(layers: Sequence[ConvLayer]) -> tuple[ConvLayer, ...]:
    """The layers, each under a name of its own."""
    written = {layer.name for layer in layers}
    taken: set[str] = set()
    found = []
    for layer in layers:
        name, count = layer.name, 1
        while name in taken or (count > 1 and name in written):
            count += 1
            name = f"{layer.name}_{count}"
        taken.add(name)
        found.append(replace(layer, name=name))
    return tuple(found)


def _columns(where: str, header: Row) -> Columns:
    """Where the header line announces each column."""
    names = {plain(cell) for cell in header.cells}
    products = len({"m", "n", "k"} & names) > 1
    headings = GEMM_HEADINGS if products else CONV_HEADINGS
    known = {
        heading
        for some in (CONV_HEADINGS, GEMM_HEADINGS)
        for each in some.values()
        for heading in each
    }
    digits = any(whole_number(cell) is not None for cell in header.cells)
    found = {} if digits or len(names & known) < 2 else places(where, header, headings)
    if STRIDE_DOWN in found and "Strides" not in found:
        found["Strides"] = found.pop(STRIDE_DOWN)
    if {NAME, *(GEMM_COLUMNS if products else CONV_COLUMNS)} <= found.keys():
        return found
    wanted = ", ".join(CONV_COLUMNS)
    raise WorkloadError(
        f"{where}: the header is {shown(','.join(header.cells))}, "
        f"wanted 'Layer name, {wanted},' or 'Layer, M, N, K,'"
    )


def _layer(where: str, columns: Columns, row: Row) -> ConvLayer:
    name = row.cell(columns[NAME])
    if not name:
        raise WorkloadError(f"{where}: the layer has no name")
    products = "M" in columns
    values = []
    for column in GEMM_COLUMNS if products else CONV_COLUMNS:
        text = row.cell(columns[column])
        value = whole_number(text)
        if value is None or value < 1:
            raise WorkloadError(f"{where}: {column} is {shown(text)}, wanted an integer >= 1")
        values.append(value)
    _check_ratios(where, columns, row)
    try:
        if products:
            m, n, k = values
            return ConvLayer(name, C=k, K=n, H=m, W=1)
        across = _stride_across(where, columns, row, values[-1])
        return _convolution(where, name, values, across)
    except WorkloadError as error:
        if str(error).startswith(where):
            raise
        raise WorkloadError(f"{where}: {error}") from error


def _remarks(columns: Columns, row: Row) -> tuple[str, ...]:
    return row.cells[max(columns.values()) + 1 :]


def _stride_across(where: str, columns: Columns, row: Row, down: int) -> int:
    """The stride of columns; that of rows where the line gives none."""
    if STRIDE_ACROSS in columns:
        cell = row.cell(columns[STRIDE_ACROSS])
    else:
        behind = _remarks(columns, row)[:1] if columns["Strides"] == max(columns.values()) else ()
        cell = behind[0] if behind and whole_number(behind[0]) is not None else str(down)
    across = whole_number(cell)
    if across is None or across < 1:
        raise WorkloadError(f"{where}: {STRIDE_ACROSS} is {shown(cell)}, wanted an integer >= 1")
    return across


def _check_ratios(where: str, columns: Columns, row: Row) -> None:
    """Refuse ratios of zeros, of which a dense layer has none."""
    cells = list(_remarks(columns, row))
    if SPARSITY in columns:
        cells.append(row.cell(columns[SPARSITY]))
    for cell in cells:
        ratio = re.fullmatch(r"([0-9]+):([0-9]+)", cell)
        if ratio and ratio[1] != ratio[2]:
            raise WorkloadError(f"{where}: Sparsity is {shown(cell)}, wanted 1:1 (dense)")


def overhang(layer: ConvLayer) -> tuple[int, int, int, int]:
    """Padding that lets the last window extend past the lower and right edges, as in SCALE-Sim.

    Examples
    --------
    >>> overhang(ConvLayer("conv1", C=3, K=64, H=224, W=224, R=7, S=7, stride=2))
    (0, 1, 0, 1)
    """
    return (
        0,
        -(layer.H - layer.R) % layer.strides[0],
        0,
        -(layer.W - layer.S) % layer.strides[1],
    )


def _convolution(where: str, name: str, values: list[int], across: int) -> ConvLayer:
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
        stride=(stride, across),
        groups=channels if depthwise else 1,
    )
    return replace(plain, padding=overhang(plain))


def write_topology(path: str | Path, layers: Sequence[ConvLayer], *, gemm: bool = False) -> None:
    """Write layers for SCALE-Sim, as convolutions or, with ``gemm``, as matrix products.

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
    """The text that ``write_topology`` writes; it raises the same errors.

    Examples
    --------
    >>> print(topology_text([ConvLayer("fc", C=64, K=10, H=1, W=1)], gemm=True), end="")
    Layer, M, N, K,
    fc, 1, 10, 64,
    """
    columns: tuple[str, ...] = GEMM_COLUMNS if gemm else CONV_COLUMNS
    both = not gemm and any(has_two_strides(layer) for layer in layers)
    if both:
        columns = (*columns, STRIDE_ACROSS)
    lines = [", ".join((("Layer" if gemm else "Layer name"), *columns)) + ","]
    names: set[str] = set()
    for layer in layers:
        _check_writable(layer, gemm=gemm)
        if layer.name in names:
            raise WorkloadError(f"layer name {layer.name!r} appears twice")
        names.add(layer.name)
        row = _product_row(layer) if gemm else _convolution_row(layer, both=both)
        lines.append(", ".join(str(cell) for cell in (layer.name, *row)) + ",")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Sayable:
    """Layers that the format can express, and a note for each kind of thing that it cannot."""

    layers: tuple[ConvLayer, ...]
    notes: tuple[str, ...]


def sayable(layers: Sequence[ConvLayer]) -> Sayable:
    """Layers that SCALE-Sim can express, with the same number of multiply-accumulates.

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
    strides = [layer.name for layer in layers if has_two_strides(layer)]
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
        (strides, f"strides that differ: a column {STRIDE_ACROSS!r}; SCALE-Sim 2 reads it, 3 not"),
    )
    return Sayable(
        tuple(found), tuple(f"{', '.join(names)}: {what}" for names, what in told if names)
    )


def has_two_strides(layer: ConvLayer) -> bool:
    """Whether a layer's stride of rows is not that of columns."""
    return layer.strides[0] != layer.strides[1]


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
    if layer.dilation != 1:
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


def _convolution_row(layer: ConvLayer, *, both: bool) -> tuple[int, ...]:
    """The numbers of a layer's line; ``both``: the stride of columns too."""
    height, width = layer.H, layer.W
    down, across = layer.strides
    if layer.padding != overhang(layer):
        height = (layer.P - 1) * down + layer.R
        width = (layer.Q - 1) * across + layer.S
    filters = layer.K // layer.groups
    sizes = (height, width, layer.R, layer.S, layer.C, filters, down)
    return (*sizes, across) if both else sizes
