"""Eyeriss v2; the rules stand in specification/eyeriss_v2.md."""
