"""Is a machine what the user said it is, and is everything else refused by name?"""

import tomllib

import pytest

from arch.errors import SpecError
from arch.machine import MACHINES, machine
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
    ("pe_blocks=0", "--set: pe_blocks = 0: input should be greater than 0"),
    ("pe_blocks=many", "--set: pe_blocks = 'many': input should be a valid integer"),
    ("pe_blocks=1.5", r"--set: pe_blocks = 1.5: input should be a valid integer"),
    ("packing=tight", "--set: packing = 'tight': input should be 'window', 'ideal' or 'none'"),
    ("systolic.rows=3", "'systolic' takes no part, allowed are basis_first"),
]


@pytest.mark.parametrize(("setting", "message"), BAD_SETTINGS)
def test_refused_settings(setting, message):
    with pytest.raises(SpecError, match=message):
        choose("basis_first", settings=[setting])


BAD_FILES = [
    ("machine = basis_first", "not a TOML file"),
    ("pe_blocks = 3", "machine missing, allowed are basis_first"),
    ('machine = "abacus"', "machine = 'abacus': unknown, allowed are basis_first"),
    ("machine = 3", "machine = 3: wanted a name in quotes"),
    ('machine = "systolic"\npreset = "big"', "preset = 'big': unknown, allowed are iso"),
    ('machine = "basis_first"\ncolour = 3', "unknown field 'colour'"),
    ('machine = "basis_first"\npe_blocks = -1', "pe_blocks = -1: input should be greater than 0"),
    ('machine = "basis_first"\npe_blocks = [1, 2]', r"pe_blocks = \[1, 2\]: input should be a"),
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
