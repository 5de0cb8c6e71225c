import math

import pytest

from reports.quantity import NO_BREAK, heading, quantity, rounded, si


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9994, "0.999"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (123.4, "123"),
        (-0.0501, "-0.0501"),
        (0, "0"),
    ],
)
def test_rounding_keeps_three_digits_on_both_sides_of_a_power(value: float, text: str) -> None:
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999.4, "999 B"),
        (999.6, "1.00 kB"),
        (1e-18, "1.00 aB"),
        (5e-21, "0.00500 aB"),
        (3.2e15, "3200 TB"),
        (-2500, "-2.50 kB"),
    ],
)
def test_prefixes_change_at_a_thousand_and_end(value: float, text: str) -> None:
    assert si(value, "B").replace(NO_BREAK, " ") == text


def test_what_is_not_a_number_sorts_last() -> None:
    assert quantity("speedup", math.nan).text == "–"
    assert quantity("speedup", None).sort == -math.inf
    assert not quantity("mode", "bypass").numeric


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cycles", 1234567, "1 234 567"),
        ("macs", 9_999, "9 999"),
        ("macs", 10_000, "10.0 k"),
        ("peak_bandwidth_bytes_per_s", 25.6e9, "25.6 GB/s"),
        ("edp_j_s", 3.2e-9, "3.20 nJ·s"),
        ("area_mm2", 1.234, "1.23 mm²"),
        ("effective_tops_per_w", 8.46, "8.46"),
        ("compression_ratio", 11.234, "11.2×"),
        ("multiplier_utilization", 0.5, "50.0 %"),
        ("macs_per_cycle", 12.5, "12.5"),
    ],
)
def test_the_end_of_a_name_sets_the_unit(name: str, value: float, text: str) -> None:
    shown = quantity(name, value).text
    assert shown.replace(NO_BREAK, " ").replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_headings_drop_the_unit() -> None:
    assert heading("clock_hz") == "clock"
    assert heading("glb_input_read_bytes") == "GLB input read"
