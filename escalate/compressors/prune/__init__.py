"""Pruning: 8-bit weights of which only the strongest stay."""
