"""Is a machine what the user said it is, and is everything else refused by name?"""

import tomllib

import pytest

from arch.errors import SpecError
from arch.machine import MACHINES, machine, machine_names
from escalate.app.machines import baseline_index, choose, choose_all, machine_rows, to_toml


@pytest.mark.parametrize("name", MACHINES)
def test_a_printed_machine_reads_back(name, tmp_path):
    for preset in machine(name).presets:
        (chosen,) = choose(name, (preset,))
        path = tmp_path / "mine.toml"
        path.write_text(to_toml(chosen))
        (again,) = choose(str(path))
        assert (again.machine, again.preset, again.spec) == (chosen.machine, preset, chosen.spec)
        assert again.label == preset


def test_changed_fields_survive_the_file_and_show_in_the_label(tmp_path):
    (chosen,) = choose("basis_first", settings=["pe_blocks=16", "packing=ideal", "clock_hz=1e9"])
    assert chosen.label == "default with clock_hz=1000000000, pe_blocks=16, packing=ideal"
    assert chosen.notes == ["machine changed: clock_hz=1000000000, pe_blocks=16, packing=ideal"]
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(chosen))
    (again,) = choose(str(path))
    assert again.spec == chosen.spec
    (many,) = choose(str(path), settings=["lookahead=1"])
    assert many.label == "default with 4 fields changed"


def test_a_file_may_name_few_fields(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('machine = "systolic"\npreset = "tiny"\nrows = 8\n')
    (chosen,) = choose(str(path))
    assert (chosen.preset, chosen.spec.rows, chosen.spec.filter_bytes) == ("tiny", 8, 4096)
    (other,) = choose(str(path), presets=("iso",))
    assert (other.preset, other.spec.rows) == ("iso", 8)


def test_presets_and_fields_of_several_machines():
    chosen = choose_all(
        ["basis_first", "systolic:tiny", "systolic"],
        settings=["clock_hz=400000000", "systolic.rows=16"],
    )
    assert [c.machine.name for c in chosen] == ["basis_first", "systolic", "systolic"]
    assert [c.spec.clock_hz for c in chosen] == [400_000_000] * 3
    assert [c.spec.rows for c in chosen[1:]] == [16, 16]
    assert len(choose("systolic", ("iso", "tiny"))) == 2


def test_baselines():
    chosen = choose_all(["basis_first", "systolic:iso", "systolic:tiny"])
    assert baseline_index(chosen, None) == 0
    assert baseline_index(chosen, "basis_first") == 0
    assert baseline_index(chosen, "systolic:tiny") == 2
    with pytest.raises(SpecError, match="--baseline 'systolic' names 2 of the machines"):
        baseline_index(chosen, "systolic")
    with pytest.raises(SpecError, match="--baseline 'scnn' names none of the machines, which are"):
        baseline_index(chosen, "scnn")


BAD_SETTINGS = [
    ("pe_blocks", "--set: 'pe_blocks': wanted field=value"),
    ("=3", "--set: '=3': wanted field=value"),
    ("colour=3", "--set: unknown field 'colour', allowed are clock_hz"),
    ("pe_blocks=0", "--set: pe_blocks = 0: wanted a whole number 1 to 65536"),
    ("pe_blocks=many", "--set: pe_blocks = 'many': wanted a whole number"),
    ("pe_blocks=1.5", r"--set: pe_blocks = 1.5: wanted a whole number"),
    ("pe_blocks=1e30", r"--set: pe_blocks = 1e\+30: wanted a whole number 1 to 65536"),
    ("pe_blocks=true", "--set: pe_blocks = True: wanted a whole number"),
    ("pe_blocks=1_0", "--set: pe_blocks = '1_0': wanted a whole number"),
    ("pe_blocks=\u0663\u0662", "--set: pe_blocks = '\u0663\u0662': wanted a whole number"),
    ("packing=tight", "--set: packing = 'tight': wanted 'window', 'ideal' or 'none'"),
    ("systolic.rows=3", "'systolic' takes no part, allowed are basis_first"),
]


@pytest.mark.parametrize(("setting", "message"), BAD_SETTINGS)
def test_refused_settings(setting, message):
    with pytest.raises(SpecError, match=message):
        choose("basis_first", settings=[setting])


def test_a_field_is_set_once():
    settings = ["pe_blocks=8", "basis_first.pe_blocks=9"]
    for order in (settings, settings[::-1]):  # the machine's own wins
        (chosen,) = choose("basis_first", settings=order)
        assert chosen.spec.pe_blocks == 9
    for twice in ("pe_blocks", "basis_first.pe_blocks"):
        with pytest.raises(SpecError, match=f"'{twice}' is set twice"):
            choose("basis_first", settings=[f"{twice}=8", f" {twice} =8"])


def test_a_switch_is_true_or_false():
    (chosen,) = choose("scnn", settings=["skip_zeros=false"])
    assert chosen.spec.skip_zeros is False
    with pytest.raises(SpecError, match="skip_zeros = 0: wanted true or false"):
        choose("scnn", settings=["skip_zeros=0"])


BAD_FILES = [
    ("machine = basis_first", "not a TOML file"),
    ("pe_blocks = 3", "machine missing, allowed are basis_first"),
    ('machine = "abacus"', "machine = 'abacus': unknown, allowed are basis_first"),
    ("machine = 3", "machine = 3: wanted a name in quotes"),
    ('machine = "systolic"\npreset = "big"', "preset = 'big': unknown, allowed are iso"),
    ('machine = "basis_first"\ncolour = 3', "unknown field 'colour'"),
    ('machine = "basis_first"\npe_blocks = -1', "pe_blocks = -1: wanted a whole number"),
    ('machine = "basis_first"\npe_blocks = [1, 2]', r"pe_blocks = \[1, 2\]: wanted a whole"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES)
def test_refused_files_are_named(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=f"mine.toml: {message}") as refused:
        choose(str(path))
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"gone.toml: No such file"):
        choose(str(tmp_path / "gone.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"bytes.toml: not a TOML file"):
        choose(str(tmp_path / "bytes.toml"))


def test_every_field_of_a_printed_machine_says_what_it_is():
    for name in MACHINES:
        (chosen,) = choose(name)
        text = to_toml(chosen)
        fields = [line for line in text.splitlines() if " = " in line and "#" in line]
        assert len(fields) == len(type(chosen.spec).model_fields)
        assert set(tomllib.loads(text)) == {"machine", "preset", *type(chosen.spec).model_fields}


def test_the_list_names_every_machine_with_its_source():
    rows = machine_rows()
    assert [row["machine"] for row in rows] == list(MACHINES)
    assert all(row["what"] and row["source"] and row["presets"] for row in rows)


def test_all_stands_for_every_machine():
    assert [c.machine.name for c in choose_all(["all"])] == list(machine_names())
    with pytest.raises(SpecError, match="all stands alone, with it came all, scnn"):
        choose_all(["all", "scnn"])
