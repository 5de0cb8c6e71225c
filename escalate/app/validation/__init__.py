"""validation: our machines beside what others measured or computed, one module per machine."""
