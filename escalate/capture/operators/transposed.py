"""Transposed convolutions in exported graphs: ordinary convolutions, one for each phase.

With stride s, every s-th row of the output meets the same rows of the kernel.  Those rows are a
convolution of stride 1 by themselves, a phase; the phases' outputs are interleaved.  No zeros are
multiplied.  Where all phases meet the input alike (a kernel as large as the stride), they are one
convolution with more filters.
"""

from collections.abc import Mapping
from itertools import product
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import nn

from escalate.capture import onnx_rules as rules
from escalate.capture.aten import Aten, Call, Read, pair_of, plane_of
from escalate.capture.onnx_operator import Onnx, convolution_of, kernels_of, through
from escalate.capture.tensor import Tensor
from workloads.layer import ConvLayer

if TYPE_CHECKING:
    from escalate.capture.onnx_module import Step


class Axis(NamedTuple):
    """One phase on one axis.

    ``taps`` are the kernel's rows in the order in which they meet the input, ``before`` and
    ``behind`` the padding; a negative one crops.
    """

    taps: tuple[int, ...]
    before: int
    behind: int
    dilation: int


def phase(
    place: int, kernel: int, stride: int, padding: int, dilation: int, side: int, outputs: int
) -> Axis:
    """What the outputs ``place``, ``place`` + ``stride`` ... are made of.

    Parameters
    ----------
    side : rows of the input
    outputs : how many of these outputs there are

    Examples
    --------
    >>> phase(0, 3, 2, 1, 1, 4, 4), phase(1, 3, 2, 1, 1, 4, 4)
    (Axis(taps=(1,), before=0, behind=0, dilation=1), \
Axis(taps=(2, 0), before=0, behind=1, dilation=1))
    """
    met = [r for r in range(kernel) if (place + padding - r * dilation) % stride == 0]
    if not met:
        return Axis((), 0, outputs - side, 1)
    offsets = [(place + padding - r * dilation) // stride for r in met]
    first, last = offsets[-1], offsets[0]
    return Axis(
        tuple(reversed(met)),
        -first,
        outputs - 1 + last - (side - 1),
        dilation // gcd(dilation, stride),
    )


def _transposed(call: Call) -> Read:
    weights, biases = call.parameter("weight"), call.parameter("bias")
    assert weights is not None
    source, draft = call.source("input"), call.draft
    if weights.ndim != 4:
        call.fail(f"weights have {weights.ndim} axes, wanted 4")
    groups = call.arguments["groups"]
    c, k = weights.shape[0], weights.shape[1] * groups
    split = weights.reshape(groups, c // groups, k // groups, *weights.shape[2:])
    kernels = split.swapaxes(1, 2).reshape(k, c // groups, *weights.shape[2:])
    bias = np.zeros(k) if biases is None else biases
    call.count("weight", "bias")
    _, *sides = draft.nodes[source].shape
    _, rows, columns = plane_of(call, call.node)
    steps = pair_of(call.arguments["stride"])
    counts = [-(-size // step) for size, step in zip((rows, columns), steps, strict=True)]
    axes = [
        [
            phase(
                place,
                weights.shape[2 + axis],
                steps[axis],
                pair_of(call.arguments["padding"])[axis],
                pair_of(call.arguments["dilation"])[axis],
                sides[axis],
                counts[axis],
            )
            for place in range(steps[axis])
        ]
        for axis in (0, 1)
    ]
    name = call.parameter_path("weight") or "transposed"
    phases = [_whole((down, across), counts, sides) for down, across in product(*axes)]
    parts = [_taps(kernels, *each) for each in phases]
    kinds = {
        (down[1:], across[1:], part.shape)
        for (down, across), part in zip(phases, parts, strict=True)
    }
    if len(kinds) == 1 and groups == 1:
        made = _phase(
            call, name, source, phases[0], np.concatenate(parts), np.tile(bias, len(parts)), 1
        )
    else:
        names = [
            _phase(call, name, source, each, part, bias, groups)
            for each, part in zip(phases, parts, strict=True)
        ]
        shape = (k * len(names), counts[0], counts[1])
        made = draft.add(name, "concat", tuple(names), shape) if len(names) > 1 else names[0]
    return _interleaved(call, made, k, steps, counts)


def _whole(axes: tuple[Axis, Axis], counts: list[int], sides: list[int]) -> tuple[Axis, Axis]:
    """A phase; where one axis has no taps, neither has the other."""
    if all(each.taps for each in axes):
        return axes
    empty = [Axis((), 0, count - side, 1) for count, side in zip(counts, sides, strict=True)]
    return empty[0], empty[1]


def _taps(kernels: np.ndarray, down: Axis, across: Axis) -> np.ndarray:
    """The kernel's rows and columns of a phase; a single 0 where there are none."""
    if not down.taps or not across.taps:
        return np.zeros((*kernels.shape[:2], 1, 1))
    return kernels[:, :, down.taps][:, :, :, across.taps]


def _phase(
    call: Call,
    name: str,
    source: str,
    axes: tuple[Axis, Axis],
    weights: np.ndarray,
    bias: np.ndarray,
    groups: int,
) -> str:
    """The convolution of one phase."""
    draft = call.draft
    down, across = axes
    edges = (down.before, down.behind, across.before, across.behind)
    for axis, (before, behind) in enumerate((edges[:2], edges[2:])):
        if before < 0 or behind < 0:
            source = _cropped(call, source, axis + 2, max(-before, 0), max(-behind, 0))
    c, h, w = draft.nodes[source].shape
    padding = tuple(max(edge, 0) for edge in edges)
    apart = [each.dilation for each in (down, across) if len(each.taps) > 1]
    dilation = (apart[0], apart[-1]) if apart else 1  # of one tap it is the other direction's
    k, _, r, s = weights.shape
    edge = (padding[0], padding[1], padding[2], padding[3])
    layer = ConvLayer(draft.fresh(name), c, k, h, w, r, s, 1, edge, dilation, groups)
    return draft.add_conv(layer, source, weights, bias)


def _cropped(call: Call, source: str, axis: int, before: int, behind: int) -> str:
    """The input without rows or columns that no output of the phase meets."""
    shape = list(call.draft.nodes[source].shape)
    stop = shape[axis - 1] - behind
    if stop <= before:
        call.fail("a phase meets no row of the input")
    part = {"axis": axis, "start": before, "stop": stop, "step": 1}
    shape[axis - 1] = stop - before
    return call.draft.add(call.path, "slice", (source,), (shape[0], shape[1], shape[2]), part)


def _interleaved(
    call: Call, made: str, k: int, steps: tuple[int, int], counts: list[int]
) -> Tensor:
    """The phases' outputs, row by row and column by column, cut to the output's size."""
    _, rows, columns = plane_of(call, call.node)
    phases = np.arange(k * int(np.prod(steps)) * int(np.prod(counts))).reshape(*steps, k, *counts)
    places = phases.transpose(2, 3, 0, 4, 1)
    whole = (k, counts[0] * steps[0], counts[1] * steps[1])
    name = call.made(Tensor(made, whole, (), places.reshape(whole)))
    view = np.arange(int(np.prod(whole))).reshape(whole)[:, :rows, :columns]
    return Tensor(name, view.shape, (), None if view.shape == whole else view)


def _module(step: "Step", constants: Mapping[str, np.ndarray]) -> nn.Module:
    weights = kernels_of(step, constants)
    groups = step.get("group", 1)
    c, k = weights.shape[0], weights.shape[1] * groups
    if (
        step.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        or "output_shape" in step.attributes
    ):
        step.fail("auto_pad or output_shape, wanted pads")
    top, left, bottom, right = step.get("pads", (0, 0, 0, 0))
    more = step.get("output_padding", (0, 0))
    if (top, left) != (bottom, right) or c % groups:
        step.fail(f"pads {(top, left, bottom, right)}, wanted the same on opposite sides")
    module = nn.ConvTranspose2d(
        c,
        k,
        (weights.shape[2], weights.shape[3]),
        tuple(step.get("strides", (1, 1))),
        (top, left),
        tuple(more),
        groups,
        step.has(2),
        tuple(step.get("dilations", (1, 1))),
    )
    return convolution_of(step, constants, module, weights)


ATEN = {"conv_transpose2d": Aten(_transposed)}
TRANSPOSED: rules.Rules = {**rules.CONV, "output_padding": rules.PAIR, "output_shape": rules.TWO}
ONNX = {"ConvTranspose": Onnx(through, (2, 3), TRANSPOSED, make=_module)}
