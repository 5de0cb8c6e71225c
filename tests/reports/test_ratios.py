"""Are ratios to nothing, and of nothing, no numbers?"""

import math
from dataclasses import replace

from arch.counters import Counters
from reports.quantity import quantity
from reports.ratios import compare_rows, mean_rows, ratios
from tests.reports.runs import run


def idle(found):
    """The run with nothing that takes time or energy, as a layer of zeros has it."""
    layers = tuple(
        replace(result, counters=Counters(0, 0, 0, 0, 0, result.counters.macs, 0, 0, 1, {}, {}, {}))
        for result in found.results
    )
    return replace(found, results=layers, charges=tuple(() for _ in found.charges))


def test_a_layer_of_zeros_as_baseline_gives_no_ratio():
    busy, zero = run(machine="a"), idle(run(machine="b"))
    assert zero.cycles == zero.energy_aj == 0
    for one, base in ((busy, zero), (zero, busy), (zero, zero)):
        found = ratios(one, base)
        assert math.isnan(found["speedup"])
        assert math.isnan(found["energy_efficiency"])
        assert quantity("speedup", found["speedup"]).text == "–"
    assert "speedup" not in mean_rows(compare_rows([busy, zero], "b"))[0]
