"""operators: what runs between the layers of a network, charged alike on every machine.

A machine's own operators cost energy and DRAM bytes, and no cycle.  They are part of the row of the
layer behind which they run.  An operator on the host is a row of its own: bytes and operations.

Rules: specification/memory.md, MEM-18, MEM-19 and MEM-26.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from arch.components import REQUANTIZE_BITS
from arch.counters import Counters, LayerResult
from arch.energy import EnergyTable, Price
from arch.memory import burst_bytes
from arch.prices import price_list
from arch.spec import MachineSpec
from workloads.between import Between, OnHost
from workloads.layer import ConvLayer

ON_HOST = "on the host"  # the mode of a row
OPERATORS, HOST = "operators", "host"  # components, and the tensor of their bytes
TABLE_BYTES = 256
SUM_BITS, CODE_BITS = 32, 8
FREE = Price(0, "no published figure for the host; a table of one's own may price it")


def operator_prices(spec: MachineSpec) -> EnergyTable:
    """What each action of an operator costs on a machine, from the tables its fields name.

    Raises
    ------
    SpecError
        If the tables hold no such part.

    Examples
    --------
    >>> found = operator_prices(MachineSpec())
    >>> {action: price.attojoules for (_, action), price in found.items()}
    {'lookup': 645900, 'compare': 30000, 'add': 100000, 'multiply': 200000, 'rescale': 3200000, \
'operation': 0}
    """
    found = price_list(spec)
    prices = {
        "lookup": found.memory(TABLE_BYTES, 1).read,
        "compare": found.add(CODE_BITS),
        "add": found.add(SUM_BITS),
        "multiply": found.multiply(CODE_BITS, CODE_BITS),
        "rescale": found.multiply(REQUANTIZE_BITS, REQUANTIZE_BITS),
    }
    table = {(OPERATORS, action): price for action, price in prices.items()}
    return table | {(HOST, "operation"): FREE}


def with_operators(
    results: Iterable[LayerResult], found: Mapping[str, Between]
) -> Iterator[LayerResult]:
    """The rows of a network, with what runs between its layers; cycles stay what they are.

    Parameters
    ----------
    results : of the layers, in order
    found : by layer, what runs behind it
    """
    for result in results:
        here = found.get(result.layer.name)
        if here is None:
            yield result
            continue
        yield _with_own(result, here)
        for operator in here.host:
            yield _on_host(operator, result)


def _with_own(result: LayerResult, here: Between) -> LayerResult:
    """A layer's row with the machine's own operators behind it."""
    images, counters = result.images, result.counters
    moved = {
        way: sum(burst_bytes(images * size, result.spec) for size in sizes)
        for way, sizes in (("read", here.reads), ("write", here.writes))
    }
    events = {
        (OPERATORS, action, OPERATORS): images * count for action, count in here.actions.items()
    }
    return replace(result, counters=_charged(counters, OPERATORS, moved, events))


def _charged(
    counters: Counters,
    tensor: str,
    moved: Mapping[str, int],
    events: Mapping[tuple[str, str, str], int],
) -> Counters:
    """Counters with more bytes of DRAM and more events."""
    traffic = {("dram", tensor, way): size for way, size in moved.items() if size}
    crossed = {("dram", "byte", tensor): sum(moved.values())} if traffic else {}
    return replace(
        counters,
        traffic={**counters.traffic, **traffic},
        events={**counters.events, **crossed, **events},
    )


def _on_host(operator: OnHost, behind: LayerResult) -> LayerResult:
    """The row of an operator on the host; its layer says its name and the shape of its output."""
    images, spec = behind.images, behind.spec
    channels, rows, columns = operator.shape
    counters = Counters(
        cycles=0,
        compute_cycles=0,
        drain_cycles=0,
        pipeline_cycles=0,
        memory_stall_cycles=0,
        macs=0,
        effectual_ops=0,
        multiplies=0,
        units=0,
        causes={},
        traffic={},
        events={},
    )
    moved = {
        "read": sum(burst_bytes(images * size, spec) for size in operator.reads),
        "write": burst_bytes(images * operator.writes, spec),
    }
    events = {(HOST, "operation", HOST): images * operator.operations}
    return LayerResult(
        ConvLayer(operator.name, channels, channels, rows, columns),
        images,
        behind.machine,
        spec,
        ON_HOST,
        _charged(counters, HOST, moved, events),
        provenance={
            "origin": behind.provenance.get("origin", ""),
            "notes": f"{operator.op} {ON_HOST}: no machine cycle, and its arithmetic has no price",
        },
    )
