"""Specs with small buffers, and the fields of a spec that are sizes of buffers."""

import re
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from hypothesis import strategies as st

from arch.counters import Counters
from arch.errors import OperandError, SpecError
from arch.machine import Machine, machine
from arch.spec import MachineSpec, override
from tests.arch.layers import small_layers
from workloads.tensors import LayerTensors

# A field is a size if its name ends in what a buffer holds, and begins with a buffer's own name.
SIZE = re.compile(
    r"(\w+_(glb|spad|buffer|fifo)|glb|[io]aram|accumulator|[io]fmap|filter|activation|weight|"
    r"input|output)_(bytes|words|entries|segments|columns)|\w+_fifo|\w+_window"
)
MOST_HALVINGS = 10
ONE = st.just(1)


def sizes(name: str) -> list[str]:
    """The fields of a machine's spec that are sizes of its buffers."""
    return [field for field in machine(name).spec_type.model_fields if SIZE.fullmatch(field)]


def halved(model: Machine, spec: MachineSpec, halvings: Sequence[int]) -> MachineSpec:
    """Each buffer halved so often, as long as the spec agrees with itself."""
    for field, times in zip(sizes(model.name), halvings, strict=True):
        with suppress(SpecError):
            spec = override(spec, {field: max(1, getattr(spec, field) >> times)})
    return spec


def smallest(
    model: Machine, tensors: LayerTensors, spec: MachineSpec, halvings: Sequence[int]
) -> tuple[MachineSpec, Counters]:
    """The spec with buffers halved so often, or as often as the layer still runs, and its run.

    Raises
    ------
    OperandError, SpecError
        If the layer does not even run with whole buffers.
    """
    for less in range(MOST_HALVINGS):
        small = halved(model, spec, [max(0, times - less) for times in halvings])
        with suppress(OperandError, SpecError):
            return small, model.run(tensors, small).result.counters
    return spec, model.run(tensors, spec).result.counters


@st.composite
def fed_layers(draw, *, basis: bool, images=ONE):
    """Sparse integers; with a basis where the machine has one."""
    layer = draw(small_layers(channels=st.integers(1, 40), filters=st.integers(1, 40)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from((0.1, 0.4, 0.9)))
    shape = (draw(images), layer.C, layer.H, layer.W)
    pixels = (rng.integers(1, 4, shape) * (rng.random(shape) < density)).astype(np.uint8)
    if basis and draw(st.booleans()):
        M = draw(st.integers(1, layer.R * layer.S))
        size = (layer.K, layer.channels_per_group, M)
        signs = rng.choice((-1, 1), size) * (rng.random(size) < density)
        kernels = None
        if layer.R * layer.S > 1:
            kernels = rng.integers(-3, 4, (M, layer.R, layer.S)).astype(np.int8)
        return LayerTensors(layer, pixels, basis=kernels, coefficients=signs.astype(np.int8))
    weights = rng.integers(-3, 4, layer.weight_shape) * (rng.random(layer.weight_shape) < density)
    return LayerTensors(layer, pixels, weights.astype(np.int8))
