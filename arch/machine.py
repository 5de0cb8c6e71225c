"""Machine: the interface of every simulated machine, and the registry of machines by name.

The registry holds ours and those that installed distributions bring, see :mod:`arch.foreign`.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from arch.area import NM2_PER_MM2, Area
from arch.counters import LayerResult
from arch.energy import EnergyTable
from arch.errors import SpecError
from arch.foreign import loaded, offers
from arch.spec import MachineSpec
from workloads.layer import ConvLayer
from workloads.tensors import LayerTensors

if TYPE_CHECKING:
    from arch.steps import Steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of a machine, printed beside every comparison.

    ``area`` is in square nanometres by component, empty where a model gives none.

    Examples
    --------
    >>> Resources(1, 1, 0, {"pe": 2_000_000_000, "buffer": 500_000_000}).area_mm2
    0.0025
    """

    multipliers: int
    adders: int
    sram_bytes: int
    area: Area = field(default_factory=dict, hash=False)

    @property
    def area_mm2(self) -> float:
        """Area of all components together; 0 if the model gives no area."""
        return sum(self.area.values()) / NM2_PER_MM2


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a layer's run needs to know of the layers before and after it.

    Parameters
    ----------
    input_planes : channels of each plane in which the input lies in DRAM; None for one plane
    input_on_chip : the input is the output of the layer before and still lies in a buffer
    handed_on : the output is the whole input of the next layer, so it may stay on chip
    stored : a later layer reads it too, so it goes to DRAM even if it stays
    swapped : an odd number of layers has handed on its output, so the two buffers have each
        other's role
    """

    input_planes: tuple[int, ...] | None = None
    input_on_chip: bool = False
    handed_on: bool = False
    stored: bool = True
    swapped: bool = False


ALONE = Neighbours()


class Kept:
    """Results that depend only on the tensors, kept for runs with another spec.

    Of each purpose only the latest is held, so a sweep keeps what neighbouring points share.

    Examples
    --------
    >>> kept = Kept()
    >>> [kept.get("square", side, lambda side=side: side * side) for side in (3, 3, 4)]
    [9, 9, 16]
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[Hashable, Any]] = {}

    def get(self, purpose: str, key: Hashable, make: Callable[[], T]) -> T:
        """The value for ``purpose`` under ``key``; made now if the last key was another one."""
        if purpose not in self._found or self._found[purpose][0] != key:
            self._found[purpose] = (key, make())
        found: T = self._found[purpose][1]
        return found

    def latest(self, purpose: str) -> Any:
        """The value that is held for ``purpose``; None where nothing is."""
        return self._found[purpose][1] if purpose in self._found else None


@dataclass(frozen=True, slots=True, eq=False)
class LayerRun:
    """One simulated layer: its counts, and the psums that the machine computed.

    ``psums`` is int32 (N, K, P, Q), or None where only a shape was simulated.
    ``output_planes`` are the channels of each plane in which the output lies in DRAM;
    ``input_on_chip`` and ``output_stays`` tell what became of the neighbours' offers;
    ``steps`` are what a timeline is drawn from, None where the machine draws its own.
    """

    result: LayerResult
    psums: np.ndarray | None
    output_planes: tuple[int, ...]
    input_on_chip: bool = False
    output_stays: bool = False
    steps: "Steps | None" = None


class Machine(Protocol):
    """One machine model.  ``name``, ``summary`` and ``source`` describe it in listings.

    ``presets`` are its spec with numbers, the first one used where none is named.  A machine that
    ``eats_shapes`` needs no tensors, because no value changes what it does.  One that
    ``eats_basis`` multiplies by a basis and is fed compressed models; the others are fed 8-bit
    weights.

    A machine may also have ``kept_fields``, names of the fields that what it works out once for
    ``kept`` depends on: sweeps then put points next to each other that agree in them; ``trace``
    and ``trace_shape``, which run a layer and give its timeline (:mod:`arch.trace`); and
    ``published``, the numbers that somebody published about it, see ``escalate validate``.
    :class:`arch.model.Model` has all of them but the last.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    spec_type: ClassVar[type[MachineSpec]]
    presets: ClassVar[Mapping[str, MachineSpec]]
    eats_shapes: ClassVar[bool]
    eats_basis: ClassVar[bool]

    def run(
        self,
        tensors: LayerTensors,
        spec: MachineSpec,
        around: Neighbours = ALONE,
        kept: Kept | None = None,
    ) -> LayerRun:
        """Simulate one layer on real integers; raise an error for what the machine cannot take.

        ``kept`` belongs to these tensors; it never changes a result.
        """
        ...

    def run_shape(self, layer: ConvLayer, spec: MachineSpec, images: int = 1) -> LayerRun:
        """Simulate one layer known only by shape (machines with ``eats_shapes``)."""
        ...

    def prices(self, spec: MachineSpec) -> EnergyTable:
        """Energy of each (component, action) that the machine counts."""
        ...

    def resources(self, spec: MachineSpec) -> Resources:
        """Multipliers, adders, SRAM bytes and area."""
        ...


# ours: name -> module that holds the constant MACHINE
MACHINES: Mapping[str, str] = {
    "basis_first": "arch.basis_first.model",
    "systolic": "arch.systolic.model",
    "eyeriss": "arch.eyeriss.model",
    "scnn": "arch.scnn.model",
    "sparten": "arch.sparten.model",
    "eyeriss_v2": "arch.eyeriss_v2.model",
    "bit_tactical": "arch.bit_tactical.model",
    "crossbar": "arch.crossbar.model",
}


def machine_names() -> tuple[str, ...]:
    """The names of all machines: ours, then those of installed distributions."""
    return tuple(dict.fromkeys((*MACHINES, *offers())))


def machine(name: str) -> Machine:
    """The machine of that name.

    Raises
    ------
    SpecError
        Listing the machines there are, or telling what is wrong with an installed one.

    Examples
    --------
    >>> machine("abacus")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    arch.errors.SpecError: unknown machine 'abacus', allowed are basis_first, systolic, ...
    """
    if name not in machine_names():
        raise SpecError(f"unknown machine {name!r}, allowed are {', '.join(machine_names())}")
    offered = offers().get(name)
    if offered is None:
        ours: Machine = import_module(MACHINES[name]).MACHINE
        return ours
    foreign: Machine = loaded(offered, MACHINES)
    return foreign


def preset(of: Machine, name: str) -> MachineSpec:
    """A machine's preset by name.

    Raises
    ------
    SpecError
        Listing the presets there are.
    """
    if name not in of.presets:
        allowed = ", ".join(of.presets)
        raise SpecError(f"{of.name}: unknown preset {name!r}, allowed are {allowed}")
    return of.presets[name]
