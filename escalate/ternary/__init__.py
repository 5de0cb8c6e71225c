"""The method's arithmetic: bases, ternary coefficients and scales.

Pure functions of arrays belong here: no torch module, no file.
"""
