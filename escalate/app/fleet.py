"""fleet: several machines, or one with different numbers, that are fed the same layers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from arch.errors import InvariantError, OperandError, SpecError
from arch.machine import Kept
from arch.simulate import Session, Shape
from arch.trace import LayerTrace
from escalate.app.machines import Choice
from workloads.network import Handover
from workloads.requantize import Lookup, Requantizer
from workloads.tensors import LayerTensors

# what runs, layers done, layers in all
Watch = Callable[[str, int, int], None]
Refusal = OperandError | SpecError
Layer = TypeVar("Layer", LayerTensors, Shape, LayerTensors | Shape)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came out of a layer on all machines.

    Parameters
    ----------
    psums : int32, shape (N, K, P, Q), the same on all of them; None of a shape
    output : what a machine stored of them by the layer's own rule, the same shape; None where none
        worked that out
    """

    psums: np.ndarray | None = None
    output: np.ndarray | None = None


class Fleet:
    """Machines that simulate a network side by side, layer by layer.

    What one of them works out of a layer's tensors is kept for the next, and forgotten behind
    the layer; results do not depend on that.

    Parameters
    ----------
    choices : machines and their numbers
    handovers : as for ``Session``
    total : layers there will be
    watch : called before every layer of every machine
    tolerant : keep the refusal of a machine in ``refusals`` and go on with the others

    Raises
    ------
    SpecError
        If the tables do not fit a machine, unless ``tolerant``.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        handovers: Mapping[str, Handover],
        total: int,
        watch: Watch | None = None,
        *,
        tolerant: bool = False,
    ) -> None:
        self.choices = tuple(choices)
        self.sessions: dict[int, Session] = {}
        self.refusals: dict[int, Refusal] = {}
        self._total, self._watch, self._tolerant = total, watch, tolerant
        self._done = 0
        for n, choice in enumerate(choices):
            try:
                self.sessions[n] = Session(
                    choice.machine, choice.spec, choice.own_prices, handovers
                )
            except SpecError as refusal:
                self._refuse(n, refusal)

    def run(self, layer: LayerTensors | Shape) -> Outcome:
        """One layer on all machines, whose psums must be the same.

        Raises
        ------
        OperandError, SpecError
            If a machine refuses the layer; with ``tolerant``, if none is left.
        InvariantError
            If two machines disagree about a psum.
        """
        kept = Kept()
        psums: np.ndarray | None = None
        ran = False
        for n in list(self.sessions):
            self._tell(n)
            try:
                mine = self._run(n, layer, kept)
            except (OperandError, SpecError) as refusal:
                self._refuse(n, refusal)
                continue
            if ran and not _same(mine, psums):
                raise InvariantError(
                    f"{layer.layer.name}: the psums of {self.choices[n].machine.name} are not "
                    "those of the machine before"
                )
            psums, ran = mine, True
        self._done += 1
        if not ran:
            raise next(iter(self.refusals.values()))
        return Outcome(psums, _stored(layer, kept))

    def trace(self, layer: LayerTensors | Shape) -> LayerTrace:
        """The timeline of one layer on the first machine."""
        self._tell(0)
        return self.sessions[0].trace(as_fed(layer, self.choices[0]))

    def _run(self, n: int, layer: LayerTensors | Shape, kept: Kept) -> np.ndarray | None:
        fed = as_fed(layer, self.choices[n])
        return self.sessions[n].run(fed, kept if fed is layer else None).psums

    def _refuse(self, n: int, refusal: Refusal) -> None:
        if not self._tolerant:
            raise refusal
        self.refusals[n] = refusal
        self.sessions.pop(n, None)

    def _tell(self, n: int) -> None:
        if self._watch is not None:
            count = len(self.choices)
            name = self.choices[n].machine.name
            self._watch(name, self._done * count + n, self._total * count)


def _stored(layer: LayerTensors | Shape, kept: Kept) -> np.ndarray | None:
    """The output that machines found with the layer's own requantizer, if they had to."""
    found = kept.latest("output")
    if found is None or not isinstance(layer, LayerTensors) or layer.requantizer is None:
        return None
    values: np.ndarray = found[0]
    return values


def _same(mine: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return mine is theirs or np.array_equal(mine, theirs)


def too_wide(rule: Requantizer | Lookup | None, choice: Choice) -> bool:
    """Whether outputs are wider than the words of a machine that has a word width."""
    width = getattr(choice.spec, "operand_bytes", None)
    return width is not None and rule is not None and np.dtype(rule.dtype).itemsize > width


def as_fed(layer: Layer, choice: Choice) -> Layer:
    """The layer as the machine takes it.

    A machine whose words are 8 bits wide refuses to write 16-bit logits.  It is not told how the
    last layer's psums become outputs, and counts one word for each (Assumption; noted in the row).
    """
    if isinstance(layer, LayerTensors) and too_wide(layer.requantizer, choice):
        return replace(layer, requantizer=None)
    return layer
