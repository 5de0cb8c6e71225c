"""The Basis-First machine.  Its rules stand in docs/specification, named BF-1 and so on.

basis_first.md: spec.py (fields), bounds.py (widths), modes.py (k-tiles, passes, slices), sums.py.
basis_first_time.md: ca_unit.py (dilution, concentration), mac_row.py (taps), recurrence.py (steps).
basis_first_memory.md: layout.py, tiling.py, steps.py (named orders), auto.py, cuts.py, search.py.
basis_first_counts.md: tally.py (events), charges.py (actions), components.py (prices, area).
work.py does what no plan changes, model.py puts all together.
"""
