"""completion: what the shell proposes for names of machines, presets and networks.

A shell completes file names where nothing is proposed.
"""


def machine_names(incomplete: str) -> list[str]:
    """Names of machines; presets behind ``NAME:``.

    Examples
    --------
    >>> machine_names("sys"), machine_names("systolic:s")
    (['systolic'], ['systolic:scalesim'])
    """
    from arch.errors import SpecError
    from arch.machine import machine
    from arch.machine import machine_names as there_are

    name, colon, preset = incomplete.partition(":")
    if not colon:
        return [known for known in there_are() if known.startswith(incomplete)]
    try:
        presets = machine(name).presets
    except SpecError:
        return []
    return [f"{name}:{known}" for known in presets if known.startswith(preset)]


def machine_lists(incomplete: str) -> list[str]:
    """The same for the last of several names with commas between.

    Examples
    --------
    >>> machine_lists("scnn,spar")
    ['scnn,sparten']
    """
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in machine_names(last)]


def network_names(incomplete: str) -> list[str]:
    """Names of networks.

    Examples
    --------
    >>> network_names("digits")
    ['digits_cnn']
    """
    from escalate.app.networks import names

    return [name for name in names() if name.startswith(incomplete)]
