"""The command line: one file for each command, each a thin shell over ``escalate.app``.

Words, help, progress and exit codes belong here; nothing here computes.
"""
