"""Random ONNX graphs over all operators: read as ONNX Runtime reads them, or refused in a line.

python -m tests.fuzz.graphs --first 0 --cases 5000
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto

from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.errors import CaptureError
from escalate.train.modules import float_module
from tests.escalate.capture.onnx_builder import Builder
from tests.fuzz import graph_nodes

TOLERANCE = 1e-4  # of the largest output
OPSETS = (13, 17, 18, 20, 21)
MOST_NODES = 7
MOST_NUMBERS = 4096  # of a tensor
SAME, REFUSED, OTHER, TRACEBACK, INVALID = "same", "refused", "OTHER", "TRACEBACK", "invalid"


class Graph(Builder):
    """A graph that grows node by node, with the shape of each of its tensors."""

    def __init__(self, seed):
        super().__init__(seed=seed)
        self.opset = int(self.random.choice(OPSETS))
        sizes = (*self.random.integers(1, 7, 1), *self.random.integers(3, 11, 2))
        self.shape = tuple(map(int, sizes))
        self.shapes = {"image": (1, *self.shape)}

    def number(self, low, high):
        """An integer, both ends included."""
        return int(self.random.integers(low, high + 1))

    def chance(self, share):
        return bool(self.random.random() < share)

    def of(self, *choices):
        return choices[self.number(0, len(choices) - 1)]

    def grown(self):
        """The output of one more operator, or of a few that belong together; None if it is no good.

        What ONNX's own shape inference refuses is taken back.
        """
        before = len(self.nodes), len(self.tensors), dict(self.shapes)
        source = self.of(*[name for name, shape in self.shapes.items() if len(shape) == 4][-3:])
        grow = self.of(*graph_nodes.ALL)
        found = grow(self, source, self.shapes[source])
        if found is not None and self._shaped():
            return found
        self.nodes, self.tensors = self.nodes[: before[0]], self.tensors[: before[1]]
        self.shapes = before[2]
        return None

    def _shaped(self):
        """Whether all new tensors have a shape that is neither empty nor large."""
        try:
            model = onnx.shape_inference.infer_shapes(
                self.model(self.nodes[-1].output[0], 1, self.opset),
                check_type=True,
                strict_mode=True,
            )
        except onnx.shape_inference.InferenceError:
            return False
        known = [*model.graph.value_info, *model.graph.output]
        for each in known:
            sizes = tuple(axis.dim_value for axis in each.type.tensor_type.shape.dim)
            if not sizes or min(sizes) < 1 or np.prod(sizes) > MOST_NUMBERS:
                return False
            if each.type.tensor_type.elem_type == TensorProto.FLOAT:
                self.shapes[each.name] = sizes
        return True


def graph(seed):
    """A graph of some nodes, and the name of its output."""
    made = Graph(seed)
    output, wanted = None, made.number(1, MOST_NODES)
    for _ in range(4 * MOST_NODES):
        output = made.grown() or output
        if len(made.nodes) >= wanted:
            break
    return made, output or made.add("Relu", "image")


@dataclass(frozen=True)
class Outcome:
    """What became of a graph."""

    seed: int
    verdict: str
    told: str

    def __str__(self):
        return f"{self.verdict}: seed {self.seed}: {self.told}"


def once(seed, folder):
    """Build a graph, let ONNX Runtime and us read it, compare."""
    made, output = graph(seed)
    if made.nodes[-1].op_type == "Softmax":  # at the end it is left out, and told
        output = made.nodes[-1].input[0]
    path = Path(folder) / "graph.onnx"
    made.save(path, output, 1, made.opset)
    kinds = " ".join(node.op_type for node in made.nodes)
    image = made.random.normal(size=made.shapes["image"]).astype(np.float32)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        wanted = session.run(None, {"image": image})[0].ravel()
    except Exception as error:  # its own classes have no common base
        return Outcome(seed, INVALID, f"{kinds}: {str(error).splitlines()[0]}")
    if not np.isfinite(wanted).all():
        return Outcome(seed, INVALID, f"{kinds}: not finite")
    try:
        network = capture(OnnxModule(path), torch.zeros(made.shapes["image"]), "net")
        with torch.no_grad():
            found = float_module(network)(torch.from_numpy(image)).numpy().ravel()
    except CaptureError as error:
        return Outcome(seed, REFUSED if "\n" not in str(error) else OTHER, f"{kinds}: {error}")
    except Exception as error:
        return Outcome(seed, TRACEBACK, f"{kinds}: {error!r}")
    if found.shape != wanted.shape:
        return Outcome(seed, OTHER, f"{kinds}: {found.size} numbers, {wanted.size} wanted")
    apart = np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-6)
    return Outcome(seed, SAME if apart <= TOLERANCE else OTHER, f"{kinds}: {apart:.1e} apart")


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.graphs", description=__doc__)
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--cases", type=int, default=300, metavar="N")
    parser.add_argument("--refusals", action="store_true", help="show these, too")
    given = parser.parse_args()
    torch.set_num_threads(1)
    begun, table, kinds = time.monotonic(), Counter(), Counter()
    with tempfile.TemporaryDirectory(prefix="escalate-graphs-") as folder:
        for seed in range(given.first, given.first + given.cases):
            found = once(seed, folder)
            table[found.verdict] += 1
            kinds.update(f"{found.verdict} {kind}" for kind in found.told.split(":")[0].split())
            shown = (OTHER, TRACEBACK, *((REFUSED, INVALID) if given.refusals else ()))
            if found.verdict in shown:
                print(found, flush=True)
    read = sorted({kind.split()[1] for kind in kinds if kind.startswith(SAME)})
    print(f"{len(read)} operators in graphs that are read: {' '.join(read)}")
    print(f"{given.cases} graphs in {time.monotonic() - begun:.0f} s:", dict(table))
    return bool(table[OTHER] or table[TRACEBACK])


if __name__ == "__main__":
    sys.exit(main())
