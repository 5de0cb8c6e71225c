"""Ways to make weights smaller: a folder for each method, and beside them what methods share.

A folder here is a method and is found by its name: its ``compressor.py`` offers ``COMPRESSOR``.
"""
