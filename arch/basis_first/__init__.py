"""The Basis-First machine, one file per section of its specification.

spec.py (2) the fields; bounds.py (1) widths; modes.py (3) k-tiles, passes, slices; ca_unit.py (4)
dilution and concentration; mac_row.py (5) taps and psums; recurrence.py (6) the time of a step;
layout.py, tiling.py, steps.py (7) memory; charges.py (8) energy; model.py puts them together.
"""
