"""Node scaling: the published polynomials, worked out by hand."""

from fractions import Fraction

import pytest

from arch.cited import rows
from arch.errors import SpecError
from arch.node import area_level, energy_level, node, nominal_v, voltages

NODES = [int(entry["node_nm"]) for entry in rows("nodes.csv")]


def test_45_nm_is_where_the_tables_stand():
    assert (node(45).energy, node(45).area, node(45).label) == (1, 1, "")
    assert node(45, 0.9) == node(45)


def test_the_authors_own_example():
    """Stillmaker and Baas, correction to section 4.2.1: 65 nm at 1.3 V gives 2.604."""
    assert float(energy_level(65, Fraction("1.3"))) == pytest.approx(2.604, abs=5e-4)


@pytest.mark.parametrize(
    ("node_nm", "supply_v", "level"),
    [
        (45, "0.9", "0.84433"),  # 1.103 x 0.81 - 0.362 x 0.9 + 0.2767
        (65, "1.1", "1.68075"),  # 3.755 x 1.21 - 4.398 x 1.1 + 1.975
        (32, "0.9", "0.541209"),  # 0.9559 x 0.81 - 0.7823 x 0.9 + 0.471
        (7, "0.7", "0.047815"),  # 0.1776 x 0.49 - 0.09097 x 0.7 + 0.02447
    ],
)
def test_energy_by_hand(node_nm, supply_v, level):
    assert energy_level(node_nm, Fraction(supply_v)) == Fraction(level)
    expected = Fraction(level) / Fraction("0.84433")
    assert node(node_nm).energy == expected
    assert node(node_nm, float(supply_v)).energy == expected


@pytest.mark.parametrize(
    ("node_nm", "factor"), [(130, "6.25"), (65, "1.4375"), (32, "0.45"), (7, "0.0575")]
)
def test_area_by_hand(node_nm, factor):
    """0.16 of 130 nm at 45 nm."""
    assert node(node_nm).area == Fraction(factor)


def test_40_nm_lies_between_two_published_nodes():
    assert area_level(40) == Fraction("0.16") - Fraction("0.088") * Fraction(5, 13)
    assert area_level(45) / area_level(40) == Fraction(52, 41)


def test_smaller_nodes_take_less_of_both():
    energies, areas = ([getattr(node(n), name) for n in NODES] for name in ("energy", "area"))
    assert energies == sorted(energies, reverse=True)
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("node_nm", NODES)
def test_more_volts_cost_more_at_every_node(node_nm):
    low, high = voltages(node_nm)
    assert low < nominal_v(node_nm) < high
    levels = [energy_level(node_nm, low + (high - low) * Fraction(i, 20)) for i in range(21)]
    assert levels == sorted(set(levels))


@pytest.mark.parametrize("volts", [0.44, 1.09, float("nan"), float("inf"), 0.0, -0.9])
def test_other_volts_are_refused(volts):
    with pytest.raises(SpecError, match=r"wanted 'nominal' or 0\.45 to 1\.08 volts at 45 nm"):
        node(45, volts)


@pytest.mark.parametrize("volts", [0.45, 1.08])
def test_the_edges_are_allowed(volts):
    assert node(45, volts).supply_v == Fraction(str(volts))
    assert node(45, volts).label.endswith(f"at {volts:g} V (Stillmaker and Baas 2017)")


def test_other_words_are_refused():
    with pytest.raises(SpecError, match="wanted volts or 'nominal'"):
        node(45, "high")
