"""The network in integers: requantizers, removal of channels, the exact model in torch.

What turns trained modules into the arrays of machines belongs here.
"""
