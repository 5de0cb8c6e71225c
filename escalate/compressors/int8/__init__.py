"""Plain 8 bits: every layer calibrated, nothing else."""
