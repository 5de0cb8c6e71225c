"""Variational Bayesian quantization (Yang et al., ICML 2020) of weights, by their uncertainty."""
