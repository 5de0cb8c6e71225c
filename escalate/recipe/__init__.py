"""From options to a compressed model: the steps in order, the same for every method.

What a method does in a step belongs to its folder in ``escalate.compressors``.
"""
