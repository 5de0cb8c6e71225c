"""Networks with float weights, measured and retrained.

Modules, losses, calibration and sensitivities belong here: what needs torch and images.
"""
