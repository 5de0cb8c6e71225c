"""Weight penalty clipping (Yang et al., AAAI 2020): ternary weights, whole groups of them 0."""
