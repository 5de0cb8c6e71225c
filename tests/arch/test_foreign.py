"""Are machines of other distributions found, and those that cannot be used named with reasons?"""

import importlib
import inspect
import sys

import pytest

from arch.errors import SpecError
from arch.foreign import MEMBERS, offers
from arch.machine import MACHINES, Machine, machine, machine_names
from tests.installed import installed

GOOD = """
from arch.spec import MachineSpec

class Abacus:
    name, summary, source = "abacus", "beads", "a test"
    spec_type, presets = MachineSpec, {"default": MachineSpec()}
    eats_shapes, eats_basis = False, False
    def run(self, tensors, spec, around=None, kept=None): ...
    def run_shape(self, layer, spec, images=1): ...
    def prices(self, spec): ...
    def resources(self, spec): ...

MACHINE = Abacus()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution for one test; its modules are forgotten afterwards."""
    before = set(sys.modules)

    def lay(modules, points, name="wooden-beads"):
        folder = installed(tmp_path / name, name, modules, points)
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        offers.cache_clear()

    yield lay
    offers.cache_clear()
    for module in set(sys.modules) - before:
        if module.startswith("beads"):
            del sys.modules[module]


def test_the_members_checked_are_those_of_the_protocol():
    own = {name for name in vars(Machine) if inspect.isfunction(vars(Machine)[name])}
    own = {name for name in own if not name.startswith("_")}
    assert own | set(Machine.__annotations__) == set(MEMBERS)


def test_an_installed_machine_stands_behind_ours(install):
    install({"beads": GOOD}, {"abacus": "beads:MACHINE"})
    assert machine_names() == (*MACHINES, "abacus")
    assert machine("abacus").summary == "beads"
    with pytest.raises(SpecError, match=r"unknown machine 'slide', allowed are .*, abacus$"):
        machine("slide")


def test_nothing_is_imported_before_a_machine_is_asked_for(install):
    install({"beads": "raise SystemExit('imported')"}, {"abacus": "beads:MACHINE"})
    assert "abacus" in machine_names()
    assert machine("systolic").name == "systolic"


def wrong(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


PROBLEMS = [
    (GOOD, "gone:MACHINE", "cannot be imported: ModuleNotFoundError: No module named 'gone'"),
    (GOOD, "beads:MACHINERY", "cannot be imported: AttributeError: module 'beads' has no attr"),
    ("1 /", "beads:MACHINE", "cannot be imported: SyntaxError: invalid syntax"),
    ("raise ValueError('a\\nb')", "beads:MACHINE", "cannot be imported: ValueError: a b"),
    (GOOD, "beads:Abacus", "Abacus is a class, wanted one object of it"),
    (wrong("    def prices", "    def price"), "beads:MACHINE", "Abacus has no prices"),
    (wrong("eats_shapes, eats_basis = False, False", ""), "beads:MACHINE", "eats_shapes, eats_b"),
    (wrong('"abacus"', '"counter"'), "beads:MACHINE", "name is 'counter', wanted 'abacus'"),
    (wrong('"beads"', "None"), "beads:MACHINE", "summary is None, wanted words"),
    (wrong("False, False", "False, 'no'"), "beads:MACHINE", "eats_basis is 'no', wanted True or"),
    (wrong("def run(self", "run = 3\n    def ran(self"), "beads:MACHINE", "run is 3, wanted a me"),
    (wrong("= MachineSpec,", "= dict,"), "beads:MACHINE", "wanted a subclass of arch.spec.Mach"),
    (wrong('{"default": MachineSpec()}', "{}"), "beads:MACHINE", "presets is {}, wanted a mapp"),
    (wrong('"default": MachineSpec()', "'a': 1"), "beads:MACHINE", "preset 'a' is a int, wanted"),
]


@pytest.mark.parametrize(("text", "value", "problem"), PROBLEMS)
def test_what_cannot_be_used_is_named_in_one_line(install, text, value, problem):
    install({"beads": text}, {"abacus": value})
    with pytest.raises(SpecError) as refused:
        machine("abacus")
    told = str(refused.value)
    assert told.startswith(f"machine 'abacus': entry point abacus = {value} of wooden-beads: ")
    assert problem in told
    assert "\n" not in told
    assert machine("systolic").name == "systolic"


def test_a_name_of_ours_cannot_be_taken(install):
    install({"beads": GOOD}, {"scnn": "beads:MACHINE"})
    with pytest.raises(SpecError, match="scnn = beads:MACHINE of wooden-beads: the name 'scnn' is"):
        machine("scnn")
    assert machine_names() == tuple(MACHINES)


def test_two_distributions_cannot_share_a_name(install):
    install({"beads": GOOD}, {"abacus": "beads:MACHINE"})
    install({"beads_of_glass": GOOD}, {"abacus": "beads_of_glass:MACHINE"}, name="glass-beads")
    with pytest.raises(SpecError, match=r"(wooden|glass)-beads claims the name 'abacus' too"):
        machine("abacus")


def test_a_name_that_options_cannot_tell_apart_is_refused(install):
    install({"beads": GOOD}, {"aba.cus": "beads:MACHINE"})
    with pytest.raises(SpecError, match=r"'aba.cus' is not made of letters, digits, _ and -"):
        machine("aba.cus")
