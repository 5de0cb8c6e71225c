"""Timeloop's problem files: one YAML text per layer, in the form of Timeloop 0.4.

Letters are Timeloop's: C input and M output channels of one group, R x S kernel, P x Q output, N
images, G groups.  H and W in the coefficients stand for the vertical and the horizontal direction.
The format has no padding: windows over the padding count as input.  P and Q are those of the padded
layer, so the multiply-accumulates are the layer's own.
"""

from collections.abc import Mapping

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer

VERSION = "0.4"
DATA_SPACES = ("Weights", "Inputs", "Outputs")
SHAPE = """\
  shape:
    name: {name}
    dimensions: [{dimensions}]
    coefficients:
    - {{name: Hstride, default: 1}}
    - {{name: Wstride, default: 1}}
    - {{name: Hdilation, default: 1}}
    - {{name: Wdilation, default: 1}}
    data_spaces:
    - name: Weights
      projection: [{group}[[C]], [[M]], [[R]], [[S]]]
    - name: Inputs
      projection:
      - [[N]]
{group_line}      - [[C]]
      - [[R, Hdilation], [P, Hstride]]
      - [[S, Wdilation], [Q, Wstride]]
    - name: Outputs
      projection: [[[N]], {group}[[M]], [[P]], [[Q]]]
      read_write: true
"""


def quoted(text: str) -> str:
    """A text quoted so that YAML reads it back unchanged.

    Examples
    --------
    >>> print(quoted('no: "yes"'))
    "no: \\"yes\\""
    """
    plain = (char if char.isprintable() and char not in '"\\' else _escaped(char) for char in text)
    return f'"{"".join(plain)}"'


def _escaped(char: str) -> str:
    return f"\\{char}" if char in '"\\' else f"\\U{ord(char):08X}"


def problem(
    layer: ConvLayer, *, images: int = 1, densities: Mapping[str, float] | None = None
) -> str:
    """The problem file of a layer.

    Parameters
    ----------
    layer : ConvLayer
    images : N
    densities : share of values that are not zero, of ``Weights``, ``Inputs`` or ``Outputs``

    Raises
    ------
    WorkloadError
        For a density of something else, or one that is none.

    Examples
    --------
    >>> text = problem(ConvLayer("conv1", C=3, K=8, H=9, W=9, R=3, S=3), densities={"Inputs": 0.5})
    >>> print(text.partition("  instance:")[2].strip())
    C: 3
        M: 8
        R: 3
        S: 3
        N: 1
        P: 7
        Q: 7
        Hstride: 1
        Wstride: 1
        Hdilation: 1
        Wdilation: 1
        densities:
          Inputs: {distribution: hypergeometric, density: 0.5}
    """
    grouped = layer.groups > 1
    instance = _instance(layer, images)
    lines = [f"# {quoted(layer.name)}: {layer.macs * images} multiply-accumulates"]
    if any(layer.padding):
        lines.append("# windows over the padding (top, bottom, left, right)")
        lines[-1] += f" {layer.padding} count as input"
    lines += ["problem:", f"  version: {VERSION}"]
    shape = SHAPE.format(
        name=quoted(layer.name),
        dimensions=", ".join(name for name in instance if len(name) == 1),
        group="[[G]], " if grouped else "",
        group_line="      - [[G]]\n" if grouped else "",
    )
    lines += [shape.rstrip("\n"), "  instance:"]
    lines += [f"    {name}: {value}" for name, value in instance.items()]
    return "\n".join(lines + _densities(layer, densities or {})) + "\n"


def _instance(layer: ConvLayer, images: int) -> dict[str, int]:
    return {
        **({"G": layer.groups} if layer.groups > 1 else {}),
        "C": layer.channels_per_group,
        "M": layer.K // layer.groups,
        "R": layer.R,
        "S": layer.S,
        "N": images,
        "P": layer.P,
        "Q": layer.Q,
        "Hstride": layer.strides[0],
        "Wstride": layer.strides[1],
        "Hdilation": layer.dilations[0],
        "Wdilation": layer.dilations[1],
    }


def _densities(layer: ConvLayer, densities: Mapping[str, float]) -> list[str]:
    for name, density in densities.items():
        if name not in DATA_SPACES:
            allowed = ", ".join(DATA_SPACES)
            raise WorkloadError(f"{layer.name}: density of {name!r}, allowed are {allowed}")
        if not 0 <= density <= 1:
            raise WorkloadError(f"{layer.name}: density of {name} is {density}, wanted 0 to 1")
    if not densities:
        return []
    return [
        "    densities:",
        *(
            f"      {name}: {{distribution: hypergeometric, density: {density:.6g}}}"
            for name, density in densities.items()
        ),
    ]
