"""SCNN; the rules stand in specification/scnn.md."""
