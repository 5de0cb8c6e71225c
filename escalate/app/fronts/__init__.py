"""The parts of ``escalate pareto``: points, models, rows, the reference, and what is written."""
