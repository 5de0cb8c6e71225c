"""Is what runs between layers counted once, and is nothing of it free?"""

import math
from collections import Counter

import numpy as np
import pytest

from tests.operators import DRAWN, case
from tests.workloads.models import conv, every_operator, pool, random_graph, random_integers
from workloads.between import ACTIONS, OnHost
from workloads.convolve import convolve
from workloads.execute import Execution, quantize_images
from workloads.graph import Graph, Node
from workloads.operator_costs import between
from workloads.operators import operator


def costs(*nodes, seed=0):
    """What a network of these nodes costs, by layer; all its numbers take one byte."""
    source = Node("x", "input", (), (4, 6, 6))
    graph = Graph("net", (source, *nodes))
    model = random_integers(np.random.default_rng(seed), graph)
    return between(model)


A = conv("a", "x", (4, 6, 6), 8)


def test_a_pool_behind_a_layer_reads_what_leaves_it():
    found = costs(
        A, pool("p", "max_pool", "a", (8, 6, 6), (3, 3), (3, 3)), conv("b", "p", (8, 2, 2), 3)
    )
    assert found.keys() == {"a"}
    assert found["a"].actions == {"compare": 8 * 4 * 8}
    assert (found["a"].reads, found["a"].writes, found["a"].host) == ([], [], [])


def test_a_mean_adds_and_rescales_once_for_each_window():
    found = costs(
        A, pool("p", "avg_pool", "a", (8, 6, 6), (2, 3), (2, 3)), conv("b", "p", (8, 3, 2), 3)
    )
    assert found["a"].actions == {"add": 48 * 5, "rescale": 48}


def test_windows_of_several_sizes_count_what_they_hold():
    attributes = {"kernel": [3, 2], "stride": [1, 1], "padding": [0] * 4, "tops": [0, 2]}
    attributes |= {"rows": [3, 1], "lefts": [0, 4, 5], "columns": [2, 2, 1]}
    node = Node("p", "avg_pool", ("a",), (8, 2, 3), attributes=attributes)
    found = costs(A, node, conv("b", "p", (8, 2, 3), 3))
    # windows hold 6, 6, 3, 2, 2 and 1 numbers
    assert found["a"].actions == {"add": 8 * (20 - 6), "rescale": 8 * 6}


def test_a_shortcut_is_read_with_its_layer_and_not_again():
    """MEM-16 charges it; the sum takes the place of the layer's output."""
    b = conv("b", "a", (8, 6, 6), 8)
    add = Node("sum", "add", ("b", "a"), (8, 6, 6), relu=True)
    found = costs(A, b, add, conv("c", "sum", (8, 6, 6), 3))
    assert found["b"].actions == {"rescale": 2 * 288, "add": 288}
    assert (found["b"].reads, found["b"].writes) == ([], [])


def test_a_gate_reads_the_planes_again_and_writes_the_product():
    """Squeeze and excitation: the planes have left when the gate is known."""
    squeezed = pool("mean", "avg_pool", "a", (8, 6, 6), (6, 6), (1, 1))
    gate = conv("gate", "mean", (8, 1, 1), 8)
    sigmoid = Node("table", "table", ("gate",), (8, 1, 1), attributes={"formula": ["sigmoid", "x"]})
    product = Node("product", "multiply", ("a", "table"), (8, 6, 6))
    found = costs(A, squeezed, gate, sigmoid, product, conv("c", "product", (8, 6, 6), 3))
    assert found["a"].actions == {"add": 8 * 35, "rescale": 8}
    assert (found["a"].reads, found["a"].writes) == ([], [8])  # the planes are stored as well
    assert found["gate"].actions == {"lookup": 8, "multiply": 288, "rescale": 288}
    assert (found["gate"].reads, found["gate"].writes) == ([288], [280])  # 8 the layer counts


def test_joined_tensors_move_nothing_but_what_an_operator_reads():
    """DenseNet: a batch norm behind a concatenation reads the older part and writes it all."""
    b = conv("b", "a", (8, 6, 6), 2)
    both = Node("both", "concat", ("a", "b"), (10, 6, 6))
    norm = Node("norm", "affine", ("both",), (10, 6, 6))
    found = costs(A, b, both, norm, conv("c", "norm", (10, 6, 6), 3))
    assert found["b"].actions == {"rescale": 360 + 360, "add": 360}
    assert (found["b"].reads, found["b"].writes) == ([288], [360 - 72])
    alone = costs(A, b, both, conv("c", "both", (10, 6, 6), 3))
    assert alone["b"].actions == {"rescale": 360}
    assert (alone["b"].reads, alone["b"].writes) == ([], [])


def test_the_host_reads_and_writes_dram_and_machines_read_it_again():
    softmax = Node("soft", "softmax", ("a",), (8, 6, 6), attributes={"axis": 1})
    scaled = Node("scaled", "affine", ("soft",), (8, 6, 6))
    found = costs(A, softmax, scaled, conv("b", "scaled", (8, 6, 6), 3))
    assert found["a"].host == [OnHost("soft", "softmax", (8, 6, 6), 36 * 38, (288,), 288)]
    assert found["a"].actions == {"rescale": 288, "add": 288}
    assert (found["a"].reads, found["a"].writes) == ([288], [288])


def test_what_runs_in_front_of_the_first_layer_counts_there():
    found = costs(
        Node("r", "relu", ("x",), (4, 6, 6), relu=True, maximum=6.0), conv("a", "r", (4, 6, 6), 8)
    )
    assert found["a"].actions == {"compare": 2 * 144}
    assert (found["a"].reads, found["a"].writes) == ([144], [144])


class Counted:
    """A number that counts what is done with it."""

    done = 0

    def __init__(self, value):
        self.value = float(value)

    def _of(self, value):
        Counted.done += 1
        return Counted(value)

    def exp(self):
        return self._of(math.exp(self.value))

    def sqrt(self):
        return self._of(math.sqrt(self.value))

    def __lt__(self, other):
        Counted.done += 1
        return self.value < value_of(other)

    def __gt__(self, other):
        Counted.done += 1
        return self.value > value_of(other)

    __ge__ = __gt__
    __le__ = __lt__


def value_of(each):
    return each.value if isinstance(each, Counted) else float(each)


def _operation(name):
    def act(self, other):
        return self._of(getattr(self.value, name)(value_of(other)))

    return act


for word in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow"):
    setattr(Counted, f"__{word}__", _operation(f"__{word}__"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["softmax", "normalize"])
def test_operations_of_the_host_are_what_its_own_code_does(name, seed):
    """The one implementation, on numbers that count."""
    rng = np.random.default_rng(seed)
    source = Node("x", "input", (), (4, 3, 2))
    (node,) = case(name).draw(rng, "n", source, [source])
    values = rng.normal(size=(1, *source.shape))
    counting = np.vectorize(Counted, otypes=[object])(values)
    Counted.done = 0
    found = node.operator.compute(node, [counting])
    wanted = node.operator.compute(node, [values])
    np.testing.assert_allclose(np.vectorize(value_of)(found), wanted)
    assert node.operator.operations(node, [source.shape]) == Counted.done


def test_operations_of_a_local_norm_and_a_resize_by_hand():
    attributes = {"size": 5, "alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    norm = Node("n", "local_norm", ("x",), (4, 3, 2), attributes=attributes)
    # 1 square, 4 additions, times alpha / size, plus bias, a power, a division
    assert norm.operator.operations(norm, [(4, 3, 2)]) == 24 * 9
    resize = Node("r", "interpolate", ("x",), (4, 6, 5), attributes={"size": [6, 5], "corners": 0})
    # rows first: 6 x 2 numbers, then 6 x 5, each of two products and an addition
    assert resize.operator.operations(resize, [(4, 3, 2)]) == 4 * 3 * (6 * 2 + 6 * 5)


def test_operations_of_products_and_gates_by_hand():
    shapes = [(2, 3, 4), (2, 4, 5)]
    for factor, scaled in ((1.0, 0), (0.5, 1)):
        product = Node("n", "matmul", ("x", "y"), (2, 3, 5), attributes={"factor": factor})
        # 4 products, 3 additions, perhaps times the factor
        assert product.operator.operations(product, shapes) == 2 * 3 * 5 * (4 + 3 + scaled)
    gates = Node("g", "response_norm", ("x",), (4, 1, 1), attributes={"epsilon": 1e-6})
    # of each plane 6 squares, 5 additions, a root; their mean plus epsilon; 4 divisions
    assert gates.operator.operations(gates, [(4, 3, 2)]) == 4 * (6 + 5 + 1) + (3 + 1 + 1) + 4


@pytest.mark.parametrize("name", DRAWN)
def test_every_operator_says_what_it_costs(name):
    """Arithmetic, or only movement; nothing is free because nobody asked."""
    rng = np.random.default_rng(1)
    source = Node("x", "input", (), (4, 6, 6))
    *before, node = case(name).draw(rng, "n", source, [source])
    graph = Graph("net", (source, *before, node, conv("last", "n", node.shape, 3)))
    found = random_integers(rng, graph)
    kind = operator(name)
    if kind.has_layer:
        return
    shapes = [graph[each].shape for each in node.inputs]
    if kind.on_host:
        assert kind.operations(node, shapes) > 0
        return
    work = kind.work(found, node, shapes)
    assert set(work) <= set(ACTIONS)
    assert (sum(work.values()) > 0) == (not kind.moves or name == "concat")


@pytest.mark.parametrize("seed", range(30))
def test_shortcuts_are_charged_by_the_machine_or_here(seed):
    """Every operand that did not leave the last layer is read: by one of the two, never by both."""
    rng = np.random.default_rng(seed)
    graph = every_operator() if seed == 0 else random_graph(rng, 10)
    model = random_integers(rng, graph)
    shape = (1, *graph.nodes[0].shape)
    inputs = quantize_images(model.image, rng.integers(0, 256, shape).astype(np.uint8))
    run, shortcuts = Execution(model, inputs), Counter()
    for asked in run:
        if asked.layer.shortcut is not None:
            shortcuts[asked.layer.layer.name] = asked.layer.shortcut.nbytes
        asked.done(convolve(asked.layer))
    read = Counter(shortcuts)
    for name, each in between(model).items():
        read[name] += sum(each.reads)
    wanted, behind, fresh = Counter(), graph.convs[0].name, {}
    for node in graph.nodes[1:]:
        sizes = {each: run.outputs[each].nbytes for each in (*node.inputs, node.name)}
        if node.layer is not None:
            behind, fresh = node.name, {node.name: sizes[node.name]}
        elif node.operator.on_host:
            fresh = {}
        elif node.operator.moves:
            held = sum(fresh.get(each, 0) for each in set(node.inputs))
            whole = held == sum(sizes[each] for each in set(node.inputs))
            fresh[node.name] = sizes[node.name] if whole else min(held, sizes[node.name])
        else:
            missing = {each: sizes[each] - fresh.get(each, 0) for each in node.inputs}
            for each, size in missing.items():
                wanted[behind] += size if not _waits(graph, node, each, run.outputs) else 0
            fresh[node.name] = sizes[node.name]
    assert +read == +(wanted + shortcuts)


def _waits(graph, add, operand, outputs):
    """Whether the operand of an addition is the shortcut of a layer."""
    if not add.operator.adds or len(set(add.inputs)) < 2:
        return False
    (other,) = (each for each in add.inputs if each != operand)
    position = [node.name for node in graph.nodes].index
    alone = graph[other].layer is not None and len(graph.consumers(other)) == 1
    same = outputs[other].shape == outputs[operand].shape
    return alone and same and position(operand) < position(other)
