"""From options to a compressed model: forms, budgets, curves, and the steps in order.

What decides how a network is compressed belongs here; how a method works does not.
"""
