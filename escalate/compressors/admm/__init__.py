"""ADMM for crossbars (Yuan et al., ISLPED 2019): rows, columns or tiles of weights on levels."""
