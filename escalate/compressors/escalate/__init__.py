"""ESCALATE: ternary coefficients of an 8-bit basis, its options, and what a budget makes of them.

The curves of the layers belong here, and how a budget chooses among their points.
"""
