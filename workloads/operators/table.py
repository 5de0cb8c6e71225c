"""table: a function of one number, looked up by its eight bits; SiLU, sigmoid, PReLU, GELU ..."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workloads.errors import WorkloadError
from workloads.formula import MOST_CONSTANTS, check_formula, constants_in, evaluate, torch_evaluate
from workloads.operator import Checked, Operator, Shape, Span
from workloads.requantize import looked_up

if TYPE_CHECKING:
    import torch

    from workloads.graph import Node
    from workloads.integer import IntegerModel

CODES = np.concatenate([np.arange(128), np.arange(-128, 0)])  # of int8, by their eight bits
PROBES = np.concatenate([np.linspace(0, 16, 4097), np.geomspace(16, 1e4, 257)])


class Table(Operator):
    """``formula`` of each number; its constants, one value for each channel, are e.g. slopes.

    In integers, entry i of the channel's 256 belongs to the operand whose eight bits are i, as an
    unsigned number.  All channels share one table where the formula has no constants.
    """

    attributes: Mapping[str, Checked] = {
        "formula": Checked(lambda name, v: check_formula(name, v, MOST_CONSTANTS))
    }
    stores = ("arrays", "bounds")
    owns_range = True
    reads_bytes = True
    keeps_zero = False

    def constants(self, node: "Node") -> int:
        """As many as the formula speaks of."""
        return constants_in(node.attributes["formula"])

    def shape(self, node: "Node", operands: Sequence[Shape]) -> Shape:
        """That of the operand."""
        return operands[0]

    def integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """The table's entries."""
        return looked_up(model.arrays[node.name]["table"], operands[0])

    def torch_integers(
        self, model: "IntegerModel", node: "Node", operands: Sequence["torch.Tensor"]
    ) -> "torch.Tensor":
        """The table's entries, gathered channel by channel."""
        import torch

        table = torch.tensor(model.arrays[node.name]["table"], dtype=torch.int64)
        table = table.to(operands[0].device)
        index = torch.where(operands[0] < 0, operands[0] + 256, operands[0])
        planes = [
            table[min(channel, len(table) - 1)].index_select(0, plane.reshape(-1)).view_as(plane)
            for channel, plane in enumerate(index.unbind(1))
        ]
        return torch.stack(planes, dim=1)

    def work(
        self, model: "IntegerModel", node: "Node", operands: Sequence[Shape]
    ) -> Mapping[str, int]:
        """A lookup for each number."""
        return {"lookup": math.prod(node.shape)}

    def floats(self, node: "Node", operands: Sequence["torch.Tensor"]) -> "torch.Tensor":
        """The formula of each number."""
        values, *constants = operands
        spread = [each[:, None, None] for each in constants]
        return torch_evaluate(node.attributes["formula"], values, spread)

    def signed(self, node: "Node", operands: Sequence[bool]) -> bool:
        """Whether the formula is negative anywhere; of one with constants, it is assumed."""
        if self.constants(node):
            return True
        probes = np.concatenate([-PROBES, PROBES]) if any(operands) else PROBES
        return bool((evaluate(node.attributes["formula"], probes, []) < 0).any())

    def zeros(
        self, model: "IntegerModel", node: "Node", operands: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Channels whose operand is 0 and whose table has 0 for it."""
        at_zero = model.arrays[node.name]["table"][:, 0] == 0
        found: np.ndarray = operands[0] & at_zero
        return found

    def lowered(
        self,
        node: "Node",
        constants: Sequence[np.ndarray],
        before: Sequence[Span],
        after: Span,
    ) -> Mapping[str, np.ndarray]:
        """The table: each value in steps of the output, rounded half to even and clamped."""
        codes = CODES if before[0].low < 0 else np.arange(256)
        spread = [each.astype(np.float64)[:, None] for each in constants]
        found = evaluate(node.attributes["formula"], codes * before[0].scale, spread)
        found = np.broadcast_to(np.atleast_2d(found), (np.atleast_2d(found).shape[0], 256))
        if np.isnan(found).any():
            code = int(codes[np.isnan(found).any(axis=0).argmax()])
            raise WorkloadError(
                f"{node.name}: the function has no value at {code * before[0].scale:g}"
            )
        steps = np.clip(np.rint(found / after.scale), after.low, after.high)
        return {"table": steps.astype(np.int16)}

    def check_arrays(self, node: "Node", arrays: Mapping[str, np.ndarray]) -> str | None:
        """What is wrong with stored arrays; None for what ``lowered`` makes."""
        table = arrays.get("table")
        rows = 1 if table is not None and table.shape[:1] == (1,) else node.shape[0]
        return self.misshapen(arrays, {"table": (rows, 256)}, np.int16)


OPERATOR = Table()
