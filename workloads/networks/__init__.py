"""Networks known by name: one literal file each, headed by the source of its table.

A file with a constant ``NETWORK`` of the file's own name is found here; nothing lists it.
"""
