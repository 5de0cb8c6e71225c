"""Is a graph in execution order, and does it know who makes and who reads a tensor?"""

import pytest

from tests.workloads.models import conv, every_operator, padded, strided
from workloads.errors import WorkloadError
from workloads.graph import Graph, Node

INPUT = Node("input", "input", (), (3, 9, 11))


def test_nodes_are_found_by_name():
    graph = every_operator()
    assert graph["max"].op == "max_pool"
    assert graph.output.name == "linear"
    assert [node.name for node in graph.convs] == [
        "first",
        "strided",
        "depthwise",
        "grouped",
        "point",
        "linear",
    ]
    with pytest.raises(KeyError, match="nobody"):
        graph["nobody"]


def test_consumers_are_in_order():
    graph = every_operator()
    names = [node.name for node in graph.consumers("add")]
    assert names == ["depthwise", "grouped", "concat"]
    assert graph.consumers("linear") == ()


@pytest.mark.parametrize(
    ("name", "producers"),
    [
        ("input", ()),
        ("first", ("first",)),
        ("columns", ("first",)),
        ("widen", ()),
        ("add", ("strided",)),
        ("concat", ("depthwise", "grouped", "strided")),
        ("relu", ("depthwise", "grouped", "strided")),
        ("mean", ("point",)),
        ("flatten", ()),
        ("linear", ("linear",)),
    ],
)
def test_producers(name, producers):
    assert every_operator().producers(name) == producers


def test_producers_need_every_operand_and_every_channel():
    nodes = (
        INPUT,
        conv("c", "input", (3, 9, 11), 4, R=9, S=11),
        Node("flat", "flatten", ("c",), (4, 1, 1)),
        Node("half", "concat", ("input", "input"), (6, 9, 11)),
        strided("two", "flat", (4, 1, 1), 1, 0, 2, 1),
        padded("rows", "flat", (4, 1, 1), (0, 0, 1, 1, 0, 0)),
    )
    graph = Graph("net", nodes)
    assert graph.producers("flat") == ("c",)
    assert graph.producers("half") == ()
    assert graph.producers("two") == ()
    assert graph.producers("rows") == ("c",)


A = Node("a", "relu", ("input",), (3, 9, 11), relu=True)
BAD = {
    "operator": (
        (INPUT, Node("a", "mix", ("input",), (1, 1, 1))),
        "net: a: unknown operator 'mix'",
    ),
    "no input": ((A,), "net: wanted exactly one input, as the first node"),
    "two inputs": (
        (INPUT, Node("b", "input", (), (1, 1, 1))),
        "net: wanted exactly one input, as the first node",
    ),
    "name twice": ((INPUT, A, A), "net: node name 'a' appears twice"),
    "missing operand": (
        (INPUT, Node("a", "relu", ("b",), (3, 9, 11))),
        "net: a reads 'b', which no earlier node makes",
    ),
    "later operand": (
        (INPUT, Node("a", "relu", ("a",), (3, 9, 11))),
        "net: a reads 'a', which no earlier node makes",
    ),
    "conv without layer": (
        (INPUT, Node("a", "conv", ("input",), (3, 9, 11))),
        "net: a: layer and operator disagree",
    ),
    "input alone": ((INPUT,), "net: wanted an input and at least one operator"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_graphs_are_named(case):
    nodes, message = BAD[case]
    with pytest.raises(WorkloadError, match=message):
        Graph("net", nodes)
