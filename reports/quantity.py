"""Numbers for people: SI prefixes and rounding, chosen by the unit at the end of a name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Value = int | float | str | None

PREFIXES: Mapping[int, str] = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T",
}  # fmt: skip
DIGITS = 3  # significant digits of a scaled number
SETTING_DIGITS = 6  # of a number that somebody chose
EXACT_BELOW = 10_000  # smaller integers are printed in full, and cycles always
AXIS = "axis_"  # starts the name of a column that a sweep varies
NO_BREAK = "\N{NO-BREAK SPACE}"
THIN = "\N{NARROW NO-BREAK SPACE}"

# end of a column name -> unit; the first that fits counts, so longer ends stand first
UNITS: tuple[tuple[str, str], ...] = (
    ("_bytes_per_s", "B/s"),
    ("_bytes", "B"),
    ("_j_s", "J·s"),
    ("_tops_per_w", "TOPS/W"),
    ("_j", "J"),
    ("_s", "s"),
    ("_hz", "Hz"),
    ("_mm2", "mm²"),
    ("_db", "dB"),
    ("_per_s", "/s"),
)
RATIOS = (
    "speedup",
    "energy_efficiency",
    "compression_ratio",
    "speedup_per_mm2",
    "intermediate_ratio",
)
CLOSE_RATIOS = ("latency_ratio", "energy_ratio", "dram_ratio", "area_ratio")  # near 1
FRACTIONS = ("accuracy", "agreement", "_utilization", "_fraction", "_density", "density")
NAMES: Mapping[str, str] = {
    "latency_s": "latency",
    "energy_j": "energy",
    "dram_bytes": "DRAM traffic",
    "peak_bandwidth_bytes_per_s": "peak bandwidth",
    "mean_bandwidth_bytes_per_s": "mean bandwidth",
    "macs": "dense MACs",
    "macs_per_cycle": "dense MACs per cycle",
    "edp_j_s": "energy × delay",
    "effective_tops_per_w": "effective TOPS/W",
    "sram_bytes": "SRAM",
    "area_mm2": "area",
    "speedup_per_mm2": "speedup per mm²",
    "memory_stall_fraction": "memory stalls",
    "sqnr_db": "SQNR",
    "front": "Pareto front",
    "interval": "95 %",
    "accuracy_interval": "95 % of accuracy",
    "agreement_interval": "95 % of agreement",
}


WORDS: Mapping[str, str] = {
    "ca": "CA",
    "dram": "DRAM",
    "fifo": "FIFO",
    "glb": "GLB",
    "mac": "MAC",
    "macs": "MACs",
    "pe": "PE",
    "sram": "SRAM",
}


@dataclass(frozen=True, slots=True)
class Form:
    """How the numbers of a column are written: a kind that ``quantity`` knows, and a unit."""

    kind: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value as text, and the number by which it sorts."""

    text: str
    sort: float | str
    numeric: bool


def rounded(value: float, digits: int = DIGITS) -> str:
    """``value`` with ``digits`` significant digits, never in exponent form.

    Examples
    --------
    >>> rounded(3.14159), rounded(31.4159), rounded(0.05), rounded(1234.5)
    ('3.14', '31.4', '0.0500', '1234')
    """
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if round(abs(value), places) >= 10.0 ** (digits - places):
        places -= 1
    return f"{value:.{max(places, 0)}f}"


def si(value: float, unit: str) -> str:
    """``value`` scaled by a power of 1000, with its unit; areas get no prefix.

    Examples
    --------
    >>> si(0.00123, "s"), si(25.6e9, "B/s"), si(0, "J"), si(999.96, "B")
    ('1.23\\xa0ms', '25.6\\xa0GB/s', '0\\xa0J', '1.00\\xa0kB')
    >>> si(0.0123, "mm²")
    '0.0123\\xa0mm²'
    """
    if value == 0:
        return f"0{NO_BREAK}{unit}".rstrip(NO_BREAK)
    if unit == "mm²":
        return f"{rounded(value)}{NO_BREAK}{unit}"
    exponent = 3 * math.floor(math.log10(abs(value)) / 3)
    exponent = min(max(exponent, min(PREFIXES)), max(PREFIXES))
    text = rounded(value / 10.0**exponent)
    if float(text) >= 1000 and exponent < max(PREFIXES):
        exponent += 3
        text = rounded(value / 10.0**exponent)
    return f"{text}{NO_BREAK}{PREFIXES[exponent]}{unit}".rstrip(NO_BREAK)


def tick(value: float, unit: str) -> str:
    """``si`` for an axis, without needless digits.

    Examples
    --------
    >>> tick(1e6, ""), tick(2.5e-3, "J"), tick(100.0, "B")
    ('1\\xa0M', '2.5\\xa0mJ', '100\\xa0B')
    """
    number, space, rest = si(value, unit).partition(NO_BREAK)
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + space + rest


def grouped(value: int) -> str:
    """An integer with its digits in groups of three.

    Examples
    --------
    >>> grouped(1234567)
    '1\\u202f234\\u202f567'
    """
    return f"{value:,}".replace(",", THIN)


def setting(value: float) -> str:
    """A number that somebody chose, without needless digits.

    Examples
    --------
    >>> setting(0.05), setting(1.5), setting(100.0)
    ('0.05', '1.5', '100')
    """
    text = rounded(value, SETTING_DIGITS)
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_of(name: str) -> str:
    """The unit at the end of a column's name, or nothing.

    Examples
    --------
    >>> unit_of("peak_bandwidth_bytes_per_s"), unit_of("layers")
    ('B/s', '')
    """
    return next((unit for end, unit in UNITS if name.endswith(end)), "")


def heading(name: str) -> str:
    """A column's name for people; the unit is shown with the values instead.

    Examples
    --------
    >>> heading("dram_bytes"), heading("memory_stall_cycles"), heading("input_glb")
    ('DRAM traffic', 'memory stall cycles', 'input GLB')
    >>> heading("axis_pe_blocks"), heading("axis_clock_hz")
    ('PE blocks', 'clock')
    """
    name = name.removeprefix(AXIS)
    if name in NAMES:
        return NAMES[name]
    end = next((end for end, _ in UNITS if name.endswith(end)), "")
    return " ".join(WORDS.get(word, word) for word in name.removesuffix(end).split("_"))


def form(name: str) -> Form:
    """How numbers of column ``name`` are written; the script of pages follows the same rule.

    Examples
    --------
    >>> form("latency_s"), form("speedup")
    (Form(kind='si', unit='s'), Form(kind='times', unit=''))
    """
    if name.endswith(CLOSE_RATIOS):
        return Form("close")
    if name.endswith(RATIOS):
        return Form("times")
    if name.endswith(FRACTIONS):
        return Form("share")
    if name.endswith("_db"):
        return Form("plain", "dB")  # a logarithm takes no prefix
    if name.endswith("_tops_per_w"):
        return Form("plain")  # its heading holds the unit
    unit = unit_of(name)
    if unit:
        return Form("si", unit)
    if name.startswith(AXIS):
        return Form("setting")
    return Form("exact" if name.endswith("cycles") else "count")


def written(how: Form, value: int | float) -> str:
    """A number in a form.

    Examples
    --------
    >>> written(Form("count"), 12345678), written(Form("exact"), 12345678)
    ('12.3\\xa0M', '12\\u202f345\\u202f678')
    """
    if how.kind == "close":
        return f"{value:.3f}"
    if how.kind == "times":
        return f"{rounded(value)}×"
    if how.kind == "share":
        return f"{100 * value:.1f}{NO_BREAK}%"
    if how.kind == "plain":
        return f"{rounded(value)}{NO_BREAK}{how.unit}".rstrip(NO_BREAK)
    if how.kind == "si":
        return si(value, how.unit)
    if isinstance(value, int):
        exact = how.kind == "exact" or abs(value) < EXACT_BELOW
        return grouped(value) if exact else si(value, "")
    return setting(value) if how.kind == "setting" else rounded(value)


def quantity(name: str, value: Value) -> Quantity:
    """A cell of column ``name``; its text follows from the unit at the end of the name.

    Examples
    --------
    >>> quantity("latency_s", 0.00123).text, quantity("speedup", 3.456).text
    ('1.23\\xa0ms', '3.46×')
    >>> quantity("top1_accuracy", 0.9312).text, quantity("macs", 12345678).text
    ('93.1\\xa0%', '12.3\\xa0M')
    >>> quantity("sqnr_db", 0.432).text
    '0.432\\xa0dB'
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Quantity("–", -math.inf, True)
    if isinstance(value, bool | str):
        return Quantity(str(value), str(value).lower(), False)
    return Quantity(written(form(name), value), value, True)
