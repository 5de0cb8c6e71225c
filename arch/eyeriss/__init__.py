"""Eyeriss; the rules stand in specification/eyeriss.md."""
