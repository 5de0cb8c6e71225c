"""Rate distortion (Gao et al., ICML 2019): pruned 8-bit weights that share few values."""
