"""undecomposed: the result of a layer on a machine without a basis, from its steps and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from arch.charges import Key, common_events, shortcut_bytes
from arch.counters import Counters, LayerResult
from arch.errors import InvariantError, OperandError
from arch.machine import Kept, LayerRun
from arch.memory import Timeline, peak_bandwidth
from arch.pairs import effectual_ops
from arch.spec import MachineSpec
from arch.steps import Steps
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What one machine did for one layer, without DRAM.

    Parameters
    ----------
    steps : Steps, in order; DRAM bytes before they are rounded up to bursts
    units : number of units whose time ``causes`` explains
    causes : unit-cycles by cause; add up to units x cycles of the steps
    multiplies : multiplications performed
    traffic : bytes by (level, tensor, direction) between levels on chip
    events : actions by (component, action, tensor), those of ``common_events`` left out
    drain_cycles, pipeline_cycles : cycles of the steps that are neither computing nor waiting
    extras : the machine's own integers and choices
    stored : bytes of a tensor as it lies in DRAM, of those that are not stored whole
    """

    steps: Steps
    units: int
    causes: Mapping[str, int]
    multiplies: int
    traffic: Mapping[Key, int]
    events: Mapping[Key, int]
    drain_cycles: int = 0
    pipeline_cycles: int = 0
    extras: Mapping[str, Any] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)

    def with_shift(self, shift: int | None) -> "Work":
        """The same, with the output shift that was used if no requantizer is known."""
        if shift is None:
            return self
        return replace(self, extras={**self.extras, "output_shift": shift})


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """What the machine was fed: a layer, the number of images, and their origin.

    ``effectual_ops`` is None where no tensor tells; ``stored`` are bytes of whole tensors in DRAM.
    """

    layer: ConvLayer
    images: int
    macs: int
    effectual_ops: int | None
    stored: Mapping[str, int]
    shortcut: int
    provenance: Mapping[str, Any]


def fed(tensors: LayerTensors, spec: MachineSpec, kept: Kept | None) -> Fed:
    """Tensors as they are."""
    memory = kept or Kept()
    digest = memory.get("digest", (), tensors.digest)
    return Fed(
        tensors.layer,
        tensors.images,
        tensors.dense_macs,
        effectual_ops(tensors, memory),
        whole(tensors.layer, tensors.images, spec),
        shortcut_bytes(tensors, spec),
        {"origin": tensors.origin, "digest": digest},
    )


def whole(layer: ConvLayer, images: int, spec: MachineSpec) -> dict[str, int]:
    """Bytes of a layer's tensors, stored in the machine's words without compression."""
    word = getattr(spec, "operand_bytes", 1)
    psum = -(-getattr(spec, "psum_bits", 32) // 8)
    return {
        "input": images * layer.C * layer.H * layer.W * word,
        "weight": layer.K * layer.channels_per_group * layer.R * layer.S * word,
        "psum": images * layer.K * layer.P * layer.Q * psum,
    }


def fed_shape(layer: ConvLayer, images: int, spec: MachineSpec) -> Fed:
    """A shape without tensors, whose zeros are unknown.

    Raises
    ------
    OperandError
        If there is no image.
    """
    if images < 1:
        raise OperandError(f"{layer.name}: images is {images}, wanted at least 1")
    stored = whole(layer, images, spec)
    return Fed(layer, images, layer.macs * images, None, stored, 0, {"origin": "shape"})


def layer_run(
    machine: str,
    mode: str,
    source: Fed,
    spec: MachineSpec,
    work: Work,
    psums: np.ndarray | None,
    *,
    input_on_chip: bool = False,
    output_stays: bool = False,
) -> LayerRun:
    """Schedule the DRAM, add what every machine counts, and check that everything adds up.

    Parameters
    ----------
    machine : name of the machine
    mode : what it looked at, ``dense`` or ``sparse``
    source : Fed
    spec : MachineSpec
    work : Work
    psums : int32 (N, K, P, Q), or None where only a shape was simulated
    input_on_chip, output_stays : what became of the neighbours' offers

    Raises
    ------
    InvariantError
        If steps, stalls and cycles, or causes and cycles, do not add up.
    """
    layer, timeline = source.layer, work.steps.timeline(spec)
    if work.steps.cycles + timeline.stall_cycles != timeline.cycles:
        raise InvariantError(f"{layer.name}: steps and stalls do not add up to the cycles")
    result = LayerResult(
        layer,
        source.images,
        machine,
        spec,
        mode=mode,
        counters=_counters(source, spec, work, timeline),
        extras=dict(work.extras),
        provenance=source.provenance,
        stored={**source.stored, **work.stored},
    )
    return LayerRun(result, psums, (layer.K,), input_on_chip, output_stays, work.steps)


def _counters(source: Fed, spec: MachineSpec, work: Work, timeline: Timeline) -> Counters:
    """What the machine counted, with the DRAM, its stalls and what is counted everywhere alike."""
    layer = source.layer
    moved = {
        ("dram", "shortcut", "read"): source.shortcut,
        **work.steps.dram(spec),
        **work.traffic,
    }
    outputs = source.images * layer.K * layer.P * layer.Q
    return Counters(
        cycles=timeline.cycles,
        compute_cycles=work.steps.cycles - work.drain_cycles - work.pipeline_cycles,
        drain_cycles=work.drain_cycles,
        pipeline_cycles=work.pipeline_cycles,
        memory_stall_cycles=timeline.stall_cycles,
        macs=source.macs,
        effectual_ops=source.effectual_ops,
        multiplies=work.multiplies,
        units=work.units,
        causes={**work.causes, "dram": work.units * timeline.stall_cycles},
        traffic=moved,
        events={**work.events, **common_events(moved, timeline.cycles, outputs)},
        peak_bandwidth=peak_bandwidth(timeline.requests, spec.clock_hz),
    )
