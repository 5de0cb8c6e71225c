"""The systolic array; the rules stand in specification/systolic.md."""
