"""Are a user's own prices used where they are meant, and is every slip named?"""

import pytest

from arch.errors import SpecError
from escalate.app.compare import compare
from escalate.app.machines import choose, choose_all
from escalate.app.prices import MOST_PJ, priced, read_prices
from escalate.app.simulate import simulate

DRAM = '[[price]]\ncomponent = "dram"\naction = "byte"\npJ = 99.6\nsource = "a data sheet"\n'
CLOCK = '[[price]]\ncomponent = "clock"\naction = "cycle"\npJ = 7\nsource = "a chip"\n'


@pytest.fixture
def table(tmp_path):
    """Writes a file of prices."""

    def write(text):
        path = tmp_path / "prices.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_entries_are_read_exactly(table):
    dram, clock = read_prices(table(DRAM + CLOCK))
    assert (dram.component, dram.action, dram.machine) == ("dram", "byte", None)
    assert (dram.price.attojoules, dram.price.source) == (99_600_000, "a data sheet")
    assert clock.price.attojoules == 7_000_000
    assert read_prices(table(DRAM.replace("99.6", "0")))[0].price.attojoules == 0
    assert read_prices(table(DRAM.replace("99.6", f"{MOST_PJ}")))


def test_single_prices_are_replaced_in_every_machine(table):
    path = table(DRAM)
    frame = compare("digits_cnn", ["systolic:iso", "systolic:tiny"], energy_table=path)
    plain = compare("digits_cnn", ["systolic:iso", "systolic:tiny"])
    for row in range(2):
        mine, theirs = frame.iloc[row], plain.iloc[row]
        assert mine["cycles"] == theirs["cycles"]
        assert mine["energy_dram_j"] == pytest.approx(mine["dram_bytes"] * 99.6e-12, rel=1e-12)
        others = mine["energy_j"] - mine["energy_dram_j"]
        assert others == pytest.approx(theirs["energy_j"] - theirs["energy_dram_j"], rel=1e-9)
        assert f"machine changed: energy_table={path}" in mine["notes"]


def test_a_price_for_one_machine_leaves_the_others_alone(table):
    chosen = choose_all(["basis_first", "systolic"])
    both = priced(chosen, table(CLOCK + CLOCK.replace("7", '70\nmachine = "systolic"')))
    clock = [choice.own_prices["clock", "cycle"].attojoules for choice in both]
    assert clock == [7_000_000, 70_000_000]
    one = priced(chosen, table(CLOCK + 'machine = "systolic"\n'))
    assert [dict(choice.own_prices) == {} for choice in one] == [True, False]
    some = priced(chosen, table(CLOCK.replace("clock", "pe").replace("cycle", "add")))
    assert [list(choice.own_prices) for choice in some] == [[("pe", "add")]] * 2
    assert priced(chosen, None) == chosen


def test_a_machine_file_may_name_a_table_beside_it(table, tmp_path):
    path = table(DRAM)
    mine = tmp_path / "mine.toml"
    mine.write_text('machine = "systolic"\nenergy_table = "prices.toml"\n')
    (choice,) = choose(str(mine))
    assert choice.own_prices["dram", "byte"].attojoules == 99_600_000
    assert choice.label == f"iso with energy_table={path}"
    (again,) = priced([choice], table(DRAM.replace("99.6", "1")))
    assert again.own_prices["dram", "byte"].attojoules == 1_000_000
    mine.write_text('machine = "systolic"\nenergy_table = 3\n')
    with pytest.raises(SpecError, match=r"mine\.toml: energy_table = 3: wanted a file in quotes"):
        choose(str(mine))


def test_own_prices_reach_the_layers(table):
    frame = simulate("digits_cnn", machine="systolic", energy_table=table(CLOCK))
    expected = frame["cycles"] * 7e-12
    assert frame["energy_clock_j"].tolist() == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"wanted at least one \[\[price\]\]"),
        ("price = 3\n", r"wanted at least one \[\[price\]\]"),
        ("price = [3]\n", r"price 1: wanted a table \[\[price\]\]"),
        ("[[prices]]\n", r"unknown field 'prices', allowed is \[\[price\]\]"),
        ("[[price]\n", r"not a TOML file: "),
        (DRAM + "pj = 3\n", r"price 1: unknown field 'pj', allowed are component, action, pJ, so"),
        (DRAM.replace("99.6", "-0.1"), r"price 1: pJ = -0\.1: wanted picojoules, 0 to 1e12"),
        (DRAM.replace("99.6", "nan"), r"price 1: pJ = NaN: wanted picojoules"),
        (DRAM.replace("99.6", "-inf"), r"price 1: pJ = -Infinity: wanted picojoules"),
        (DRAM.replace("99.6", "1e400"), r"price 1: pJ = 1E\+400: wanted picojoules"),
        (DRAM.replace("99.6", "true"), r"price 1: pJ = True: wanted picojoules"),
        (DRAM.replace("99.6", '"3"'), r"price 1: pJ = 3: wanted picojoules"),
        (DRAM.replace("pJ = 99.6\n", ""), r"price 1: pJ = missing: wanted picojoules"),
        (DRAM.replace('"a data sheet"', '""'), r"price 1: source = '': wanted words in quotes"),
        (DRAM.replace('"dram"', "4"), r"price 1: component = 4: wanted words in quotes"),
        (DRAM.replace('action = "byte"\n', ""), r"price 1: action = None: wanted words in quot"),
        (DRAM + 'machine = "abacus"\n', r"price 1: machine = 'abacus': unknown, allowed are ba"),
        (DRAM + CLOCK + DRAM, r"price 3: dram byte stands there twice"),
        (DRAM.replace("dram", "flux"), r"price 1: component = 'flux': unknown, allowed are acc"),
        (DRAM.replace("byte", "bit"), r"price 1: action = 'bit': dram has none, allowed are byte"),
        (DRAM + 'machine = "basis_first"\n', r"price 1: machine = 'basis_first': takes no part"),
    ],
)
def test_a_slip_takes_one_line(table, text, message):
    path = table(text)
    with pytest.raises(SpecError, match=message) as caught:
        priced(choose("systolic"), path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match=r"gone\.toml: No such file or directory"):
        read_prices(tmp_path / "gone.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"binary\.toml: not a TOML file: "):
        read_prices(path)
