"""How finely ternary coefficients are scaled, one file for each choice of ``--scales``.

A file here is found by its name and offers ``GRANULARITY``; there is no list to add it to.
"""
