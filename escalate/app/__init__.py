"""What each command does, and the Python API: the front end, machines and reports put together.

What needs more than one of those three belongs here; what prints or parses words does not.
"""
